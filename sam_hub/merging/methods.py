"""mergekit's merge methods: their parameters, and what a merge has to know of each.

mergekit's own registry takes 5 s of processor time to import, too long for a dry run, a form or a misspelt name. This
is a copy; a test holds it against the registry of the mergekit release that CI installs. Three methods are ours.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sam_hub.errors import UsageError

DEFAULT_METHOD = "ties"
# The share of each delta that is kept, in the methods that have a density. Low-rank deltas are better not trimmed: the
# ablations in docs/results. The others are nothing without: to drop at random, or by size, is all they do.
DEFAULT_DENSITY = 0.5
DENSITIES: Mapping[str, float] = {"ties": 1.0, "knots": 1.0}
MOST_WORKERS = 4  # each holds a tensor of all models
REQUIRED = float  # in the place of a default: a number must be given


@dataclass(frozen=True)
class Method:
    """A merge method.

    Args:
        parameters: each with its default, or `REQUIRED`; ``weight``, which is per expert, is not among them.
        weighted: each expert has a weight.
        needs_base: deltas are taken from a base; else only the experts count.
        models: how many it merges, at least and at most, with the base.
        experts: the same without the base.
        trims: it drops elements of a delta by magnitude, and so has a stable variant (della, which draws by rank, has
            none).
        random: it draws random numbers.
        keeps_untouched: it gives back the base's tensor where no expert changes it, so that tensor (the embeddings,
            above all) can be copied: deltas of 0 stay 0 through trimming, sign election and weighted sums. Never true
            of a random method: skipping a tensor would shift the draws of the following ones.
        elementwise: it adds nothing up over a whole tensor, so the result does not depend on the number of threads:
            each tensor gets one thread, and several are merged at a time. (Sums over a tensor are split by threads and
            rounded accordingly; those methods run as stock mergekit runs them.)
        own: it is one of `sam_hub.merging.svd_methods`, which mergekit-yaml does not have. It gets experts that are
            folded in float32, and computes in float32, each tensor in one thread.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    weighted: bool = False
    needs_base: bool = True
    models: tuple[int, int | None] = (1, None)
    experts: tuple[int | None, int | None] = (None, None)
    trims: bool = False
    random: bool = False
    keeps_untouched: bool = False
    elementwise: bool = False
    own: bool = False

    @property
    def defaults(self) -> dict[str, Any]:
        """mergekit's value of each parameter that is not given; None where it must be."""
        return {name: None if value is REQUIRED else value for name, value in self.parameters.items()}


_OF_DELTAS = {"int8_mask": False, "normalize": False, "rescale": False, "lambda": 1.0, "density": 1.0}
_DROPPING = {**_OF_DELTAS, "rescale": True}
_EXACT: Mapping[str, Any] = {"weighted": True, "keeps_untouched": True, "elementwise": True}
_OWN: Mapping[str, Any] = {"weighted": True, "keeps_untouched": True, "own": True}

METHODS: Mapping[str, Method] = {
    "arcee_fusion": Method(models=(2, 2), random=True),
    "breadcrumbs": Method({**_OF_DELTAS, "gamma": 0.01}, trims=True, **_EXACT),
    "breadcrumbs_ties": Method({**_OF_DELTAS, "gamma": 0.01}, trims=True, **_EXACT),
    "dare_linear": Method(_DROPPING, weighted=True, random=True),
    "dare_ties": Method(_DROPPING, weighted=True, random=True),
    "della": Method({**_DROPPING, "normalize": True, "epsilon": 0.15}, weighted=True, random=True),
    "della_linear": Method({**_DROPPING, "epsilon": 0.15}, weighted=True, random=True),
    "iso_c": Method({"scale": 1.0}, experts=(1, None), **_OWN),
    "karcher": Method({"max_iter": 10, "tol": 1e-5}, needs_base=False),
    "knots": Method({"scale": 1.0, "density": 1.0}, experts=(1, None), **_OWN),
    "linear": Method({"normalize": True}, weighted=True, needs_base=False, elementwise=True),
    "model_stock": Method({"filter_wise": False}, models=(3, None)),
    # mergekit can do with a base here, but fails then on every tensor that no expert changes.
    "multislerp": Method({"normalize_weights": True, "eps": 1e-8}, weighted=True, needs_base=False, experts=(1, None)),
    "nearswap": Method({"t": REQUIRED}, models=(2, 2)),
    "nuslerp": Method(
        {"nuslerp_row_wise": False, "nuslerp_flatten": True}, weighted=True, needs_base=False, experts=(2, 2)
    ),
    "passthrough": Method({"scale": None}, needs_base=False, models=(1, 1)),
    "ram": Method({"epsilon": 1e-5}),
    "ramplus_tl": Method({"r": 0.1, "alpha": 0.2, "epsilon": 1e-5}),
    "sce": Method({"int8_mask": False, "select_topk": 1.0}),
    "slerp": Method({"t": REQUIRED}, models=(2, 2)),
    "task_arithmetic": Method(_OF_DELTAS, **_EXACT),
    "ties": Method({**_OF_DELTAS, "normalize": True}, trims=True, **_EXACT),
    "tsv_m": Method({"scale": 1.0}, experts=(1, None), **_OWN),
}


