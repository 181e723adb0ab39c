"""Experts are ranked without labels: by how well each agrees with what the others agree on."""

from __future__ import annotations

import pytest

from sam_hub.errors import InputError, UsageError
from sam_hub.ner import Sentence
from sam_hub.selection.sampling import (
    PLAIN,
    Voting,
    bootstrap_f1,
    draw_sample,
    pseudo_labels,
    rank_by_sampling,
)
from tests.selection.conftest import ANN, BOB, COMO, DAY, LAKE, ROME

CORPUS = [Sentence(" ".join(["word"] * (n % 40 + 1)) + f" {n}") for n in range(200)]
PEOPLE = {"person"}
BOTH = ("person", "place")


def votes(*answers, voters=PEOPLE, **options):
    """The pseudo-labels of one sentence on which these experts said these entities."""
    names = [f"expert{i}" for i in range(len(answers))]
    rows = {name: [answer] for name, answer in zip(names, answers, strict=True)}
    return pseudo_labels(rows, {name: set(voters) for name in names}, Voting(**options))[0]


def test_a_sample_is_the_same_for_the_same_seed_and_another_for_another():
    assert draw_sample(CORPUS, 20, 1) == draw_sample(CORPUS, 20, 1) != draw_sample(CORPUS, 20, 2)


def test_a_sample_repeats_nothing_and_holds_short_and_long_sentences():
    sample = draw_sample([*CORPUS, *CORPUS], 20)
    assert len({s.text for s in sample}) == 20
    lengths = sorted(len(s.text) for s in sample)
    every = sorted(len(s.text) for s in CORPUS)
    assert all(every[10 * i] <= length <= every[10 * i + 9] for i, length in enumerate(lengths))


@pytest.mark.parametrize("size", [1, 3, 199, 200, 500])
def test_a_small_corpus_is_taken_whole(size):
    assert len(draw_sample(CORPUS, size)) == min(size, 200)


def test_a_sample_shows_nobody_the_labels():
    assert draw_sample([Sentence("Ann", ())], 1) == [Sentence("Ann")]


def test_a_sample_of_nothing_makes_no_sense():
    with pytest.raises(UsageError, match="0 sentences"):
        draw_sample(CORPUS, 0)


def test_half_of_those_who_know_the_label_must_agree_and_two_at_least():
    assert votes([ANN], [ANN], [], []) == (ANN,)
    assert votes([ANN], [], []) == ()
    assert votes([ANN], [], [], minimum=1, threshold=0.3) == (ANN,)
    assert votes([ANN], [ANN], [], threshold=0.7) == ()
    assert votes([ANN]) == (ANN,)  # nobody else knows the label


def test_a_share_of_votes_is_met_exactly():
    """11 of 20 are 55%, though .55 * 20 is more than 11 in binary numbers."""
    assert votes(*[[ANN]] * 11, *[[]] * 9, threshold=0.55) == (ANN,)


def test_an_expert_votes_only_on_labels_it_knows():
    rows = {"a": [[ANN, ROME]], "b": [[ANN, ROME]], "c": [[]]}
    found = pseudo_labels(rows, {"a": {"person"}, "b": {"person"}, "c": {"place"}}, Voting())
    assert found == [(ANN,)]


def test_of_two_that_overlap_the_one_with_more_votes_stays_then_the_longer():
    place = {"place"}
    assert votes([COMO], [COMO], [LAKE], voters=place, minimum=1, threshold=0.3) == (COMO,)
    assert votes([COMO], [LAKE], voters=place, minimum=1, threshold=0.3) == (LAKE,)


def test_naming_an_entity_twice_is_one_vote():
    assert votes([ANN, ANN], [], [], []) == ()


