"""Run a merge plan in this process: tensor by tensor into a staging folder, which is renamed at the end.

The result equals that of stock ``mergekit-yaml`` bit for bit (with ``stable``, that of a mergekit whose sort is
stable). The same planner resolves the same parameters for the same tensors, which are merged in the same order (it
decides the draws of the random methods); the fold is the arithmetic of peft's ``merge_and_unload``. Stock mergekit
draws random numbers while it folds, so for random methods the seed decides its result only when its fold cache is
warm; that result is this one.
"""

from __future__ import annotations

import itertools
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_hub.errors import SamHubError, UnusableModel, of_the_system
from sam_hub.files import write_atomic, write_json
from sam_hub.hub.weights import TensorInfo, read_headers, weights_sha256
from sam_hub.merging.checks import Inputs, read_inputs
from sam_hub.merging.configuration import FILE_NAME, config_text
from sam_hub.merging.mergekit_tasks import (
    base_loader,
    compute,
    fold_dtype,
    merge_tasks,
    mergekit_session,
    model_config,
    output_sources,
)
from sam_hub.merging.methods import METHODS, tensors_at_a_time
from sam_hub.merging.plan import RECORD, MergePlan, is_merged
from sam_hub.merging.recipe import CARRIED, Recipe, recipe_hash, to_json
from sam_hub.merging.tensor_file import DTYPE_CODES, SHARD_BYTES, ModelWriter
from sam_hub.progress import SILENT, Reporter
from sam_hub.tempdirs import clean_up_scratch, staged_folder

if TYPE_CHECKING:
    import torch
    from mergekit.merge_methods.task_adapter import ExecuteMergeMethodTask


def run_merge(plan: MergePlan, reporter: Reporter = SILENT, timeout: float | None = None) -> Path:
    """Carry out a plan, and return the folder of the merged model; one that is there already is returned at once.

    A model on disk is whole: what fails or is interrupted leaves nothing, and a killed process leaves a hidden folder
    that the next merge deletes.

    Args:
        timeout: seconds after which the merge is given up; looked at between two tensors.

    Raises:
        UnusableModel, DiskFull: the plan has errors, or the merge failed for such a reason.
        SamHubError: mergekit failed, or it took too long.
    """
    plan.report.raise_errors()
    if is_merged(plan.recipe, plan.output):
        write_atomic(plan.output / FILE_NAME, plan.config_text)  # its paths change when the home is moved
        return plan.output
    with explained_failures(), staged_folder(plan.output, keep=lambda: is_merged(plan.recipe, plan.output)) as folder:
        _write_model(plan, folder, with_deadline(reporter, timeout))
    return plan.output


def _write_model(plan: MergePlan, folder: Path, reporter: Reporter) -> None:
    """Fill ``folder`` with the merged model and its record."""
    recipe, started = plan.recipe, time.monotonic()
    (folder / FILE_NAME).write_text(plan.config_text, encoding="utf-8")
    counts = merge_weights(recipe, plan.report.inputs or read_inputs(recipe), folder, reporter)
    read_headers(folder)
    model_config(recipe).save_pretrained(folder)
    for name in CARRIED:
        if (recipe.base.path / name).is_file():
            shutil.copyfile(recipe.base.path / name, folder / name)
    record = {
        "recipe": to_json(recipe),
        "configuration": config_text(recipe, by_repo=True),
        "recipe_hash": recipe_hash(recipe),
        "weights_sha256": weights_sha256(folder),
        **counts,
        "versions": {name: version(name) for name in ("mergekit", "torch", "transformers")},
        "seconds": round(time.monotonic() - started, 2),
    }
    write_json(folder / RECORD, record)


