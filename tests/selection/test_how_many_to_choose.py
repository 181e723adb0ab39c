"""How many experts to merge is k=auto needs votes: each further one must help on both halves of the sample."""

from __future__ import annotations

import pytest

from sam_hub.errors import UsageError
from sam_hub.ner import Sentence
from sam_hub.selection.choice import best_of, check_count
from sam_hub.selection.forward_selection import choose_by_evidence, halves
from sam_hub.selection.ranking import Ranked, Ranking
from sam_hub.selection.votes import Votes, collect_votes

LABELS = ("person", "place")
TEXTS = [Sentence(f"Ann saw Rome{' again' * i}") for i in range(24)]
PEOPLE = [[s.entity(0, 3, "person")] for s in TEXTS]
PLACES = [[s.entity(8, 12, "place")] for s in TEXTS]
ALL = [[*a, *b] for a, b in zip(PEOPLE, PLACES, strict=True)]
WRONG = [[s.entity(4, 7, "person")] for s in TEXTS]


def votes(known=None, **rows) -> Votes:
    return collect_votes(TEXTS, rows, LABELS, {name: (known or {}).get(name, LABELS) for name in rows})


def test_halves_share_all_sentences_and_are_of_like_length():
    lengths = [3, 1, 4, 1, 5, 9, 2, 6, 5]
    a, b = halves(lengths, 1)
    assert sorted(a + b) == list(range(9))
    ordered = sorted(range(9), key=lambda i: (lengths[i], i))
    assert all((x in a) != (y in a) for x, y in zip(ordered[::2], ordered[1::2], strict=False))
    assert (a, b) == halves(lengths, 1) != halves(lengths, 2)


KNOWN = {"people": ["person"], "places": ["place"]}


def test_experts_that_complete_each_other_are_chosen_together_and_a_wrong_one_is_not():
    """Those outside agree on people and places; one covers people, one places, one names what nobody else names."""
    voted = votes(KNOWN, people=PEOPLE, places=PLACES, wrong=WRONG, x=ALL, y=ALL, z=ALL)
    found = choose_by_evidence(voted, ["people", "places", "wrong"])
    assert found.chosen == ("people", "places")
    first, second, third = found.steps
    assert (first.expert, first.gain, first.taken) == ("people", None, True)
    assert (second.before, second.f1, second.taken) == (pytest.approx(2 / 3), 1.0, True)
    assert second.gain == second.checked == pytest.approx(1 / 3)
    assert (third.expert, third.taken) == ("wrong", False)
    assert third.gain < 0
    assert found.stopped == "no further expert helps on the first half"


@pytest.mark.parametrize("elsewhere", ["silent", "wrong"])
def test_a_gain_on_the_half_where_it_was_found_alone_is_not_enough(elsewhere):
    a, _ = halves([len(s.text) for s in TEXTS])
    other = [[s.entity(4, 7, "place")] if elsewhere == "wrong" else [] for s in TEXTS]
    lucky = [PLACES[i] if i in a else other[i] for i in range(24)]
    known = {"people": ["person"], "lucky": ["place"]}
    found = choose_by_evidence(votes(known, people=PEOPLE, lucky=lucky, x=ALL, y=ALL), ["people", "lucky"])
    assert found.chosen == ("people",)
    assert found.steps[1].gain > 0
    assert found.steps[1].checked <= 0
    assert found.stopped == "no further expert helps on the second half"


def test_two_voters_at_least_stay_outside_to_judge():
    found = choose_by_evidence(votes(KNOWN, people=PEOPLE, places=PLACES, x=ALL), ["x", "people", "places"])
    assert len(found.chosen) == 1
    assert found.stopped == "with one more, fewer than two voters would be left to judge it"


def test_five_are_the_most():
    """Seven experts each know one label of seven, and three know all: each further one is a gain."""
    labels = [f"type{i}" for i in range(7)]
    words = [Sentence(" ".join(f"w{i}{'x' * n}" for i in range(7))) for n in range(8)]
    spans = [[s.entity(*s.words[i], label) for i, label in enumerate(labels)] for s in words]
    rows = {label: [[row[i]] for row in spans] for i, label in enumerate(labels)}
    rows |= dict.fromkeys("xyz", spans)
    voted = collect_votes(words, rows, labels, {name: [name] if name in labels else labels for name in rows})
    found = choose_by_evidence(voted, labels)
    assert found.chosen == tuple(labels[:5])
    assert found.stopped == "5 experts are the maximum"


def rankings(*chosen: str) -> tuple[Ranking, Ranking]:
    rows = tuple(Ranked(name, 0.5, 0.5, 0.5, LABELS) for name in "abcd")
    evidence = {"evidence": {"chosen": list(chosen)}} if chosen else {}
    return Ranking("similarity", rows, {}), Ranking("sampling", rows, evidence)


def test_the_votes_choose_their_set_and_the_similarity_as_many():
    assert best_of(rankings("d", "b"), "auto") == {"similarity": ("a", "b"), "sampling": ("d", "b")}
    assert best_of(rankings("d", "b"), 3)["sampling"] == ("a", "b", "c")


def test_without_votes_there_is_no_evidence():
    with pytest.raises(UsageError, match="k=auto needs votes"):
        best_of(rankings()[:1], "auto")
    with pytest.raises(UsageError, match="k=auto needs votes"):
        check_count("auto", "similarity")


@pytest.mark.parametrize("k", [0, -1, "many", 1.5])
def test_another_k_makes_no_sense(k):
    with pytest.raises(UsageError, match="can't be chosen"):
        check_count(k, "both")
