"""The command that makes an expert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sam_hub.cli.command import command
from sam_hub.cli.output import DryRun, Shown, show_json, show_table
from sam_hub.progress import Reporter
from sam_hub.services.context import AppContext
from sam_hub.services.options import TrainOptions

if TYPE_CHECKING:
    from sam_hub.training.queue import QueuedExpert


@command("train --data social/ --base acme/base --domain social --out social-expert", log=True)
def train(options: TrainOptions, context: AppContext, reporter: Reporter, dry_run: DryRun = False) -> Shown:
    """Train an expert on labeled data, or a folder of recipes.

    If you stop a run, the same command continues from its last checkpoint.
    """
    from sam_hub.errors import Interrupted
    from sam_hub.services.training import plan_queue, plan_training, run_queue, run_training

    if dry_run and not options.queue:
        plan = plan_training(context, options)
        return Shown(plan, lambda: show_json(plan))
    try:
        if options.queue:
            queue = plan_queue(context, options) if dry_run else run_queue(context, options, reporter)
            return _queue(queue)
        about = run_training(context, options, reporter)
    except KeyboardInterrupt as stop:
        action = "Run the same command again to continue from the last checkpoint."
        raise Interrupted("Interrupted", action) from stop
    return Shown(about, lambda: _show(options, about))


def _show(options: TrainOptions, about: dict[str, Any]) -> None:
    print(f"{options.out}: {', '.join(about['labels'])}")
    for dataset, rows in about["scores"].items():
        heads = ("model", "P", "R", "F1")
        scores = [(r["name"], r["precision"], r["recall"], r["f1"]) for r in rows]
        show_table(heads, scores, title=f"\n{dataset}, test")


def _queue(queue: Sequence[QueuedExpert]) -> Shown:
    """Return the experts of a queue with their states, and an error if some failed or can't be trained."""
    from sam_hub.errors import InputError
    from sam_hub.training.queue import failed

    fields = ("name", "out", "steps", "state", "seconds", "reason")
    values = [{field: getattr(expert, field) for field in fields} for expert in queue]
    rows = [(e.name, e.steps, e.state, f"{e.seconds:,.0f} s" if e.seconds else "", e.reason) for e in queue]
    error, names = None, failed(queue)
    if names:
        error = InputError(
            f"{len(names)} of {len(queue)} experts failed: {', '.join(names)}",
            "Correct the reasons above, and run the same command again.",
        )
    return Shown(values, lambda: show_table(("expert", "steps", "state", "estimate", "reason"), rows), error)
