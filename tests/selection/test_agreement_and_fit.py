"""A ranking explains itself: who agrees with whom, where one is alone, and whether anyone beats the untuned base."""

from __future__ import annotations

import pytest

from sam_hub.ner import Sentence
from sam_hub.selection.agreement import pairwise_f1
from sam_hub.selection.base_check import compare_to_base
from sam_hub.selection.sampling import rank_by_sampling
from sam_hub.selection.votes import BY_AGREEMENT, PLAIN, VoteOptions
from tests.selection.conftest import ANN, BOB, COMO, ROME, TEXT, json_again, rank, votes_of
from tests.support.growth import assert_grows_linearly

BOTH = ("person", "place")


def test_agreement_is_on_the_labels_that_both_know_and_the_same_both_ways():
    """On people alone: Ann is one of two that "a" names and the one that "b" names."""
    rows = {"a": [[ANN, BOB]], "b": [[ANN, ROME]], "places": [[COMO]]}
    covers = {"a": ["person"], "b": BOTH, "places": ["place"]}
    found = pairwise_f1(rows, covers)
    assert found["a"] == {"b": pytest.approx(2 / 3)}
    assert found["b"] == {"a": pytest.approx(2 / 3), "places": 0.0}


def test_who_says_nothing_agrees_with_those_who_say_nothing_on_nothing():
    rows = {"a": [[ANN]], "silent": [[]], "mute": [[]]}
    ranking = rank(rows, ["person"], dict.fromkeys(rows, ("person",)))
    assert ranking.parameters["agreement"] == {
        "a": {"silent": 0.0, "mute": 0.0},
        "silent": {"a": 0.0},
        "mute": {"a": 0.0},
    }
    assert {row.expert: row.agreement for row in ranking.rows} == {"a": 0.0, "silent": 0.0, "mute": 0.0}


def test_an_expert_is_shown_where_it_stands_alone_the_worst_sentence_first():
    rows = {"odd": [[BOB], [], [BOB], [ROME]], "a": [[ANN], [], [BOB], []], "b": [[ANN], [], [BOB], []]}
    row = next(r for r in rank(rows, BOTH, dict.fromkeys(rows, BOTH)).rows if r.expert == "odd")
    assert [(d.says, d.others) for d in row.disagreements] == [((BOB,), (ANN,)), ((ROME,), ())]
    assert {d.text for d in row.disagreements} == {TEXT}


def test_at_most_three_sentences_are_shown():
    rows = {"odd": [[BOB]] * 5, "a": [[ANN]] * 5, "b": [[ANN]] * 5}
    assert {len(row.disagreements) for row in rank(rows, BOTH, dict.fromkeys(rows, BOTH)).rows} == {3}


def test_what_a_ranking_explains_survives_json():
    ranking = rank({"a": [[BOB]], "b": [[ANN]], "c": [[ANN]]}, BOTH, dict.fromkeys("abc", ("person",)))
    assert ranking.rows[0].disagreements
    assert ranking.rows[0].missing == ("place",)
    assert json_again(ranking) == ranking


GOOD = {
    "a": [[ANN], [BOB], [ROME]] * 8,
    "b": [[ANN], [BOB], [ROME]] * 8,
    "c": [[ANN], [BOB], []] * 8,
    "d": [[ANN], [], [ROME]] * 8,
}


def judged(rows, answer, voting=None):
    votes = votes_of(rows, BOTH, dict.fromkeys(rows, BOTH), voting)
    return compare_to_base(votes, rank_by_sampling(votes), "acme/base", answer)


def test_experts_that_do_better_than_the_untuned_base_fit():
    fit = judged(GOOD, [[ANN], [COMO], [COMO]] * 8)
    assert fit["fits"]
    assert fit["why"] == ""
    assert fit["base_f1"] < fit["best_low"] <= fit["best_f1"]


