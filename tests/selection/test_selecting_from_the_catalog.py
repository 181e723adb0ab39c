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
from sam_hub.selection.sampling import Voting, draw_sample
from sam_hub.selection.selecting import (
    candidates,
    choose_best,
    expert_descriptor,
    sampling_ranking,
    similarity_ranking,
)


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
    probes = records.list_probes(place.catalog, place.target.id, key, "leave-self-out", 0.5)
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
        SelectExperts(place.target.name, k=3, sample=3).run(here, stop, print)
    assert records.latest_selection(place.catalog, place.target.id, "similarity").id == before
    assert records.latest_selection(place.catalog, place.target.id, "sampling") is None


def test_only_experts_on_disk_are_candidates(place, tmp_path):
    assert len(candidates(place.catalog)) == 3
    for expert in place.experts:
        records.place_expert(place.catalog, expert.id, tmp_path / "gone", 0)
    with pytest.raises(InputError, match="No expert of the catalog is on disk"):
        candidates(place.catalog)
