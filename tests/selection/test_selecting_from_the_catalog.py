"""Experts of the catalog are selected for a target; what was computed for it is never computed again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sam_hub.catalog import tables
from sam_hub.catalog.experts import add_expert, list_experts, place_expert
from sam_hub.catalog.history import latest_selection
from sam_hub.catalog.queries import ExpertQuery, browse_experts
from sam_hub.catalog.removal import execute_removal, plan_removal
from sam_hub.errors import InputError
from sam_hub.ner import Sentence
from sam_hub.ner.readers import read_corpus
from sam_hub.selection.choice import candidates, choose_best
from sam_hub.selection.service import expert_descriptor, sampling_ranking, similarity_ranking
from sam_hub.selection.votes import VoteOptions


def by_sampling(context, experts, k=2, **options):
    ranking = sampling_ranking(context.catalog, context.target, experts, settings=context.settings, size=3, **options)
    return ranking, choose_best(context.catalog, context.target, experts, [ranking], k)["sampling"]


def test_a_selection_by_sampling_is_recorded_with_all_that_it_was_made_of(context, tmp_path):
    ranking, chosen = by_sampling(context, context.experts)
    kept = latest_selection(context.catalog, context.target.id, "sampling")
    assert kept.chosen == [e.ref for name in chosen for e in context.experts if e.repo == name]
    assert [row["expert"] for row in kept.ranking] == [row.expert for row in ranking.rows]
    page = browse_experts(context.catalog.path, ExpertQuery(target_id=context.target.id), limit=9)
    scores = {(row.repo, row.sampling, row.sampling_low, row.sampling_high) for row in page.rows}
    assert scores == {(row.expert, row.score, row.low, row.high) for row in ranking.rows}


def test_removing_an_expert_costs_no_pass_at_all(context, tmp_path):
    """The others' predictions are kept: their models need not even be there."""
    copies = tmp_path / "models"
    experts = []
    for expert in context.experts:
        shutil.copytree(expert.path, copies / expert.repo)
        experts.append(place_expert(context.catalog, expert.id, copies / expert.repo, 1))
    by_sampling(context, experts)
    execute_removal(context.catalog, plan_removal(context.catalog, "owner/two", copies))
    for expert in experts:
        shutil.rmtree(expert.path, ignore_errors=True)
        (copies / expert.repo).mkdir(parents=True)
    ranking, chosen = by_sampling(context, list_experts(context.catalog))
    assert {row.expert for row in ranking.rows} == {"owner/one", "owner/three"}
    assert len(chosen) == 2


def test_votes_are_counted_anew_without_a_pass(context):
    fair, _ = by_sampling(context, context.experts)
    before = predictions(context)
    plain, _ = by_sampling(context, context.experts, voting=VoteOptions(votes="plain"))
    assert predictions(context) == before
    assert fair.parameters["votes"] != plain.parameters["votes"]


def predictions(context) -> int:
    from sqlmodel import func, select

    with context.catalog.session() as session:
        return session.exec(select(func.count()).select_from(tables.PredictionRun)).one()


def test_a_selection_by_similarity_describes_every_corpus_once(context):
    """The expert whose training text is the target's own corpus is the nearest."""
    corpus = read_corpus(Path(context.target.corpus_path))
    with pytest.raises(InputError, match=r"owner/one has no descriptor .* by all-MiniLM-L6-v2"):
        expert_descriptor(context.catalog, context.experts[0], context.settings)
    cells = [Sentence("The protein binds to its receptor.")]
    for expert, text in zip(context.experts, (cells, corpus, [*corpus, *cells]), strict=True):
        expert_descriptor(context.catalog, expert, context.settings, text)
    ranking, chosen = by_similarity(context)
    assert [row.expert for row in ranking.rows] == ["owner/two", "owner/three", "owner/one"]
    assert chosen == ("owner/two",)
    assert ranking.rows[0].score == pytest.approx(1, abs=1e-5)
    kept = latest_selection(context.catalog, context.target.id, "similarity")
    assert kept.chosen == [context.experts[1].ref]
    shutil.rmtree(context.settings.home / "targets")
    assert by_similarity(context)[0] == ranking


def by_similarity(context):
    ranking = similarity_ranking(context.catalog, context.target, context.experts, settings=context.settings)
    return ranking, choose_best(context.catalog, context.target, context.experts, [ranking], 1)["similarity"]


def test_a_ranking_that_is_stopped_changes_no_choice(context):
    """By sampling takes minutes; who stops it there keeps what both rankings chose before."""
    from sam_hub.progress import Progress
    from sam_hub.services.context import AppContext
    from sam_hub.services.options import SelectOptions
    from sam_hub.services.selection import run_selection
    from tests.support.reporters import Recorder

    corpus = read_corpus(Path(context.target.corpus_path))
    for expert in context.experts:
        expert_descriptor(context.catalog, expert, context.settings, corpus)
    by_similarity(context)
    before = latest_selection(context.catalog, context.target.id, "similarity").id

    def stop(step: Progress) -> None:
        if step.what.startswith("owner/"):
            raise KeyboardInterrupt

    with AppContext(context.settings) as here, pytest.raises(KeyboardInterrupt):
        run_selection(here, SelectOptions(context.target.name, k=3), Recorder(stop))
    assert latest_selection(context.catalog, context.target.id, "similarity").id == before
    assert latest_selection(context.catalog, context.target.id, "sampling") is None


