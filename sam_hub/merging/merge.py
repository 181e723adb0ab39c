"""Plan a merge, then run it: in a process of its own, into a temporary folder, with one rename at the end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import sam_hub
from sam_hub import errors
from sam_hub.errors import SamHubError, UnusableModel, UsageError
from sam_hub.hub.weights import WEIGHTS, file_sha256
from sam_hub.merging.checks import Report, bytes_to_write, check, memory_needed, read_inputs
from sam_hub.merging.configuration import FILE_NAME, config_text
from sam_hub.merging.methods import KEEPS_UNTOUCHED, tensors_at_a_time
from sam_hub.merging.recipe import Recipe, recipe_hash, to_json
from sam_hub.scratch import has_ended

RECORD = "merge.json"
START_SECONDS = 5.0  # imports of torch, transformers, mergekit
ELEMENTS_PER_SECOND = 15e6  # per model and worker: reading, folding and sorting
BYTES_PER_SECOND = 500e6  # copying and hashing


@dataclass(frozen=True)
class Progress:
    """So many of so many tensors are written; ``tensor`` is the last one."""

    done: int
    total: int
    tensor: str


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
    files = [folder / name for name in (WEIGHTS, FILE_NAME, "config.json")]
    return all(file.is_file() for file in files) and file_sha256(files[0]) == record.get("weights_sha256")


def plan_merge(recipe: Recipe, output: Path) -> MergePlan:
    """Check a recipe and estimate the work; nothing is written.

    Raises:
        UsageError: the recipe is wrong, or ``output`` holds something that is not a merge.
    """
    output = output.absolute()
    if output.exists() and not (output / RECORD).is_file() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(f"{output} holds something that is not a merge", "Name another folder.")
    report = check(recipe, output)
    text = config_text(recipe)
    if report.errors:
        return MergePlan(recipe, output, text, report, 0, 0, 0.0, reused=False)
    inputs = read_inputs(recipe)
    memory, size = memory_needed(recipe, inputs), bytes_to_write(recipe, inputs)
    if is_merged(recipe, output):
        return MergePlan(recipe, output, text, report, 0, memory, 0.0, reused=True)
    computed = inputs.touched if recipe.method in KEEPS_UNTOUCHED else inputs.base
    elements = sum(inputs.base[name].size for name in computed) * len(recipe.experts)
    rate = ELEMENTS_PER_SECOND * tensors_at_a_time(recipe.method, recipe.parameters)
    seconds = START_SECONDS + elements / rate + 2 * size / BYTES_PER_SECOND
    return MergePlan(recipe, output, text, report, size, memory, round(seconds, 1), reused=False)


def run_merge(plan: MergePlan, on_progress: Callable[[Progress], None] | None = None) -> Path:
    """Carry out a plan, and return the folder of the merged model.

    A merge that is already there is returned at once. Otherwise nothing is left unless all goes well, not
    even after Ctrl+C: the process is killed with its children, and its folder deleted.

    Raises:
        UnusableModel, DiskFull: the plan has errors, or the merge failed for such a reason.
        SamHubError: the merge failed otherwise; the message holds mergekit's own.
    """
    plan.report.raise_errors()
    if plan.reused and is_merged(plan.recipe, plan.output):
        return plan.output
    plan.output.parent.mkdir(parents=True, exist_ok=True)
    sweep_merges(plan.output.parent, plan.output.name)
    with _staging(plan.output) as folder:
        job = folder / "job.json"
        job.write_text(json.dumps({"recipe": to_json(plan.recipe), "folder": str(folder)}), encoding="utf-8")
        _run_process(job, on_progress)
        job.unlink()
        _put_in_place(folder, plan.output)
    return plan.output


@contextmanager
def _staging(output: Path) -> Iterator[Path]:
    folder = output.with_name(f".{output.name}.{os.getpid()}.partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep_merges(merges: Path, name: str = "*") -> None:
    """Delete what killed processes left below ``merges`` (of the merge of this folder's name, or of all)."""
    for left in merges.glob(f".{name}.*"):
        _, _, owner = left.name.removesuffix(left.suffix).rpartition(".")
        if left.suffix in (".partial", ".old") and owner.isdigit() and has_ended(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def _put_in_place(folder: Path, output: Path) -> None:
    """Rename the finished folder; an outdated merge gives way only at the last moment."""
    old = output.with_name(f".{output.name}.{os.getpid()}.old")
    if output.exists():
        output.rename(old)
    try:
        folder.rename(output)
    except OSError:
        if old.exists():
            old.rename(output)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _environment() -> dict[str, str]:
    paths = [str(Path(sam_hub.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "HF_HUB_OFFLINE": "1",  # a merge reads local folders only
        "TOKENIZERS_PARALLELISM": "false",
    }


def _run_process(job: Path, on_progress: Callable[[Progress], None] | None) -> None:
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sam_hub.merging", str(job)],
            stdin=subprocess.PIPE,  # held open: its end tells the process that this one is gone
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=_environment(),
            cwd=job.parent,
            start_new_session=True,
        )
        try:
            failure = _follow(process, on_progress)
            code = process.wait()
        finally:
            _kill_group(process)
        if failure is not None:
            raise failure
        if code != 0:
            raise _unexpected(code, log)


def _follow(
    process: subprocess.Popen[str], on_progress: Callable[[Progress], None] | None
) -> SamHubError | None:
    """Read the process's lines to their end; returns the error that it told, if any."""
    failure = None
    assert process.stdout is not None
    for line in process.stdout:
        message = json.loads(line)
        if error := message.get("error"):
            failure = getattr(errors, error["kind"], UnusableModel)(error["title"], error["action"])
        elif on_progress is not None and "done" in message:
            on_progress(Progress(message["done"], message["total"], message["tensor"]))
    return failure


def _kill_group(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _unexpected(code: int, log: IO[str]) -> SamHubError:
    if code == -signal.SIGKILL:
        return SamHubError(
            "The merge was killed, most likely for want of memory", "Free memory, and merge again."
        )
    log.seek(0)
    lines = [line.strip() for line in log.read().splitlines() if line.strip()]
    reason = lines[-1] if lines else f"exit code {code}"
    return SamHubError(
        f"The merge failed: {reason}", "Run stock mergekit-yaml on the configuration to see more."
    )
