"""The command that makes an expert."""

from __future__ import annotations

from sam_hub.cli.command import command
from sam_hub.cli.output import AsJson, DryRun, TerminalReporter, say, show_json, show_table
from sam_hub.services.context import AppContext
from sam_hub.services.options import TrainOptions


@command("train --data social/ --base acme/base --domain social --out social-expert")
def train(options: TrainOptions, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Train a LoRA adapter on labeled data.

    If you stop a run, the same command continues from its last checkpoint.
    """
    from sam_hub.errors import Interrupted
    from sam_hub.services.training import plan_training, run_training

    context = AppContext()
    if dry_run:
        show_json(plan_training(context, options))
        return
    try:
        with TerminalReporter(say) as reporter:
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
