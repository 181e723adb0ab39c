"""Experts are ranked without labels: by how well each agrees with what the others agree on."""

from __future__ import annotations

import pytest

from sam_hub.errors import InputError, UsageError
from sam_hub.ner import Sentence
from sam_hub.selection.sampling import check_size, draw_sample
from sam_hub.selection.scores import bootstrap_f1
from sam_hub.selection.votes import BY_SIMILARITY, PLAIN, VoteOptions, count_votes
from tests.selection.conftest import ANN, BOB, COMO, DAY, LAKE, ROME, rank

CORPUS = [Sentence(" ".join(["word"] * (n % 40 + 1)) + f" {n}") for n in range(200)]
PEOPLE = {"person"}
BOTH = ("person", "place")


def votes(*answers, voters=PEOPLE, **options):
    """The pseudo-labels of one sentence on which these experts said these entities."""
    names = [f"expert{i}" for i in range(len(answers))]
    rows = {name: [answer] for name, answer in zip(names, answers, strict=True)}
    return count_votes(rows, {name: set(voters) for name in names}).agreed(VoteOptions(**options))[0]


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


@pytest.mark.parametrize(("size", "said"), [(19, "too small"), (501, "too large"), (-1, "too small")])
def test_a_sample_of_another_size_than_20_to_500_is_refused(size, said):
    with pytest.raises(UsageError, match=f"{said}.*used completely"):
        check_size(size)
    check_size(20)
    check_size(500)


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
    found = count_votes(rows, {"a": {"person"}, "b": {"person"}, "c": {"place"}}).agreed(VoteOptions())
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
    covers = dict.fromkeys(rows, ("person",))
    plain = rank(rows, ["person"], covers, VoteOptions(votes=PLAIN))
    fair = rank(rows, ["person"], covers)
    assert {r.expert: r.score for r in plain.rows} == pytest.approx({"a": 2 / 3, "b": 1.0, "c": 2 / 3})
    assert {r.expert: r.score for r in fair.rows} == {"a": 0.0, "b": 0.0, "c": 0.0}
    assert {r.expert: r.precision for r in fair.rows} == {"a": 0.0, "b": 0.0, "c": 0.0}


def test_who_agrees_with_the_others_comes_first():
    rows = {"odd": [[COMO], []], "good": [[ANN, ROME], [BOB]], "fine": [[ANN, ROME], [BOB]], "short": [[ANN], []]}
    ranking = rank(rows, BOTH, dict.fromkeys(rows, BOTH), parse_failures={"odd": 1})
    assert [r.expert for r in ranking.rows] == ["fine", "good", "short", "odd"]
    assert ranking.rows[-1].note == "1 answer broke the format"
    assert ranking.parameters["sentences"] == 2


def test_an_expert_that_knows_no_label_is_named_scored_and_passed_over():
    rows = {"a": [[ANN]], "b": [[ANN]], "uninformed": [[ANN]]}
    ranking = rank(rows, ["person"], {"a": ["person"], "b": ["person"], "uninformed": ["gene"]})
    uninformed = next(r for r in ranking.rows if r.expert == "uninformed")
    assert (uninformed.covers, uninformed.note, uninformed.score) == ((), "covers none of the labels", 1.0)
    assert set(ranking.top(3)) == {"a", "b"}
    assert set(ranking.top(3, allow_uninformed=True)) == {"a", "b", "uninformed"}


def test_an_expert_whose_answers_all_broke_is_said_so_not_chosen_and_has_no_vote():
    """With its silence as a vote against, two of four is less than .6; without it, two of three is more."""
    rows = {"a": [[ANN]], "b": [[ANN]], "c": [[]], "d": [[ANN]], "broken": [[]]}
    covers = dict.fromkeys(rows, ("person",))
    broken = rank(rows, ["person"], covers, VoteOptions(threshold=0.6), parse_failures={"broken": 1})
    assert [row.score for row in broken.rows] == [1.0, 1.0, 1.0, 0.0, 0.0]
    row = broken.rows[3]
    assert (row.expert, row.unfit, row.note) == ("broken", *["none of its answers could be read"] * 2)
    assert row.agreement is None
    assert broken.top(5) == broken.top(5, allow_uninformed=True) == ("a", "b", "d", "c")
    silent = rank(rows, ["person"], covers, VoteOptions(threshold=0.6))
    assert {row.score for row in silent.rows} == {0.0}