def test_the_untuned_base_is_asked_on_the_sample_once_and_does_not_vote(context):
    ranking, _ = by_sampling(context, context.experts)
    fit = ranking.parameters["fit"]
    assert fit["base"] == "owner/base"
    assert 0 <= fit["base_f1"] <= 1
    assert {row.expert for row in ranking.rows} == {e.repo for e in context.experts}
    assert predictions(context) == 4
    by_sampling(context, context.experts)
    assert predictions(context) == 4


def test_how_many_to_choose_is_found_and_recorded_with_its_steps(context):
    ranking = sampling_ranking(
        context.catalog, context.target, context.experts, settings=context.settings, by_evidence=True
    )
    evidence = ranking.parameters["evidence"]
    assert evidence["chosen"] == (evidence["steps"][0]["expert"],)  # three voters: nobody could judge a second one
    assert "fewer than two voters" in evidence["stopped"]
    choose_best(context.catalog, context.target, context.experts, [ranking], "auto")
    kept = latest_selection(context.catalog, context.target.id, "sampling")
    assert kept.k == len(kept.chosen) == 1
    assert kept.parameters["evidence"] == json.loads(json.dumps(evidence))


def test_a_ranking_by_votes_tells_how_near_those_are_that_have_a_descriptor(context):
    """Weighted by it, the others have no vote; a cosine of 0 weighs nothing."""
    corpus = read_corpus(Path(context.target.corpus_path))
    for expert in context.experts[:2]:
        expert_descriptor(context.catalog, expert, context.settings, corpus)
    ranking, _ = by_sampling(context, context.experts, voting=VoteOptions(weights="similarity"))
    rows = {row.expert: row for row in ranking.rows}
    assert rows["owner/one"].near.cosine == pytest.approx(1, abs=1e-5)
    assert rows["owner/one"].near.origin == "corpus"
    assert rows["owner/three"].near is None
    assert "have no weight" in rows["owner/three"].note
    assert ranking.parameters["weights"] == "similarity"


def test_an_expert_without_a_descriptor_does_not_stop_the_ranking_by_similarity(context):
    corpus = read_corpus(Path(context.target.corpus_path))
    with pytest.raises(InputError, match="No expert has a descriptor by all-MiniLM"):
        by_similarity(context)
    expert_descriptor(context.catalog, context.experts[2], context.settings, corpus)
    ranking, chosen = by_similarity(context)
    assert [row.expert for row in ranking.rows] == ["owner/three", "owner/one", "owner/two"]
    assert chosen == ("owner/three",)


def test_votes_cross_bases_and_the_choice_does_not(context):
    """The third expert is, as far as is recorded, of another base: it is a full model of its own."""
    folder = Path(context.experts[0].path).parent / "base"
    other = add_expert(
        context.catalog,
        tables.ExpertCreate(
            repo="other/full",
            commit="f" * 40,
            kind="full",
            base_repo="other/base",
            base_sha256="f" * 64,
            labels=list(context.target.labels),
            path=str(folder),
        ),
    )
    ranking, chosen = by_sampling(context, [*context.experts, other], k=4)
    bases = {row.expert: row.base for row in ranking.rows}
    assert bases["other/full"] == f"other/base@{'f' * 12}"
    assert bases["owner/one"].startswith("owner/base@")
    assert len({bases[name] for name in chosen}) == 1
    passed = {row.expert for row in ranking.rows if row.note.endswith("of another base")}
    assert passed == set(bases) - set(chosen)


@pytest.mark.parametrize(
    "wrong", [{"sample": 19}, {"sample": 501}, {"k": 0}, {"k": "auto", "by": "similarity"}, {"weights": "loud"}]
)
def test_what_makes_no_sense_is_refused_before_anything_is_read(context, wrong):
    from sam_hub.errors import UsageError
    from sam_hub.services.options import SelectOptions
    from sam_hub.services.selection import run_selection

    with pytest.raises(UsageError):
        run_selection(context, SelectOptions("no such target", **wrong))


def test_a_job_with_fewer_options_still_reads():
    from sam_hub.jobs.kinds import task_of

    names = ("target", "experts", "by", "k", "sample", "votes", "threshold", "seed", "free")
    values = ("town", [], "both", 3, 8, "plain", 0.5, 0, False)
    options = task_of("select").read_options(dict(zip(names, values, strict=True)))
    assert (options.sample, options.weights) == (8, "uniform")


def test_a_baseline_is_never_a_candidate_and_that_is_said(context):
    """A unified model says in its sam_hub.json that it is a baseline."""
    from tests.support.reporters import Recorder

    unified, *experts = context.experts
    values = unified.model_dump(include=set(tables.ExpertCreate.model_fields))
    add_expert(context.catalog, tables.ExpertCreate(**{**values, "details": {"role": "baseline"}}))
    reporter = Recorder()
    assert [e.repo for e in candidates(context.catalog, reporter=reporter)] == sorted(e.repo for e in experts)
    assert reporter.lines == ["Not ranked: 1 baseline"]
    with pytest.raises(InputError, match="owner/one is a baseline, not an expert"):
        candidates(context.catalog, ["owner/one"])


def test_only_experts_on_disk_are_candidates(context, tmp_path):
    assert len(candidates(context.catalog)) == 3
    for expert in context.experts:
        place_expert(context.catalog, expert.id, tmp_path / "gone", 0)
    with pytest.raises(InputError, match="No expert of the catalog is on disk"):
        candidates(context.catalog)
