"""The closed sets of values that options take."""

from __future__ import annotations

from enum import StrEnum


class Method(StrEnum):
    """By which ranking experts are chosen."""

    similarity = "similarity"
    sampling = "sampling"


class By(StrEnum):
    """Which ranking, or both."""

    similarity = "similarity"
    sampling = "sampling"
    both = "both"


class VoteScheme(StrEnum):
    """Whose votes an expert is scored against."""

    leave_self_out = "leave-self-out"
    plain = "plain"


class VoteWeights(StrEnum):
    """How much a vote weighs."""

    uniform = "uniform"
    similarity = "similarity"


class Rule(StrEnum):
    """How two models' entities become one answer."""

    union = "union"
    intersection = "intersection"
    first = "first"
    second = "second"


class Types(StrEnum):
    """Whose types the entities have: the merged models', or the untuned base's.

    ``auto``: the base's, where the target has a label that no merged expert learned.
    """

    auto = "auto"
    model = "model"
    base = "base"