def test_leaving_oneself_out_takes_away_the_vote_for_oneself():
    """Of three, one names Ann alone, and two name Bob: with its own vote counted, half is reached sooner."""
    rows = {"a": [[ANN]], "b": [[ANN, BOB]], "c": [[BOB]]}
    knows = dict.fromkeys(rows, ("person",))
    plain = rank_by_sampling(rows, ["person"], knows, Voting(votes=PLAIN))
    fair = rank_by_sampling(rows, ["person"], knows)
    assert {r.expert: r.score for r in plain.rows} == pytest.approx({"a": 2 / 3, "b": 1.0, "c": 2 / 3})
    assert {r.expert: r.score for r in fair.rows} == {"a": 0.0, "b": 0.0, "c": 0.0}
    assert {r.expert: r.precision for r in fair.rows} == {"a": 0.0, "b": 0.0, "c": 0.0}


def test_who_agrees_with_the_others_comes_first():
    rows = {
        "odd": [[COMO], []],
        "good": [[ANN, ROME], [BOB]],
        "fine": [[ANN, ROME], [BOB]],
        "short": [[ANN], []],
    }
    ranking = rank_by_sampling(rows, BOTH, dict.fromkeys(rows, BOTH), parse_failures={"odd": 2})
    assert [r.expert for r in ranking.rows] == ["fine", "good", "short", "odd"]
    assert ranking.rows[-1].note == "2 answers broke the format"
    assert ranking.parameters["sentences"] == 2


def test_an_expert_that_knows_no_label_is_named_scored_and_passed_over():
    rows = {"a": [[ANN]], "b": [[ANN]], "blind": [[ANN]]}
    ranking = rank_by_sampling(rows, ["person"], {"a": ["person"], "b": ["person"], "blind": ["gene"]})
    blind = next(r for r in ranking.rows if r.expert == "blind")
    assert (blind.knows, blind.note, blind.score) == ((), "knows none of the labels", 1.0)
    assert set(ranking.top(3)) == {"a", "b"}
    assert set(ranking.top(3, allow_blind=True)) == {"a", "b", "blind"}


def test_an_expert_whose_labels_are_not_recorded_may_vote():
    ranking = rank_by_sampling({"a": [[ANN]], "b": [[ANN]]}, ["person"], {"a": None, "b": []})
    assert [r.score for r in ranking.rows] == [1.0, 1.0]


def test_where_the_others_agree_on_nothing_it_is_said():
    rows = {"a": [[ANN]], "b": [[BOB]], "c": [[]]}
    ranking = rank_by_sampling(rows, ["person"], dict.fromkeys(rows, ("person",)))
    assert {r.note for r in ranking.rows} == {"the others agree on nothing"}


def test_one_voter_is_no_vote():
    with pytest.raises(InputError, match="Only 1 of 2 experts know any of the labels person"):
        rank_by_sampling({"a": [[ANN]], "b": [[DAY]]}, ["person"], {"a": ["person"], "b": ["date"]})


@pytest.mark.parametrize("bad", [{"threshold": 0}, {"threshold": 1.1}, {"votes": "loud"}])
def test_votes_that_make_no_sense_are_refused(bad):
    with pytest.raises(UsageError):
        Voting(**bad)


def test_the_interval_holds_the_score_and_is_the_same_for_the_same_seed():
    gold = [[ANN, ROME], [BOB], [], [LAKE]] * 8
    said = [[ANN], [BOB], [DAY], [COMO]] * 8
    f1, low, high = bootstrap_f1(gold, said, 3)
    assert f1 == pytest.approx(0.5)
    assert 0 < low < f1 < high < 1
    assert (f1, low, high) == bootstrap_f1(gold, said, 3)
    assert (low, high) != bootstrap_f1(gold, said, 4)[1:]


def test_the_interval_of_agreement_on_nothing_is_nought():
    assert bootstrap_f1([[], []], [[], []]) == (0.0, 0.0, 0.0)


def test_what_one_expert_alone_can_know_is_not_held_against_it():
    predictions = {"calendar": [[ANN, DAY]], "a": [[ANN]], "b": [[ANN]]}
    known = {"calendar": ["person", "date"], "a": ["person"], "b": ["person"]}
    ranking = rank_by_sampling(predictions, ["person", "date"], known)
    assert {row.expert: row.score for row in ranking.rows}["calendar"] == 1.0