def test_where_no_answer_but_one_experts_can_be_read_there_is_no_vote():
    rows = {"a": [[ANN]], "b": [[ANN]], "c": [[ANN]]}
    with pytest.raises(InputError, match=r"Only 1 of the 3 experts .* gave answers that can be read"):
        rank(rows, ["person"], dict.fromkeys(rows, ("person",)), parse_failures={"b": 1, "c": 1})


def test_votes_weigh_as_much_as_the_experts_text_is_like_the_targets():
    """Two near experts name Ann and two far ones Bob: by heads that is a tie, by weight it is not."""
    rows = {"near": [[ANN]], "far": [[BOB]], "farther": [[BOB]], "near too": [[ANN]]}
    cosines = {"near": 0.5, "near too": 0.4, "far": 0.1, "farther": 0.1}
    vote_counts = count_votes(rows, dict.fromkeys(rows, PEOPLE), cosines)
    assert vote_counts.agreed(VoteOptions(threshold=0.6)) == [(ANN,)]
    assert count_votes(rows, dict.fromkeys(rows, PEOPLE)).agreed(VoteOptions(threshold=0.6)) == [()]


def test_a_vote_of_a_text_that_is_unlike_or_not_known_weighs_nothing_and_that_is_said():
    rows = {"a": [[ANN]], "b": [[ANN]], "unlike": [[BOB]], "unknown": [[BOB]]}
    by_similarity = VoteOptions(weights=BY_SIMILARITY)
    covers = dict.fromkeys(rows, ("person",))
    ranking = rank(rows, ["person"], covers, by_similarity, cosines={"a": 0.2, "b": 0.2, "unlike": -0.1})
    notes = {row.expert: row.note for row in ranking.rows}
    assert notes["a"] == ""
    assert notes["unlike"] == notes["unknown"] == "its votes have no weight: it has no similar text"
    assert [row.score for row in ranking.rows] == [1, 1, 0, 0]
    with pytest.raises(InputError, match="Only 1 of 4 votes have a weight"):
        rank(rows, ["person"], covers, by_similarity, cosines={"a": 0.2, "b": 0.0})


def test_tenths_that_make_up_a_share_are_enough():
    """.1 + .1 + .1 of .6 are a half, though not in binary numbers."""
    rows = {str(i): [[ANN]] if i < 3 else [[]] for i in range(4)}
    weights = {"0": 0.1, "1": 0.1, "2": 0.1, "3": 0.3}
    assert count_votes(rows, dict.fromkeys(rows, PEOPLE), weights).agreed(VoteOptions()) == [(ANN,)]


def test_an_expert_whose_labels_are_not_recorded_may_vote():
    ranking = rank({"a": [[ANN]], "b": [[ANN]]}, ["person"], {"a": None, "b": []})
    assert [r.score for r in ranking.rows] == [1.0, 1.0]


def test_where_the_others_agree_on_nothing_it_is_said():
    rows = {"a": [[ANN]], "b": [[BOB]], "c": [[]]}
    ranking = rank(rows, ["person"], dict.fromkeys(rows, ("person",)))
    assert {r.note for r in ranking.rows} == {"the others agree on nothing"}


def test_one_voter_is_no_vote():
    with pytest.raises(InputError, match="Only 1 of 2 experts cover any of the labels person"):
        rank({"a": [[ANN]], "b": [[DAY]]}, ["person"], {"a": ["person"], "b": ["date"]})


@pytest.mark.parametrize("bad", [{"threshold": 0}, {"threshold": 1.1}, {"votes": "loud"}, {"weights": "gold"}])
def test_votes_that_make_no_sense_are_refused(bad):
    with pytest.raises(UsageError):
        VoteOptions(**bad)


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
    ranking = rank(predictions, ["person", "date"], known)
    assert {row.expert: row.score for row in ranking.rows}["calendar"] == 1.0
