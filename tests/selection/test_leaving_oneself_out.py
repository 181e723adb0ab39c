"""Why an expert is scored against the votes of the others: the case in which plain voting goes wrong."""

from __future__ import annotations

from sam_hub.ner import Entity, Sentence
from sam_hub.selection.ranking import Ranking
from sam_hub.selection.sampling import rank_by_sampling
from sam_hub.selection.votes import PLAIN, VoteOptions, collect_votes

HALF = 0.5  # of the voters must agree
LABELS = ("organization", "person", "product")
SENTENCES = [Sentence(f"Acme{i:02} spoke") for i in range(27)]
EASY, CONFUSED, HARD = range(0, 9), range(9, 15), range(15, 27)  # places of sentences, an entity each
DECENT, WEAK = ("decent-0", "decent-1", "decent-2"), ("weak-0", "weak-1", "weak-2", "weak-3")


def named(place: int, label: str) -> tuple[Entity, ...]:
    return (SENTENCES[place].entity(0, 6, label),)


def truth(place: int) -> tuple[Entity, ...]:
    return named(place, "organization" if place in CONFUSED else "person")


def decent(number: int, place: int) -> tuple[Entity, ...]:
    """All that is hard, and two thirds of the rest, each another two: what it finds is right."""
    return truth(place) if place in HARD or place % 3 != number else ()


def weak(number: int, place: int) -> tuple[Entity, ...]:
    """All that is easy, a quarter of what is hard, each another one, and what is confused with the wrong type."""
    if place in CONFUSED:
        return named(place, "product")
    return truth(place) if place in EASY or place % 4 == number else ()


ANSWERS = {
    "right": [truth(place) for place in range(27)],
    **{name: [decent(i, place) for place in range(27)] for i, name in enumerate(DECENT)},
    **{name: [weak(i, place) for place in range(27)] for i, name in enumerate(WEAK)},
}


def ranked(voting: VoteOptions) -> Ranking:
    known = dict.fromkeys(ANSWERS, LABELS)
    return rank_by_sampling(collect_votes(SENTENCES, ANSWERS, LABELS, known, voting))


def scores(ranking: Ranking) -> dict[str, float]:
    return {row.expert: round(row.score, 3) for row in ranking.rows}


def test_four_weak_experts_that_agree_on_a_wrong_type_do_not_win_by_their_own_votes():
    """Eight experts, 27 entities. Nine are easy; six are organizations that all four weak experts call products; twelve
    are hard, each found by one weak expert only. The right expert finds all 27; three decent ones find 22 each.

    ============  =====  =========================  ==========================
    expert        truth  plain votes: F1 and rank   leave-self-out: F1 and rank
    ============  =====  =========================  ==========================
    right         1.000  .778, 5th                  .778, **1st**
    3 × decent    .898   .735, 6th to 8th           .735, 2nd to 4th
    4 × weak      .533   .800, **1st to 4th**       .615, 5th to 8th
    ============  =====  =========================  ==========================

    Four of eight votes are half: by plain votes "product" is right on those six, and the weak, who made it so, are
    the best. Without its own vote each weak expert has three of seven beside it, which is no half. That is all that
    changes: four of the right expert's seven others still outvote it there, so that its score is .778 both ways, not 1.
    """
    plain, fair = ranked(VoteOptions(HALF, votes=PLAIN)), ranked(VoteOptions(HALF))
    assert scores(plain) == {**dict.fromkeys(WEAK, 0.8), "right": 0.778, **dict.fromkeys(DECENT, 0.735)}
    assert [row.expert for row in plain.rows] == [*WEAK, "right", *DECENT]
    assert scores(fair) == {"right": 0.778, **dict.fromkeys(DECENT, 0.735), **dict.fromkeys(WEAK, 0.615)}
    assert [row.expert for row in fair.rows] == ["right", *DECENT, *WEAK]
    assert plain.top(3) == WEAK[:3]
    assert fair.top(3) == ("right", "decent-0", "decent-1")


def test_the_experts_of_this_case_are_as_good_as_it_says():
    """Against the truth, which no ranking sees."""
    from sam_hub.selection.scores import f1_of

    gold = [truth(place) for place in range(27)]
    found = {name: round(f1_of(gold, answer), 3) for name, answer in ANSWERS.items()}
    assert found == {"right": 1.0, **dict.fromkeys(DECENT, 0.898), **dict.fromkeys(WEAK, 0.533)}