def get_method(name: str) -> Method:
    """Return a method by name.

    Raises:
        UsageError: there is no such method.
    """
    if name not in METHODS:
        raise UsageError(f"mergekit has no method '{name}'", f"Use one of: {', '.join(METHODS)}.")
    return METHODS[name]


def default_parameters(name: str) -> dict[str, float]:
    """Return what this project sets where a person says nothing: the density, where the method has one."""
    density = DENSITIES.get(name, DEFAULT_DENSITY)
    return {"density": density} if "density" in get_method(name).parameters else {}


def tensors_at_a_time(name: str, parameters: Mapping[str, Any]) -> int:
    """Return how many tensors are merged at the same time."""
    method = METHODS[name]
    if not (method.elementwise or method.own) or parameters.get("rescale"):
        return 1
    return min(MOST_WORKERS, os.cpu_count() or 1)


def trims(name: str, parameters: Mapping[str, Any]) -> bool:
    """Return whether a merge trims deltas by magnitude; at a density of 1 they stay whole."""
    return METHODS[name].trims and parameters.get("density") != 1


def stable_name(method: str) -> str:
    """Return the name under which `sam_hub.merging.stable_methods` registers the stable variant of a method."""
    return f"{method}_stable"


def base_role(name: str, experts: int) -> str:
    """Return what the recipe's base is to a method.

    Returns:
        ``base`` (deltas are taken from it), ``unused`` (only the experts count), or ``first expert`` (a method for
        exactly two models, given two experts: the first one takes the base's place).
    """
    method = get_method(name)
    if method.needs_base and method.models[1] == 2 and experts == 2:
        return "first expert"
    return "base" if method.needs_base else "unused"


def count_problem(name: str, experts: int) -> str | None:
    """Return why a method can't merge so many experts; None if it can."""
    method, role = get_method(name), base_role(name, experts)
    limits = ((method.models, experts + (role == "base")), (method.experts, experts - (role == "first expert")))
    for (least, most), count in limits:
        if count < (least or 0):
            return f"it takes at least {least}"
        if most is not None and count > most:
            return f"it takes at most {most}"
    return None


def check_parameters(name: str, parameters: Mapping[str, Any], weights: Sequence[float]) -> None:
    """Validate a method, its parameters and the experts' weights.

    A parameter is a number, a truth value, or a list of them (mergekit's gradient over the layers).

    Raises:
        UsageError: the method or a parameter is unknown, missing, or holds a value of another type; the
            method can't take this number of experts; or it has no weights, and one is not 1.
    """
    method = get_method(name)
    known = ", ".join(sorted(method.parameters)) or "none"
    if unknown := sorted(set(parameters) - set(method.parameters)):
        raise UsageError(f"'{name}' has no parameter '{unknown[0]}'", f"It takes: {known}. Weights are per expert.")
    required = {parameter for parameter, value in method.parameters.items() if value is REQUIRED}
    if missing := sorted(required - set(parameters)):
        raise UsageError(f"'{name}' needs the parameter '{missing[0]}'", f"Give it a value. It takes: {known}.")
    for parameter, value in parameters.items():
        _check_value(name, parameter, value)
    if not all(map(math.isfinite, weights)):
        raise UsageError(f"A weight can't be {', '.join(map(str, weights))}", "Give finite numbers.")
    if not method.weighted and any(weight != 1 for weight in weights):
        raise UsageError(f"'{name}' has no weights", "Leave the weights out, or use ties, linear, task_arithmetic.")
    if problem := count_problem(name, len(weights)):
        experts = f"{len(weights)} {'expert' if len(weights) == 1 else 'experts'}"
        models = f"{experts} and the base" if base_role(name, len(weights)) == "base" else experts
        raise UsageError(f"'{name}' can't merge {models}: {problem}", "Change k or the method.")


def _check_value(name: str, parameter: str, value: Any) -> None:
    from pydantic import FiniteFloat, TypeAdapter, ValidationError, confloat, conlist

    default = METHODS[name].parameters[parameter]
    kind: Any = type(default)
    if parameter == "density":  # the share that is kept
        kind = confloat(gt=0, le=1)
    elif isinstance(default, float) or default in (None, REQUIRED):
        kind = FiniteFloat | None if default is None else FiniteFloat
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    try:
        TypeAdapter(conlist(kind, min_length=1)).validate_python(values)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise UsageError(f"'{name}' can't take {parameter}={value!r}: {reason}", "Correct the value.") from error
