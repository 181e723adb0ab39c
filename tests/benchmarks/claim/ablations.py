"""One factor of the method at a time; everything else as in the defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sam_hub.evaluation.union import INTERSECTION, UNION
from sam_hub.merging.methods import default_parameters
from sam_hub.selection.choice import MIN_VOTE_RATIO
from sam_hub.selection.votes import LEAVE_SELF_OUT, PLAIN
from tests.benchmarks.claim.descriptors import DESCRIPTORS
from tests.benchmarks.claim.systems import Bench, Setup, Target

METHODS = ("ties", "task_arithmetic", "dare_ties", "linear", "model_stock")
DENSITIES = (0.2, 0.5, 0.8, 1.0)
COUNTS = (1, 2, 3, 5)
THRESHOLDS = (0.25, 0.34, 0.5)
SUPPORTS = (0.0, 0.5, MIN_VOTE_RATIO)
SAMPLES = (10, 20, 40, 100)


def variants(default: Setup, experts: int) -> Iterator[tuple[str, str, Setup]]:
    """(factor, value, setup); the default itself stands once under every factor."""
    for k in (*(k for k in COUNTS if k < experts), experts):
        yield "k", "all" if k == experts else str(k), replace(default, k=k)
    for method in METHODS:
        yield "method", method, replace(default, method=method)
    for density in DENSITIES:
        yield ("density of ties", str(density), replace(default, method="ties", parameters={"density": density}))
    for by_score in (False, True):
        yield "weights", "by score" if by_score else "equal", replace(default, by_score=by_score)
    for sample in SAMPLES:
        yield "sample", str(sample), replace(default, sample=sample)
    for votes in (LEAVE_SELF_OUT, PLAIN):
        yield "votes", votes, replace(default, votes=votes)
    for threshold in THRESHOLDS:
        yield "vote threshold", str(threshold), replace(default, threshold=threshold)
    for support in SUPPORTS:
        yield "minimum vote ratio", f"{support:.2f}", replace(default, support=support)
    for rule in (UNION, INTERSECTION):
        yield "integration", rule, replace(default, rule=rule)
    yield "integration", "one merge of both choices", replace(default, together=True)
    for descriptor in DESCRIPTORS:
        yield "descriptor", descriptor, replace(default, descriptor=descriptor)


def ablate(
    bench: Bench, target: Target, done: Sequence[Mapping[str, Any]], factors: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """SaM's answers under every variant that is not done; of these alone ("k", or "k=1"), if any are named."""
    default, known = bench.setup, {(row["factor"], row["value"]) for row in done}
    for factor, value, setup in variants(default, len(target.experts)):
        wanted = not factors or not {factor, f"{factor}={value}"}.isdisjoint(factors)
        if wanted and (factor, value) not in known:
            answer = bench.varied(target, setup)
            yield {"factor": factor, "value": value, "default": _same(setup, default), **answer}


def _same(setup: Setup, default: Setup) -> bool:
    """Does it spell out what is so by default?"""
    parameters = {**default_parameters(setup.method), **setup.parameters}
    return replace(setup, parameters=parameters) == replace(
        default, parameters={**default_parameters(default.method), **default.parameters}
    )
