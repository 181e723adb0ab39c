"""Train a queue of recipes: finished experts are skipped, stopped ones continue, and failed ones stop no others."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from sam_hub.errors import InputError, SamHubError
from sam_hub.hub.inspection import METADATA
from sam_hub.hub.weights import weights_sha256
from sam_hub.progress import SILENT, Reporter
from sam_hub.training.expert import make_expert
from sam_hub.training.recipe import TrainingRecipe, read_recipe
from sam_hub.training.trainer import CHECKPOINT, RECORD, WEIGHTS, check_layout

State = StrEnum(
    "State",
    {"finished": "finished", "trained": "to evaluate", "stopped": "to continue", "new": "to train", "failed": "failed"},
)


@dataclass(frozen=True)
class QueuedExpert:
    """One expert of a queue, where it is written, and its state. ``steps`` counts those of its whole training.

    ``seconds`` is what these steps take at the speed of the trained experts of the queue; 0 if there are none, or if
    this one is trained.
    """

    name: str
    out: Path
    state: State
    steps: int = 0
    seconds: float = 0
    reason: str = ""
    recipe: TrainingRecipe | None = None


def read_queue(folder: Path, base: Path, out: Path) -> tuple[QueuedExpert, ...]:
    """Return the experts of a folder of recipes, in the order of the files' names. Each has a folder in ``out``.

    An expert is finished if its ``sam_hub.json`` names the same recipe and a base of the same weights.

    Raises:
        InputError: the folder has no recipe, or two recipes have the same name.
        UnusableModel: the base has no weights.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise InputError(f"There are no recipes in {folder}", "Use a folder with JSON recipes.")
    base_sha256 = weights_sha256(base)
    queue = tuple(_queued(file, base_sha256, out) for file in files)
    names = [expert.name for expert in queue]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{folder} has two recipes with the name {twice[0]}", "Rename one of them.")
    return _with_seconds(queue)


def _with_seconds(queue: tuple[QueuedExpert, ...]) -> tuple[QueuedExpert, ...]:
    trained = [e for e in queue if e.state in (State.finished, State.trained)]
    seconds = sum(json.loads((e.out / RECORD).read_text(encoding="utf-8"))["seconds"] for e in trained)
    steps = sum(e.steps for e in trained)
    waiting = (State.new, State.stopped)
    return tuple(replace(e, seconds=e.steps * seconds / steps) if steps and e.state in waiting else e for e in queue)


def _queued(file: Path, base_sha256: str, out: Path) -> QueuedExpert:
    name = file.stem
    try:
        recipe = read_recipe(file)
        name = recipe.name
        state = _state(recipe, base_sha256, out / name)
    except SamHubError as error:
        return QueuedExpert(name, out / name, State.failed, reason=f"{error.title}. {error.action}")
    return QueuedExpert(name, out / name, state, recipe.steps, recipe=recipe)


def _state(recipe: TrainingRecipe, base_sha256: str, out: Path) -> State:
    if not (out / METADATA).exists():
        check_layout(out)
        states = {out / WEIGHTS: State.trained, out / CHECKPOINT: State.stopped}
        return next((state for file, state in states.items() if file.exists()), State.new)
    try:
        about = json.loads((out / METADATA).read_text(encoding="utf-8"))
        stored = {name: value for name, value in about["recipe"].items() if name != "training"}
        trained_on = about["base_sha256"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{out / METADATA} can't be read", "Give another --out, or delete that folder.") from error
    for what, same in (
        ("recipe", TrainingRecipe.from_dict(stored).portable() == recipe.portable()),
        ("base", trained_on == base_sha256),
    ):
        if not same:
            raise InputError(f"{out} has an expert of another {what}", "Give another --out, or delete that folder.")
    return State.finished


def train_queue(
    queue: Sequence[QueuedExpert], base: Path, base_repo: str, *, reporter: Reporter = SILENT, **options: Any
) -> tuple[QueuedExpert, ...]:
    """Make the experts that are not finished, one after another, and return all with their new states.

    Args:
        options: see `sam_hub.training.expert.make_expert`.
    """
    waiting = [expert for expert in queue if expert.state not in (State.finished, State.failed)]
    results: dict[str, QueuedExpert] = {}
    steps_done, seconds = 0, 0.0
    for number, expert in enumerate(waiting, 1):
        reporter.log(f"{number} of {len(waiting)}: {expert.name}, {expert.steps} steps, {expert.state}")
        began = time.monotonic()
        results[expert.name] = result = _made(expert, base, base_repo, reporter, options)
        spent = time.monotonic() - began
        if result.state is State.failed:
            reporter.log(f"{expert.name} failed: {result.reason}")
            continue
        if expert.state is State.new:  # the others had a part of their steps behind them
            steps_done, seconds = steps_done + expert.steps, seconds + spent
        steps_left = sum(other.steps for other in waiting[number:])
        left = f", about {steps_left * seconds / steps_done / 60:.0f} min left" if steps_left and steps_done else ""
        reporter.log(f"{expert.name} is finished after {spent:.0f} s{left}")
    return tuple(results.get(expert.name, expert) for expert in queue)


def _made(expert: QueuedExpert, base: Path, base_repo: str, reporter: Reporter, options: Any) -> QueuedExpert:
    assert expert.recipe
    try:
        make_expert(expert.recipe, base, base_repo, expert.out, reporter=reporter, **options)
    except Exception as error:  # whatever it is, the next recipe may be trained
        reason = (
            f"{error.title}. {error.action}" if isinstance(error, SamHubError) else f"{type(error).__name__}: {error}"
        )
        return replace(expert, state=State.failed, reason=reason)
    return replace(expert, state=State.finished)


def failed(queue: Iterable[QueuedExpert]) -> list[str]:
    """Return the names of the experts that failed."""
    return [expert.name for expert in queue if expert.state is State.failed]
