"""A merge is compared with its inputs by votes: who judges, what counts as worse, and what is suspicious."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from sam_hub.evaluation.validation import Validation, comparisons, validate, vote_f1
from sam_hub.ner import Entity, Sentence
from sam_hub.selection.votes import Votes, collect_votes
from sam_hub.services.answer_rule import rule_scores

COUNT = 30
SENTENCES = [Sentence(f"Ann{number:02} met Bob{number:02}") for number in range(COUNT)]
INPUTS = ("one", "two")


def people(number: int, *places: int) -> tuple[Entity, ...]:
    return tuple(SENTENCES[number].entity(start, start + 5, "person") for start in places)


def rows(*places: int, share: int = COUNT) -> list[tuple[Entity, ...]]:
    """The entities at these places (0: Ann, 10: Bob) in the first sentences."""
    return [people(number, *places) if number < share else () for number in range(COUNT)]


GOOD = rows(0, 10)


def votes_of(predictions: Mapping[str, Sequence[tuple[Entity, ...]]], **failures: int) -> Votes:
    return collect_votes(SENTENCES, predictions, ("person",), dict.fromkeys(predictions, ("person",)), None, failures)


def test_inputs_do_not_vote_where_two_others_are_left() -> None:
    many = votes_of(dict.fromkeys(("one", "two", "three", "four"), GOOD))
    assert comparisons(many, INPUTS) == (INPUTS,)
    assert validate(many, INPUTS, GOOD, 0).voters == ("four", "three")
    few = votes_of(dict.fromkeys(("one", "two", "three"), GOOD))
    assert comparisons(few, INPUTS) == (("one",), ("two",))
    assert validate(few, INPUTS, GOOD, 0).voters == ("one", "three", "two")


def test_two_merges_answer_together_only_if_their_union_is_better() -> None:
    votes = votes_of(dict.fromkeys(("one", "two", "three", "four"), GOOD))

    def best(first: list[tuple[Entity, ...]], second: list[tuple[Entity, ...]]) -> str:
        scores = rule_scores(votes, INPUTS, first, second)
        return max(scores, key=lambda rule: scores[rule])

    assert best(rows(0), rows(10)) == "union"
    assert best(rows(0), GOOD) == best(GOOD, GOOD) == "second"
    assert best(GOOD, rows(0)) == "first"


def test_a_label_with_too_few_other_voters_lets_the_inputs_vote_in_turn() -> None:
    predictions = dict.fromkeys(("one", "two", "three", "four"), GOOD)
    labels = {"one": ("person", "court"), "two": ("person", "court"), "three": ("person",), "four": ("person",)}
    votes = collect_votes(SENTENCES, predictions, ("person", "court"), labels)
    assert comparisons(votes, INPUTS) == (("one",), ("two",))


def test_a_merge_that_answers_as_an_input_is_scored_as_that_input() -> None:
    half = rows(0)
    for others in (("three", "four"), ("three",)):
        votes = votes_of({"one": GOOD, "two": half, **dict.fromkeys(others, GOOD)})
        result = validate(votes, INPUTS, GOOD, 0)
        assert result.passed
        assert result.inputs[0].name == "one"
        assert result.merge.f1 == vote_f1(votes, INPUTS, GOOD)
    outside = validate(votes_of({"one": GOOD, "two": half, "three": GOOD, "four": GOOD}), INPUTS, GOOD, 0)
    assert (outside.merge.f1, outside.inputs[0].f1, outside.low, outside.high) == (1, 1, 0, 0)


def test_a_merge_that_ruins_its_inputs_is_rejected_whoever_votes() -> None:
    for others in (("three", "four"), ("three",)):
        votes = votes_of(dict.fromkeys((*INPUTS, *others), GOOD))
        result = validate(votes, INPUTS, rows(0), 0)
        assert result.problems == ("it agrees less with the votes than one alone (F1 0.67, not 1.00)",)
        assert result.high < 0
        assert "F1 0.67 against the votes of" in result.in_words()


def test_a_merge_that_is_worse_by_chance_passes() -> None:
    votes = votes_of(dict.fromkeys((*INPUTS, "three", "four"), GOOD))
    almost = [*GOOD[:-1], people(COUNT - 1, 0)]
    result = validate(votes, INPUTS, almost, 0)
    assert result.merge.f1 < result.inputs[0].f1
    assert result.passed


@pytest.mark.parametrize(
    ("merged", "said"), [(rows(0, share=9), "it names 9 entities, its inputs 30 to 60"), ([()] * COUNT, "names 0")]
)
def test_a_merge_that_names_a_third_is_rejected(merged: list[tuple[Entity, ...]], said: str) -> None:
    votes = votes_of({"one": GOOD, "two": rows(0), "three": rows(0, share=3), "four": rows(0, share=3)})
    assert any(said in problem for problem in validate(votes, INPUTS, merged, 0).problems)


def test_a_merge_may_name_what_its_inputs_name_together_but_not_three_times_as_much() -> None:
    first, second = rows(0, share=10), [people(number, 10) if number < 10 else () for number in range(COUNT)]
    votes = votes_of({"one": first, "two": second, "three": rows(0, 10, share=10), "four": rows(0, 10, share=10)})
    assert validate(votes, INPUTS, rows(0, 10, share=10), 0).passed
    problems = validate(votes, INPUTS, rows(0, share=30), 0).problems
    assert problems[-1] == "it names 30 entities, its inputs 10 to 10"


def test_a_merge_that_loses_the_format_is_rejected() -> None:
    votes = votes_of(dict.fromkeys((*INPUTS, "three", "four"), GOOD), two=2)
    assert validate(votes, INPUTS, GOOD, 3).passed
    (problem,) = validate(votes, INPUTS, GOOD, 6).problems
    assert problem == "80% of its answers keep the format, of its inputs' at least 93%"


def test_a_validation_is_read_as_it_was_written() -> None:
    votes = votes_of(dict.fromkeys((*INPUTS, "three", "four"), GOOD))
    result = validate(votes, INPUTS, rows(0), 1)
    assert Validation.parse(json.loads(json.dumps(result.to_json()))) == result