def test_where_the_untuned_base_does_as_well_no_expert_fits_and_both_scores_are_told():
    fit = judged(GOOD, GOOD["a"])
    assert not fit["fits"]
    assert (fit["best"], fit["base_f1"], fit["best_f1"]) == ("a", 1.0, 1.0)
    assert fit["why"] == (
        "No suitable expert: the untuned base does as well (against the votes of the others, acme/base has "
        "F1 1.000, and the best expert, a, 1.000, 95% 1.000 to 1.000)"
    )


def test_base_and_best_expert_face_the_same_votes_in_which_neither_has_one():
    """By plain votes "b" marks its own work and has 1.0; before the vote of "a" alone less, and the base more."""
    rows = {"a": [[ANN, BOB]] * 8, "b": [[ANN]] * 8}
    votes = votes_of(rows, BOTH, dict.fromkeys(rows, BOTH), VoteOptions(votes=PLAIN))
    ranking = rank_by_sampling(votes)
    assert (ranking.rows[0].expert, ranking.rows[0].score) == ("b", 1.0)
    fit = compare_to_base(votes, ranking, "acme/base", rows["a"])
    assert (fit["base_f1"], fit["best_f1"]) == (1.0, pytest.approx(2 / 3))
    assert not fit["fits"]


def test_the_base_is_told_against_the_votes_of_all_too():
    fit = judged(GOOD, [[ANN], [], []] * 8)
    assert fit["base_f1_plain"] == pytest.approx(0.5)


def test_where_nobody_finds_what_others_agree_on_no_expert_fits():
    fit = judged({"a": [[ANN]], "b": [[BOB]], "c": [[]]}, None)
    assert not fit["fits"]
    assert fit["base"] is None
    assert "none of the candidates agrees with the majority" in fit["why"]


def test_without_the_base_a_good_expert_is_taken_for_fitting():
    assert judged(GOOD, None)["fits"]


def test_a_ranking_of_more_sentences_takes_longer_in_proportion():
    """Ten experts, three entities of each in a sentence: votes, intervals, agreement, and how many to choose."""
    import random

    from sam_hub.selection.forward_selection import choose_by_evidence
    from sam_hub.selection.votes import collect_votes

    sentence = Sentence(" ".join(f"w{i}" for i in range(30)))
    everything = [sentence.entity(*sentence.words[i], label) for i in range(0, 30, 5) for label in BOTH]
    chance = random.Random(0)
    rows = {f"e{n}": [chance.sample(everything, 3) for _ in range(200)] for n in range(10)}

    def choose(count: int) -> None:
        some = {name: entities[:count] for name, entities in rows.items()}
        votes = collect_votes([sentence] * count, some, BOTH, dict.fromkeys(rows, BOTH), VoteOptions(votes=PLAIN))
        choose_by_evidence(votes, rank_by_sampling(votes).fit())

    assert_grows_linearly(choose, 50)


def test_votes_weigh_their_voters_mean_agreement_with_the_other_voters():
    """Two agree, a third agrees with them on half: what the third names alone does not outweigh them."""
    rows = {"a": [[ANN], [BOB]], "b": [[ANN], [BOB]], "odd": [[ANN], [COMO]], "lonely": [[ROME], []]}
    covers = {**dict.fromkeys(rows, ("person",)), "lonely": ("place",)}
    counts = votes_of(rows, BOTH, covers, VoteOptions(weights=BY_AGREEMENT)).vote_counts
    assert counts.weights_without(()) == pytest.approx({"a": 5 / 6, "b": 5 / 6, "odd": 2 / 3, "lonely": 7 / 9})


def test_who_is_scored_has_no_say_in_the_weight_of_its_judges():
    """Whatever "a" says, the votes that it is scored against stay the same; an outsider among them has no vote."""
    others = {"b": [[ANN]], "c": [[ANN]], "odd": [[BOB]]}
    weights = []
    for own in ([ANN], [BOB], []):
        rows = {"a": [own], **others}
        votes = votes_of(rows, ["person"], dict.fromkeys(rows, ("person",)), VoteOptions(weights=BY_AGREEMENT))
        weights.append(votes.vote_counts.weights_without(votes.left_out("a")))
    assert weights == [{"b": 0.5, "c": 0.5}] * 3
