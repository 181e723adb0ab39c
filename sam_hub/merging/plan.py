"""Plan a merge: check it, estimate it, and see whether it is on disk already."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sam_hub.errors import UnusableModel, UsageError
from sam_hub.hub.weights import weights_sha256
from sam_hub.merging.checks import Inputs, Report, bytes_to_write, check_recipe, memory_needed
from sam_hub.merging.configuration import FILE_NAME, config_text
from sam_hub.merging.methods import METHODS, tensors_at_a_time, trims
from sam_hub.merging.recipe import Recipe, recipe_hash

RECORD = "merge.json"
START_SECONDS = 3.0  # imports of torch, transformers, mergekit
ELEMENTS_PER_SECOND = 20e6  # per model and worker: reading, folding and sorting
UNSORTED_PER_SECOND = 60e6  # the same without the sort
BYTES_PER_SECOND = 500e6  # copying and hashing


@dataclass(frozen=True)
class MergePlan:
    """What a merge will do, before it does it.

    Args:
        config_text: the ``mergekit_config.yml`` that is written.
        report: the checks; a plan with errors can't be run.
        bytes_to_write, memory, seconds: estimates; 0 bytes and seconds if ``reused``.
        reused: ``output`` already holds this very merge.
    """

    recipe: Recipe
    output: Path
    config_text: str
    report: Report
    bytes_to_write: int = 0
    memory: int = 0
    seconds: float = 0.0
    reused: bool = False


def merge_folder(recipe: Recipe, merges: Path) -> Path:
    """Where a recipe's merge lies below ``merges`` (``Settings.merges``): named by its content."""
    return merges / recipe_hash(recipe)[:16]


def _read_record(folder: Path) -> dict[str, Any] | None:
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # no merge of ours, or a damaged one: it is not reused
    return record if isinstance(record, dict) else None


def is_merged(recipe: Recipe, folder: Path) -> bool:
    """Whether ``folder`` holds the merge of ``recipe``: same recipe, same mergekit, undamaged weights."""
    record = _read_record(folder)
    if record is None or record.get("recipe_hash") != recipe_hash(recipe):
        return False
    if record.get("versions", {}).get("mergekit") != version("mergekit"):
        return False
    if not all((folder / name).is_file() for name in (FILE_NAME, "config.json")):
        return False
    try:
        return weights_sha256(folder) == record.get("weights_sha256")
    except (UnusableModel, OSError):  # a file is gone
        return False


def plan_merge(recipe: Recipe, output: Path, licenses: Mapping[str, str | None] | None = None) -> MergePlan:
    """Check a recipe and estimate the work; nothing is written.

    Args:
        licenses: what is known of them, by repository; else what the experts themselves say.

    Raises:
        UsageError: the recipe is wrong, or ``output`` holds something that is not a merge.
    """
    output = output.absolute()
    if output.exists() and not (output / RECORD).is_file() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(f"{output} holds something that is not a merge", "Name another folder.")
    reused = is_merged(recipe, output)
    report = check_recipe(recipe, None if reused else output, licenses)  # what is there takes no more disk
    plan = MergePlan(recipe, output, config_text(recipe), report, reused=reused)
    inputs = report.inputs
    if inputs is None:
        return replace(plan, reused=False)
    plan = replace(plan, memory=memory_needed(recipe, inputs))
    if reused:
        return plan
    size = bytes_to_write(recipe, inputs)
    return replace(plan, bytes_to_write=size, seconds=_seconds(recipe, inputs, size))


def _seconds(recipe: Recipe, inputs: Inputs, size: int) -> float:
    method, parameters = METHODS[recipe.method], recipe.parameters
    computed = inputs.touched if method.keeps_untouched else inputs.base
    elements = sum(inputs.base[name].size for name in computed) * len(recipe.experts)
    unsorted = method.trims and (recipe.stable or not trims(recipe.method, parameters))
    rate = UNSORTED_PER_SECOND if unsorted else ELEMENTS_PER_SECOND
    seconds = elements / (rate * tensors_at_a_time(recipe.method, parameters))
    return round(START_SECONDS + seconds + 2 * size / BYTES_PER_SECOND, 1)
