"""The command that makes an expert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sam_hub.cli.command import command
from sam_hub.cli.output import AsJson, DryRun, TerminalReporter, say, show_json, show_table
from sam_hub.services.context import AppContext
from sam_hub.services.options import TrainOptions

if TYPE_CHECKING:
    from sam_hub.training.queue import QueuedExpert


@command("train --data social/ --base acme/base --domain social --out social-expert")
def train(options: TrainOptions, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Train an expert on labeled data, or a folder of recipes.

    If you stop a run, the same command continues from its last checkpoint.
    """
    from sam_hub.errors import Interrupted
    from sam_hub.services.training import plan_queue, plan_training, run_queue, run_training

    context = AppContext()
    if dry_run and options.queue:
        _show_queue(plan_queue(context, options), as_json)
        return
    if dry_run:
        show_json(plan_training(context, options))
        return
    try:
        with TerminalReporter(say) as reporter:
            if options.queue:
                _show_queue(run_queue(context, options, reporter), as_json)
                return
            about = run_training(context, options, reporter)
    except KeyboardInterrupt as stop:
        action = "Run the same command again to continue from the last checkpoint."
        raise Interrupted("Interrupted", action) from stop
    if as_json:
        show_json(about)
        return
    print(f"{options.out}: {', '.join(about['labels'])}")
    for dataset, rows in about["scores"].items():
        heads = ("model", "P", "R", "F1")
        scores = [(r["name"], r["precision"], r["recall"], r["f1"]) for r in rows]
        show_table(heads, scores, title=f"\n{dataset}, test")


def _show_queue(queue: Sequence[QueuedExpert], as_json: bool) -> None:
    """Print the experts of a queue with their states.

    Raises:
        InputError: some of them failed, or can't be trained.
    """
    from sam_hub.errors import InputError
    from sam_hub.training.queue import failed

    if as_json:
        fields = ("name", "out", "steps", "state", "seconds", "reason")
        show_json([{field: getattr(expert, field) for field in fields} for expert in queue])
    else:
        estimates = [f"{e.seconds:,.0f} s" if e.seconds else "" for e in queue]
        rows = [(e.name, e.steps, e.state, estimate, e.reason) for e, estimate in zip(queue, estimates, strict=True)]
        show_table(("expert", "steps", "state", "estimate", "reason"), rows)
    if names := failed(queue):
        raise InputError(
            f"{len(names)} of {len(queue)} experts failed: {', '.join(names)}",
            "Correct the reasons above, and run the same command again.",
        )
