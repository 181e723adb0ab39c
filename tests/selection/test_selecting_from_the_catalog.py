"""Experts of the catalog are selected for a target; what was computed for it is never computed again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sam_hub import catalog as records
from sam_hub.errors import InputError
from sam_hub.inference.asking import sample_key
from sam_hub.ner import Sentence
from sam_hub.ner.readers import read_corpus
from sam_hub.selection.choosing import candidates, choose_best
from sam_hub.selection.sampling import draw_sample
from sam_hub.selection.selecting import expert_descriptor, sampling_ranking, similarity_ranking
from sam_hub.selection.votes import THRESHOLD, Voting


def by_sampling(place, experts, k=2, **options):
    ranking = sampling_ranking(
        place.catalog, place.target, experts, settings=place.settings, size=3, **options
    )
    return ranking, choose_best(place.catalog, place.target, experts, [ranking], k)["sampling"]


def test_a_selection_by_sampling_is_recorded_with_all_that_it_was_made_of(place, tmp_path):
    ranking, chosen = by_sampling(place, place.experts)
    kept = records.latest_selection(place.catalog, place.target.id, "sampling")
    assert kept.chosen == [e.ref for name in chosen for e in place.experts if e.repo == name]
    assert [row["expert"] for row in kept.ranking] == [row.expert for row in ranking.rows]
    sample = draw_sample(read_corpus(tmp_path / "corpus.txt"), 3, 0)
    key = sample_key(sample, place.target.labels)
    probes = records.list_probes(place.catalog, place.target.id, key, "leave-self-out", THRESHOLD)
    assert {(e.repo, p.f1) for e, p in probes} == {(row.expert, row.score) for row in ranking.rows}


def test_removing_an_expert_costs_no_pass_at_all(place, tmp_path):
    """The others' predictions are kept: their models need not even be there."""
    copies = tmp_path / "models"
    experts = []
    for expert in place.experts:
        shutil.copytree(expert.path, copies / expert.repo)
        experts.append(records.place_expert(place.catalog, expert.id, copies / expert.repo, 1))
    by_sampling(place, experts)
    records.execute_removal(place.catalog, records.plan_removal(place.catalog, "owner/two", copies))
    for expert in experts:
        shutil.rmtree(expert.path, ignore_errors=True)
        (copies / expert.repo).mkdir(parents=True)
    ranking, chosen = by_sampling(place, records.list_experts(place.catalog))
    assert {row.expert for row in ranking.rows} == {"owner/one", "owner/three"}
    assert len(chosen) == 2


def test_votes_are_counted_anew_without_a_pass(place):
    fair, _ = by_sampling(place, place.experts)
    before = predictions(place)
    plain, _ = by_sampling(place, place.experts, voting=Voting(votes="plain"))
    assert predictions(place) == before
    assert fair.parameters["votes"] != plain.parameters["votes"]


def predictions(place) -> int:
    from sqlmodel import func, select

    with place.catalog.session() as session:
        return session.exec(select(func.count()).select_from(records.Prediction)).one()


def test_a_selection_by_similarity_describes_every_corpus_once(place):
    """The expert whose training text is the target's own corpus is the nearest."""
    corpus = read_corpus(Path(place.target.corpus_path))
    with pytest.raises(InputError, match=r"owner/one has no descriptor .* by all-MiniLM-L6-v2"):
        expert_descriptor(place.catalog, place.experts[0], place.settings)
    cells = [Sentence("The protein binds to its receptor.")]
    for expert, text in zip(place.experts, (cells, corpus, [*corpus, *cells]), strict=True):
        expert_descriptor(place.catalog, expert, place.settings, text)
    ranking, chosen = by_similarity(place)
    assert [row.expert for row in ranking.rows] == ["owner/two", "owner/three", "owner/one"]
    assert chosen == ("owner/two",)
    assert ranking.rows[0].score == pytest.approx(1, abs=1e-5)
    kept = records.latest_selection(place.catalog, place.target.id, "similarity")
    assert kept.chosen == [place.experts[1].ref]
    shutil.rmtree(place.settings.home / "targets")
    assert by_similarity(place)[0] == ranking


def by_similarity(place):
    ranking = similarity_ranking(place.catalog, place.target, place.experts, settings=place.settings)
    return ranking, choose_best(place.catalog, place.target, place.experts, [ranking], 1)["similarity"]


def test_a_ranking_that_is_stopped_changes_no_choice(place):
    """By sampling takes minutes; who stops it there keeps what both rankings chose before."""
    from sam_hub.jobs.place import Place
    from sam_hub.jobs.works.selecting import SelectExperts

    corpus = read_corpus(Path(place.target.corpus_path))
    for expert in place.experts:
        expert_descriptor(place.catalog, expert, place.settings, corpus)
    by_similarity(place)
    before = records.latest_selection(place.catalog, place.target.id, "similarity").id

    def stop(what: str, done: int, total: int) -> None:
        if what.startswith("owner/"):
            raise KeyboardInterrupt

    with Place(place.settings) as here, pytest.raises(KeyboardInterrupt):
        SelectExperts(place.target.name, k=3).run(here, stop, print)
    assert records.latest_selection(place.catalog, place.target.id, "similarity").id == before
    assert records.latest_selection(place.catalog, place.target.id, "sampling") is None


