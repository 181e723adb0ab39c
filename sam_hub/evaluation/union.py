"""Integrate the predictions of two models: SaM's answer is their union.

Of entities that overlap, one stays: an entity that both models found before one that only one found, then the longer
one, then the one further left, then the one of the first model.
"""

from __future__ import annotations

from collections.abc import Sequence

from sam_hub.errors import UsageError
from sam_hub.ner.text import Entity
from sam_hub.selection.votes import Rows, without_overlaps

AUTO = "auto"  # the union, or one model alone, as votes on the target's sample have decided
UNION, INTERSECTION, FIRST, SECOND = "union", "intersection", "first", "second"
RULES = (UNION, INTERSECTION, FIRST, SECOND)


def integrate(answers: Sequence[Rows], rule: str = UNION) -> tuple[tuple[Entity, ...], ...]:
    """Return the entities of one model, or those of two integrated, on the same N sentences and without overlaps.

    Raises:
        UsageError: there is no such rule.
    """
    if rule not in RULES:
        raise UsageError(f"Unknown rule '{rule}'", f"Known: {', '.join(RULES)}.")
    if len(answers) == 1:
        return tuple(map(tuple, answers[0]))
    return tuple(_integrate(first, second, rule) for first, second in zip(*answers, strict=True))


def _integrate(first: Sequence[Entity], second: Sequence[Entity], rule: str) -> tuple[Entity, ...]:
    if rule in (FIRST, SECOND):
        return tuple(sorted(first if rule == FIRST else second))
    both = set(first) & set(second)
    pool = both if rule == INTERSECTION else set(first) | set(second)
    ranked = sorted(pool, key=lambda e: (e not in both, e.start - e.end, e.start, e not in first, e.label))
    return without_overlaps(ranked)
