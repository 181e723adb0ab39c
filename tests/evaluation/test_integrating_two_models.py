"""The answers of two models become one, without overlaps, by a stated rule."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sam_hub.errors import UsageError
from sam_hub.evaluation.union import RULES, integrate
from sam_hub.ner import Sentence

PLAIN = Sentence("Ann of New York City left")
ANN = PLAIN.entity(0, 3, "person")
YORK, NEW_YORK, CITY = (PLAIN.entity(a, b, "place") for a, b in ((11, 15), (7, 15), (7, 20)))


def both(first, second, rule="union"):
    return integrate([[first], [second]], rule)[0]


def test_the_union_takes_what_either_found_in_the_order_of_the_text():
    assert both([NEW_YORK], [ANN]) == (ANN, NEW_YORK)


def test_what_both_found_stays_before_what_is_longer():
    assert both([NEW_YORK, ANN], [NEW_YORK]) == (ANN, NEW_YORK)
    assert integrate([[[NEW_YORK], [CITY]], [[NEW_YORK], []]]) == ((NEW_YORK,), (CITY,))


def test_the_longer_stays_before_the_shorter():
    assert both([YORK], [CITY]) == both([CITY], [YORK]) == (CITY,)


def test_of_equals_the_one_further_left_stays_then_the_first_models():
    left, right = PLAIN.entity(4, 10, "place"), PLAIN.entity(7, 13, "place")
    assert both([right], [left]) == (left,)
    org = PLAIN.entity(7, 15, "organization")
    assert both([org], [NEW_YORK]) == (org,)
    assert both([NEW_YORK], [org]) == (NEW_YORK,)


def test_the_intersection_needs_span_and_label_of_both():
    org = PLAIN.entity(7, 15, "organization")
    assert both([ANN, NEW_YORK], [ANN, org], "intersection") == (ANN,)


def test_one_model_alone_can_be_asked_for():
    assert both([CITY, ANN], [YORK], "first") == (ANN, CITY)
    assert both([CITY], [YORK], "second") == (YORK,)


@pytest.mark.parametrize("rule", RULES)
def test_nothing_is_ever_doubled_or_overlaps(rule):
    answer = both([ANN, CITY], [ANN, YORK], rule)
    assert len(answer) == len(set(answer))
    assert all(a.end <= b.start for a, b in pairwise(answer))


def test_an_unknown_rule_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="union, intersection, first, second"):
        both([], [], "xor")