def test_the_untuned_base_is_asked_on_the_sample_once_and_does_not_vote(place):
    ranking, _ = by_sampling(place, place.experts)
    fit = ranking.parameters["fit"]
    assert fit["base"] == "owner/base"
    assert 0 <= fit["base_f1"] <= 1
    assert {row.expert for row in ranking.rows} == {e.repo for e in place.experts}
    assert predictions(place) == 4
    by_sampling(place, place.experts)
    assert predictions(place) == 4


def test_how_many_to_choose_is_found_and_recorded_with_its_steps(place):
    ranking = sampling_ranking(
        place.catalog, place.target, place.experts, settings=place.settings, by_evidence=True
    )
    evidence = ranking.parameters["evidence"]
    assert evidence["chosen"] == [
        evidence["steps"][0]["expert"]
    ]  # three voters: nobody could judge a second one
    assert "fewer than two voters" in evidence["stopped"]
    choose_best(place.catalog, place.target, place.experts, [ranking], "auto")
    kept = records.latest_selection(place.catalog, place.target.id, "sampling")
    assert kept.k == len(kept.chosen) == 1
    assert kept.parameters["evidence"] == evidence


def test_a_ranking_by_votes_tells_how_near_those_are_that_have_a_descriptor(place):
    """Weighted by it, the others have no vote; probes are kept apart from those of other votes."""
    corpus = read_corpus(Path(place.target.corpus_path))
    for expert in place.experts[:2]:
        expert_descriptor(place.catalog, expert, place.settings, corpus)
    ranking, _ = by_sampling(place, place.experts, voting=Voting(weights="similarity"))
    rows = {row.expert: row for row in ranking.rows}
    assert rows["owner/one"].near.cosine == pytest.approx(1, abs=1e-5)
    assert rows["owner/one"].near.origin == "corpus"
    assert rows["owner/three"].near is None
    assert "weigh nothing" in rows["owner/three"].note
    key = sample_key(draw_sample(corpus, 3, 0), place.target.labels)
    name = "leave-self-out, weighted by similarity"
    assert len(records.list_probes(place.catalog, place.target.id, key, name, THRESHOLD)) == 3
    assert records.list_probes(place.catalog, place.target.id, key, "leave-self-out", THRESHOLD) == []


def test_an_expert_without_a_descriptor_does_not_stop_the_ranking_by_similarity(place):
    corpus = read_corpus(Path(place.target.corpus_path))
    with pytest.raises(InputError, match="No expert has a descriptor by all-MiniLM"):
        by_similarity(place)
    expert_descriptor(place.catalog, place.experts[2], place.settings, corpus)
    ranking, chosen = by_similarity(place)
    assert [row.expert for row in ranking.rows] == ["owner/three", "owner/one", "owner/two"]
    assert chosen == ("owner/three",)


def test_votes_cross_bases_and_the_choice_does_not(place):
    """The third expert is, as far as is recorded, of another base: it is a full model of its own."""
    folder = Path(place.experts[0].path).parent / "base"
    other = records.add_expert(
        place.catalog,
        records.ExpertCreate(
            repo="other/full",
            commit="f" * 40,
            kind="full",
            base_repo="other/base",
            base_sha256="f" * 64,
            labels=list(place.target.labels),
            path=str(folder),
        ),
    )
    ranking, chosen = by_sampling(place, [*place.experts, other], k=4)
    bases = {row.expert: row.base for row in ranking.rows}
    assert bases["other/full"] == f"other/base@{'f' * 12}"
    assert bases["owner/one"].startswith("owner/base@")
    assert len({bases[name] for name in chosen}) == 1
    passed = {row.expert for row in ranking.rows if row.note.endswith("of another base")}
    assert passed == set(bases) - set(chosen)


@pytest.mark.parametrize(
    "wrong",
    [{"sample": 19}, {"sample": 501}, {"k": 0}, {"k": "auto", "by": "similarity"}, {"weights": "loud"}],
)
def test_what_makes_no_sense_is_refused_before_anything_is_read(place, wrong):
    from sam_hub.errors import UsageError
    from sam_hub.jobs.works.selecting import SelectExperts

    with pytest.raises(UsageError):
        SelectExperts("no such target", **wrong).run(place, print, print)


def test_a_job_of_an_earlier_catalog_still_reads():
    from sam_hub.jobs.work import work_of

    names = ("target", "experts", "by", "k", "sample", "votes", "threshold", "seed", "free", "allow_blind")
    values = ("town", [], "both", 3, 8, "plain", 0.5, 0, False, False)
    work = work_of("select", dict(zip(names, values, strict=True)))
    assert (work.sample, work.weights) == (8, "uniform")


def test_only_experts_on_disk_are_candidates(place, tmp_path):
    assert len(candidates(place.catalog)) == 3
    for expert in place.experts:
        records.place_expert(place.catalog, expert.id, tmp_path / "gone", 0)
    with pytest.raises(InputError, match="No expert of the catalog is on disk"):
        candidates(place.catalog)
