"""Experts are ranked by how near their training text lies, and the best that can help are chosen."""

from __future__ import annotations

import pytest

from sam_hub.errors import InputError, UsageError
from sam_hub.inference.embedding import Descriptor, cosine
from sam_hub.selection.choice import best_of
from sam_hub.selection.ranking import DomainSimilarity, Ranked, Ranking, RankingChoice, SideBySide
from sam_hub.selection.similarity import domain_similarities
from sam_hub.selection.similarity import rank_by_similarity as rank
from tests.selection.conftest import covered, json_again

LABELS = ("person", "place")
CHOSEN = {"similarity": ("a", "b"), "sampling": ("c", "b")}


def descriptor(*vector: float, embedder: str = "mini") -> Descriptor:
    return Descriptor(embedder, "aaa", 10, "0" * 64, vector)


def rank_by_similarity(target, experts, labels, known):
    cosines = {name: cosine(target, expert) for name, expert in experts.items()}
    return rank(target, domain_similarities(cosines), labels, covered({**known, **experts}, labels, known))


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
    assert ranking.top(1, allow_uninformed=True) == ("near",)
    assert ranking.rows[0].note == "covers none of the labels"


def test_if_nobody_knows_a_label_nobody_is_chosen():
    ranking = rank_by_similarity(descriptor(1, 0), {"near": descriptor(1, 0)}, LABELS, {"near": ["gene"]})
    assert ranking.top(1) == ()
    assert best_of([ranking], "auto") == best_of([ranking], 3) == {"similarity": ()}
    assert best_of([ranking], 3, allow_uninformed=True) == {"similarity": ("near",)}


@pytest.mark.parametrize("k", [0, -1])
def test_choosing_none_makes_no_sense(k):
    ranking = Ranking("similarity", (Ranked("a", 1, 1, 1, LABELS), Ranked("b", 0, 0, 0, LABELS)), {})
    with pytest.raises(UsageError, match="can't be chosen"):
        ranking.top(k)


def test_a_ranking_survives_json():
    experts = {"near": descriptor(1, 0), "far": descriptor(0, 1)}
    ranking = rank_by_similarity(descriptor(1, 0), experts, LABELS, {"near": ["place"], "far": None})
    assert json_again(ranking) == ranking


def test_an_expert_without_a_descriptor_comes_last_with_a_note_and_is_not_chosen():
    near = {"far": descriptor(0, 1), "z": descriptor(1, 0)}
    known = dict.fromkeys(("a new one", *near), LABELS)
    ranking = rank_by_similarity(descriptor(1, 0), near, LABELS, known)
    assert [(r.expert, r.score) for r in ranking.rows] == [("z", 1.0), ("far", 0.0), ("a new one", None)]
    assert ranking.rows[-1].note == "no descriptor: run `sam-hub describe a new one`"
    assert ranking.top(3) == ranking.top(3, allow_uninformed=True) == ("z", "far")


def test_if_no_expert_has_a_descriptor_that_is_said():
    with pytest.raises(InputError, match=r"No expert has a descriptor by mini at aaa.*sam-hub describe"):
        rank_by_similarity(descriptor(1, 0), {}, LABELS, {"a": LABELS})


def test_a_place_by_similarity_tells_what_it_rests_on():
    near = domain_similarities({"a": 0.0, "b": 1.0}, {"a": "card"})
    assert near == {"b": DomainSimilarity(1.0, 1, ""), "a": DomainSimilarity(0.0, 2, "card")}


def test_only_experts_of_the_bests_base_are_chosen_and_the_others_noted():
    ranking = Ranking(
        "sampling",
        tuple(Ranked(name, s, s, s, LABELS) for name, s in zip("abcd", (0.9, 0.8, 0.7, 0.6), strict=True)),
        {},
    ).explained({"a": "x@1", "b": "y@2", "c": "x@1", "d": "y@2"}, {"a": "news"}, {}, {})
    assert ranking.top(3) == ("a", "c")
    assert [row.note for row in ranking.rows] == ["", "of another base", "", "of another base"]
    assert [row.base for row in ranking.rows] == ["x@1", "y@2", "x@1", "y@2"]
    assert ranking.rows[0].domain == "news"


def test_the_base_is_that_of_the_first_that_is_fit():
    rows = (
        Ranked("uninformed", 1, 1, 1, ()),
        Ranked("fit", 0.5, 0.5, 0.5, LABELS),
        Ranked("next", 0.4, 0.4, 0.4, LABELS),
    )
    ranking = Ranking("sampling", rows, {}).explained({"uninformed": "x", "fit": "y", "next": "y"}, {}, {}, {})
    assert ranking.top(2) == ("fit", "next")


def test_both_choices_side_by_side():
    near, voted = (RankingChoice(Ranking(method, (), {}), chosen, 2) for method, chosen in CHOSEN.items())
    assert SideBySide.of({"similarity": near, "sampling": voted}) == SideBySide(("b",), ("a",), ("c",))
    assert SideBySide.of({"sampling": voted}).both == ()


def test_a_ranking_of_an_earlier_version_still_reads():
    """Its rows have none of the fields that were added since."""
    row = {"expert": "a", "score": 0.5, "low": 0.4, "high": 0.6, "covers": ["person"], "note": "", "precision": 0.5}
    ranking = Ranking.read("sampling", [{**row, "recall": 0.5}], {})
    assert ranking.top(1) == ("a",)
    assert (ranking.rows[0].missing, ranking.rows[0].near, ranking.rows[0].disagreements) == ((), None, ())