def merge_weights(
    recipe: Recipe, inputs: Inputs, folder: Path, reporter: Reporter = SILENT, shard_bytes: int = SHARD_BYTES
) -> dict[str, int]:
    """Merge ``recipe`` into safetensors files in ``folder``; a worker holds one tensor of every model at a time.

    Args:
        shard_bytes: a larger result is written in several files.

    Returns:
        How many tensors were written (``tensors``), and how many of them were copied (``copied``).

    Raises:
        UnusableModel: the inputs do not go together, or the result is not finite.
    """
    with mergekit_session(recipe.seed):
        from mergekit.common import dtype_from_name

        own = METHODS[recipe.method].own
        fold = "F32" if own else fold_dtype(recipe.base.path)
        tasks = merge_tasks(recipe, inputs, fold)
        sources = output_sources(recipe, tasks, inputs)
        announced = {}
        for weight in (task.output_weight for task in tasks):
            dtype = DTYPE_CODES[weight.force_dtype or recipe.dtype]
            announced[weight.name] = TensorInfo(dtype, inputs.base[sources[weight.name]].shape)
        computed = inputs.touched if own else _computed(recipe, inputs, fold)
        lock, done = threading.Lock(), itertools.count(1)

        def work(task: ExecuteMergeMethodTask) -> None:
            weight = task.output_weight
            tensor = compute(task, touched=sources[weight.name] in computed)
            tensor = tensor.to(dtype_from_name(weight.force_dtype or recipe.dtype))
            _require_finite(weight.name, tensor)
            with lock:
                writer.write(weight.name, tensor)
                reporter.progress("merge", next(done), len(tasks), "tensors")

        with ModelWriter(folder, announced, shard_bytes) as writer:
            _each(work, tasks, tensors_at_a_time(recipe.method, recipe.parameters))
    return {"tensors": len(tasks), "copied": sum(source not in computed for source in sources.values())}


def each_change(recipe: Recipe, inputs: Inputs) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield what the merge adds to each tensor that an adapter changes, in float32, one after the other.

    Neither experts nor result are rounded to the recipe's dtype, except for random methods, whose draws depend on it.
    """
    drawn = METHODS[recipe.method].random
    exact = recipe if drawn else replace(recipe, dtype="float32")
    with mergekit_session(recipe.seed):
        tasks = merge_tasks(exact, inputs, fold_dtype(recipe.base.path) if drawn else "F32")
        sources = output_sources(recipe, tasks, inputs)
        base = base_loader(recipe)
        for task in tasks:
            source = sources[task.output_weight.name]
            if source in inputs.touched:
                yield source, compute(task, touched=True).float() - base.get_tensor(source).float()
            elif drawn:
                compute(task, touched=True)  # for its draws


def _computed(recipe: Recipe, inputs: Inputs, fold: str) -> frozenset[str]:
    """Return the base's tensors that can't just be copied.

    Where a base mixes dtypes, the fold rounds all to its first tensor's: the others count as changed.
    """
    if not METHODS[recipe.method].keeps_untouched:
        return frozenset(inputs.base)
    return inputs.touched | {name for name, info in inputs.base.items() if info.dtype != fold}


def _require_finite(name: str, tensor: torch.Tensor) -> None:
    import torch

    if not tensor.is_floating_point() or not tensor.numel():
        return
    # NaN is the minimum and the maximum of what holds it, and to find them takes a tenth of isfinite's time.
    if not all(map(torch.isfinite, torch.aminmax(tensor))):
        raise UnusableModel(
            f"The merge gives '{name}' values that are not finite (NaN or infinity)",
            "Leave the experts out one by one to find a damaged one, or use smaller weights.",
        )


def _each(work: Callable[[Any], None], items: list[Any], workers: int) -> None:
    """Call ``work`` with every item: in order, or ``workers`` at a time with one thread each."""
    import torch

    if workers == 1:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for _ in pool.map(work, items):
            pass


@contextmanager
def explained_failures() -> Iterator[None]:
    """Turn what mergekit raises into an error that says what to do."""
    try:
        yield
    except SamHubError:
        raise
    except OSError as error:
        raise of_the_system(error) from error
    except Exception as error:
        raise SamHubError(
            f"The merge failed: {type(error).__name__}: {error}",
            "Leave the experts out one by one, or try stock mergekit-yaml on what `sam-hub merge --dry-run` prints.",
        ) from error


def clean_up_merges(merges: Path) -> None:
    """Delete what killed processes left in a home's ``merges`` and in the folders there."""
    for parent in (merges, *merges.glob("*/")):
        clean_up_scratch(parent)


class _Deadline(Reporter):
    def __init__(self, reporter: Reporter, seconds: float) -> None:
        self._reporter, self._seconds, self._end = reporter, seconds, time.monotonic() + seconds

    def progress(self, what: str, done: int, total: int, unit: str = "") -> None:
        if time.monotonic() > self._end:
            raise SamHubError(f"The merge took more than {self._seconds:g} s", "Use a larger --timeout.")
        self._reporter.progress(what, done, total, unit)


def with_deadline(reporter: Reporter, seconds: float | None) -> Reporter:
    """Return a reporter that also ends the work that reports to it, after so many seconds; 0 or None: never."""
    return _Deadline(reporter, seconds) if seconds else reporter
