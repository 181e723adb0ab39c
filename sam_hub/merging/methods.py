"""mergekit's merge methods by name, with their own parameters, as its registry declares them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from sam_hub.errors import UsageError
from sam_hub.merging.registry import Method, methods
from sam_hub.merging.trimming import TRIMMING

DEFAULT_METHOD = "ties"
# The share of each delta that is kept, in the methods that have a density. Low-rank deltas are better not trimmed: the
# ablations in docs/results. The others are nothing without: to drop at random, or by size, is all they do.
DEFAULT_DENSITY = 0.5
DENSITIES: Mapping[str, float] = {"ties": 1.0}

# Methods that give back the base's tensor where no expert changes it. Their untouched tensors are copied
# (the embeddings, above all); every other method is run on every tensor. Methods that draw random numbers
# are never here: skipping a tensor would shift the draws of those that follow, and the result would no
# longer be that of stock mergekit with the same seed.
KEEPS_UNTOUCHED: Mapping[str, str] = {
    "ties": "base + 0: deltas of 0 stay 0 through trimming, sign election and normalisation",
    "task_arithmetic": "base + a weighted sum of deltas of 0",
    "breadcrumbs": "base + a weighted sum of deltas of 0; the mask only removes",
    "breadcrumbs_ties": "base + 0, as with ties; the mask only removes",
}
# Methods that add nothing up over a whole tensor: their result does not depend on the number of threads,
# so each tensor gets one thread and several are merged at a time. (Sums over a tensor are split by threads
# and rounded accordingly; those methods run just as stock mergekit runs them.)
ELEMENTWISE = frozenset({*KEEPS_UNTOUCHED, "linear"})
MOST_WORKERS = 4  # every one holds a tensor of all models
RANDOM = frozenset({"dare_ties", "dare_linear", "della", "della_linear", "arcee_fusion"})


def tensors_at_a_time(method: str, parameters: Mapping[str, Any]) -> int:
    """How many tensors are merged at the same time."""
    if method not in ELEMENTWISE or parameters.get("rescale"):
        return 1
    return min(MOST_WORKERS, os.cpu_count() or 1)


def trims(method: str, parameters: Mapping[str, Any]) -> bool:
    """Whether a merge trims deltas by magnitude; at a density of 1 they stay whole."""
    return method in TRIMMING and parameters.get("density") != 1


def known_methods() -> tuple[str, ...]:
    """The names of all methods that the installed mergekit has, sorted."""
    return tuple(methods())


def _spec(method: str) -> Method:
    if method not in methods():
        raise UsageError(f"mergekit has no method '{method}'", f"Use one of: {', '.join(methods())}.")
    return methods()[method]


def has_weights(method: str) -> bool:
    """Whether each expert has its own weight in this method."""
    return any(parameter.name == "weight" for parameter in _spec(method).parameters)


def base_role(method: str, experts: int) -> str:
    """What the recipe's base is to this method.

    Returns:
        ``base`` (deltas are taken from it), ``unused`` (only the experts count; also where mergekit could do
        with a base: multislerp then fails on every tensor that no expert changes), or ``first expert``
        (methods for exactly two models, given two experts: the first one takes the base's place).
    """
    spec = _spec(method)
    if spec.base == "required" and spec.inputs[1] == 2 and experts == 2:
        return "first expert"
    return "base" if spec.base == "required" else "unused"


def default_parameters(method: str) -> dict[str, float]:
    """What this project sets where a person says nothing: the density, where the method has one."""
    names = {parameter.name for parameter in _spec(method).parameters}
    return {"density": DENSITIES.get(method, DEFAULT_DENSITY)} if "density" in names else {}


def describe_methods() -> list[dict[str, Any]]:
    """Every method with its parameters and what they are if nothing is said (None: must be given), for lists."""
    described = []
    for name in known_methods():
        specs = [parameter for parameter in _spec(name).parameters if parameter.name != "weight"]
        own = {spec.name: spec.default for spec in specs}
        ours = default_parameters(name)
        described.append(
            {
                "name": name,
                "parameters": {**own, **ours},
                "weighted": has_weights(name),
                "trims": name in TRIMMING,
            }
        )
    return described


def check_parameters(method: str, parameters: Mapping[str, Any], weights: Sequence[float]) -> None:
    """Validate a method with its parameters and the experts' weights by mergekit's registry.

    A parameter is a number, a truth value, or a list of them (mergekit's gradient over the layers).

    Raises:
        UsageError: the method or a parameter is unknown, missing, or holds a value of another type; the
            method can't take this number of experts; or it has no weights, and one is not 1.
    """
    from pydantic import ValidationError

    specs = {
        parameter.name: parameter for parameter in _spec(method).parameters if parameter.name != "weight"
    }
    known = ", ".join(sorted(specs)) or "none"
    if unknown := sorted(set(parameters) - set(specs)):
        raise UsageError(
            f"'{method}' has no parameter '{unknown[0]}'", f"It takes: {known}. Weights are per expert."
        )
    if missing := sorted(name for name, spec in specs.items() if spec.required and name not in parameters):
        raise UsageError(
            f"'{method}' needs the parameter '{missing[0]}'", f"Give it a value; it takes: {known}."
        )
    for name, value in parameters.items():
        values = value if isinstance(value, (list, tuple)) else [value]
        try:
            for single in values:
                specs[name].validate(single)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise UsageError(
                f"'{method}' can't take {name}={value!r}: {reason}", "Correct the value."
            ) from error
        if not all(math.isfinite(single) for single in values if isinstance(single, float)):
            raise UsageError(f"'{name}' can't be {value}", "Give a finite number.")
        if name == "density" and not all(0 < single <= 1 for single in values):
            raise UsageError(
                f"A density of {value} makes no sense", "Give the share that is kept: above 0, at most 1."
            )
        if not values:
            raise UsageError(f"'{method}' got an empty list for '{name}'", "Give at least one value.")
    if not all(map(math.isfinite, weights)):
        raise UsageError(f"A weight can't be {', '.join(map(str, weights))}", "Give finite numbers.")
    if not has_weights(method) and any(weight != 1 for weight in weights):
        raise UsageError(
            f"'{method}' has no weights", "Leave the weights out, or use ties, linear, task_arithmetic."
        )
    _check_count(method, len(weights))


def _check_count(method: str, experts: int) -> None:
    role = base_role(method, experts)
    count = experts + 1 if role == "base" else experts
    if problem := _spec(method).count_problem(count, with_base=role != "unused"):
        models = (
            f"{experts} {'expert' if experts == 1 else 'experts'}{' and the base' if role == 'base' else ''}"
        )
        raise UsageError(f"'{method}' can't merge {models}: {problem}", "Change k or the method.")
