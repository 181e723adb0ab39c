"""Experts are ranked by how near their training text lies, and the best that can help are chosen."""

from __future__ import annotations

import json

import pytest

from sam_hub.errors import InputError, UsageError
from sam_hub.inference.embedding import Descriptor
from sam_hub.selection.ranking import Ranked, Ranking, known_labels, uncovered
from sam_hub.selection.similarity import rank_by_similarity

LABELS = ("person", "place")


def descriptor(*vector: float, embedder: str = "mini") -> Descriptor:
    return Descriptor(embedder, "aaa", 10, "0" * 64, vector)


def test_the_nearest_comes_first_and_ties_go_by_name():
    experts = {"far": descriptor(0, 1), "z": descriptor(0.8, 0.6), "a": descriptor(0.8, 0.6)}
    ranking = rank_by_similarity(descriptor(1, 0), experts, LABELS, dict.fromkeys(experts, LABELS))
    assert [(r.expert, r.score) for r in ranking.rows] == [("a", 0.8), ("z", 0.8), ("far", 0.0)]
    assert ranking.parameters == {"embedder": "mini", "revision": "aaa"}


def test_a_descriptor_by_another_embedder_stops_the_ranking():
    with pytest.raises(InputError, match="mini@aaa and large@aaa"):
        rank_by_similarity(descriptor(1, 0), {"x": descriptor(1, 0, embedder="large")}, LABELS, {})


def test_the_nearest_is_passed_over_if_it_knows_no_label():
    experts = {"near": descriptor(1, 0), "far": descriptor(0, 1)}
    ranking = rank_by_similarity(descriptor(1, 0), experts, LABELS, {"near": ["gene"], "far": ["place"]})
    assert ranking.top(2) == ("far",)
    assert ranking.top(1, allow_blind=True) == ("near",)
    assert ranking.rows[0].note == "knows none of the labels"


def test_if_nobody_knows_a_label_that_is_said():
    ranking = rank_by_similarity(descriptor(1, 0), {"near": descriptor(1, 0)}, LABELS, {"near": ["gene"]})
    with pytest.raises(InputError, match="No expert knows any of the target's labels"):
        ranking.top(1)


@pytest.mark.parametrize("k", [0, -1])
def test_choosing_none_makes_no_sense(k):
    ranking = Ranking("similarity", (Ranked("a", 1, 1, 1, LABELS), Ranked("b", 0, 0, 0, LABELS)), {})
    with pytest.raises(UsageError, match="can't be chosen"):
        ranking.top(k)


def test_labels_that_no_expert_knows_are_named():
    assert uncovered(("person", "gene", "place"), {"a": ["person"], "b": ["place", "person"]}) == ("gene",)
    assert uncovered(("person",), {}) == ("person",)
    assert uncovered(("person",), {"not recorded": None}) == ()
    assert known_labels(LABELS, ["place", "gene"]) == ("place",)


def test_a_ranking_survives_json():
    experts = {"near": descriptor(1, 0), "far": descriptor(0, 1)}
    ranking = rank_by_similarity(descriptor(1, 0), experts, LABELS, {"near": ["place"], "far": None})
    assert Ranking.from_dict(json.loads(json.dumps(ranking.as_dict()))) == ranking
