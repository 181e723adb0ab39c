"""A list stays a list where an expert has a hundred labels, as unified models have."""

from __future__ import annotations

from sam_hub.cli.output import few_labels

MANY = tuple(f"label {number}" for number in range(1, 21))


def test_of_many_labels_a_few_are_named_and_the_others_counted() -> None:
    shown = few_labels(MANY)
    assert shown == ("label 1, label 2, label 3, label 4, label 5, label 6, label 7, label 8 and 12 more")
    assert few_labels(MANY[:9]) == ", ".join(MANY[:9])  # "and 1 more" would take the place of its name


def test_labels_that_were_asked_for_come_first_in_whatever_way_they_are_written() -> None:
    assert few_labels(MANY, ["Label 19"]).startswith("label 19, label 1, ")
    assert few_labels(("court", "work-of-art"), ["work of art"]) == "work-of-art, court"
