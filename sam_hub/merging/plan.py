"""Plan a merge: check it, estimate it, and see whether it is on disk already."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
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
        selection_id: the selection for which it is made; None for one to compare with, or of experts named by hand.
    """

    recipe: Recipe
    output: Path
    config_text: str
    report: Report
    bytes_to_write: int = 0
    memory: int = 0
    seconds: float = 0.0
    reused: bool = False
    selection_id: int | None = None


def merge_folder(recipe: Recipe, merges: Path) -> Path:
    """Return where a recipe's merge lies below ``merges`` (``Settings.merges``): named by its content."""
    return merges / recipe_hash(recipe)[:16]


def read_record(folder: Path, name: str = RECORD) -> dict[str, Any]:
    """Return a record of the weights in ``folder``; empty if there is none, or it is damaged, or of other weights."""
    try:
        record = json.loads((folder / name).read_text(encoding="utf-8"))
        return record if record["weights_sha256"] == weights_sha256(folder) else {}
    except (OSError, ValueError, KeyError, TypeError, UnusableModel):
        return {}


def is_merged(recipe: Recipe, folder: Path) -> bool:
    """Return whether ``folder`` holds the merge of ``recipe``: same recipe, same mergekit, undamaged weights."""
    record = read_record(folder)
    same = (record.get("recipe_hash"), record.get("versions", {}).get("mergekit"))
    whole = all((folder / name).is_file() for name in (FILE_NAME, "config.json"))
    return whole and same == (recipe_hash(recipe), version("mergekit"))


def plan_merge(
    recipe: Recipe, output: Path, licenses: Mapping[str, str | None] | None = None, *, selection_id: int | None = None
) -> MergePlan:
    """Check a recipe and estimate the work; nothing is written.

    Args:
        licenses: what is known of them, by repository; else what the experts themselves say.
        selection_id: see `MergePlan`.

    Raises:
        UsageError: ``output`` holds something that is not a merge.
    """
    output = output.absolute()
    if output.exists() and not (output / RECORD).is_file() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(f"{output} holds something that is not a merge", "Name another folder.")
    reused = is_merged(recipe, output)
    report = check_recipe(recipe, None if reused else output, licenses)  # what is there takes no more disk
    inputs, text = report.inputs, config_text(recipe)
    if inputs is None:
        return MergePlan(recipe, output, text, report, selection_id=selection_id)
    size = 0 if reused else bytes_to_write(recipe, inputs)
    seconds = 0.0 if reused else _seconds(recipe, inputs, size)
    return MergePlan(recipe, output, text, report, size, memory_needed(recipe, inputs), seconds, reused, selection_id)


def _seconds(recipe: Recipe, inputs: Inputs, size: int) -> float:
    method, parameters = METHODS[recipe.method], recipe.parameters
    computed = inputs.touched if method.keeps_untouched else inputs.base
    elements = sum(inputs.base[name].size for name in computed) * len(recipe.experts)
    unsorted = method.trims and (recipe.stable or not trims(recipe.method, parameters))
    rate = UNSORTED_PER_SECOND if unsorted else ELEMENTS_PER_SECOND
    seconds = elements / (rate * tensors_at_a_time(recipe.method, parameters))
    return round(START_SECONDS + seconds + 2 * size / BYTES_PER_SECOND, 1)
