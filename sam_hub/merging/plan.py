"""Plan a merge, then run it: in a process of its own, into a temporary folder, with one rename at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sam_hub.errors import UnusableModel, UsageError
from sam_hub.hub.weights import weights_sha256
from sam_hub.merging.checks import Report, bytes_to_write, check, memory_needed, read_inputs
from sam_hub.merging.configuration import FILE_NAME, config_text
from sam_hub.merging.methods import KEEPS_UNTOUCHED, tensors_at_a_time, trims
from sam_hub.merging.process import Progress, make
from sam_hub.merging.recipe import Recipe, recipe_hash, to_json
from sam_hub.merging.trimming import TRIMMING

RECORD = "merge.json"
START_SECONDS = 3.0  # imports of torch, transformers, mergekit
ELEMENTS_PER_SECOND = 20e6  # per model and worker: reading, folding and sorting
UNSORTED_PER_SECOND = 60e6  # the same without the sort
BYTES_PER_SECOND = 500e6  # copying and hashing


@dataclass(frozen=True)
class MergePlan:
    """What a merge will do, before it does it.

    Args:
        config_text: the ``mergekit_config.yml`` that is used.
        report: the checks; a plan with errors can't be run.
        bytes_to_write, memory, seconds: estimates; 0 bytes and seconds if ``reused``.
        reused: ``output`` already holds this very merge.
    """

    recipe: Recipe
    output: Path
    config_text: str
    report: Report
    bytes_to_write: int
    memory: int
    seconds: float
    reused: bool


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
    report = check(recipe, None if reused else output, licenses)  # what is there takes no more disk
    text = config_text(recipe)
    if report.errors:
        return MergePlan(recipe, output, text, report, 0, 0, 0.0, reused=False)
    inputs = read_inputs(recipe)
    memory, size = memory_needed(recipe, inputs), bytes_to_write(recipe, inputs)
    if reused:
        return MergePlan(recipe, output, text, report, 0, memory, 0.0, reused=True)
    computed = inputs.touched if recipe.method in KEEPS_UNTOUCHED else inputs.base
    elements = sum(inputs.base[name].size for name in computed) * len(recipe.experts)
    quick = recipe.method in TRIMMING and (recipe.stable or not trims(recipe.method, recipe.parameters))
    rate = (UNSORTED_PER_SECOND if quick else ELEMENTS_PER_SECOND) * tensors_at_a_time(
        recipe.method, recipe.parameters
    )
    seconds = START_SECONDS + elements / rate + 2 * size / BYTES_PER_SECOND
    return MergePlan(recipe, output, text, report, size, memory, round(seconds, 1), reused=False)


def run_merge(
    plan: MergePlan, on_progress: Callable[[Progress], None] | None = None, timeout: float | None = None
) -> Path:
    """Carry out a plan, and return the folder of the merged model; one that is there already is returned at once.

    Raises:
        UnusableModel, DiskFull: the plan has errors, or the merge failed for such a reason.
        SamHubError: as `sam_hub.merging.process.make`.
    """
    plan.report.raise_errors()
    if not is_merged(plan.recipe, plan.output):
        make(
            plan.output,
            {"recipe": to_json(plan.recipe)},
            on_progress,
            timeout,
            is_made=lambda: is_merged(plan.recipe, plan.output),
        )
    return plan.output
