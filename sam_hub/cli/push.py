"""The command that uploads a merged model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sam_hub.cli.command import command
from sam_hub.cli.output import DryRun, Shown, file_size, say
from sam_hub.progress import Reporter
from sam_hub.services.context import AppContext
from sam_hub.services.options import PushOptions

if TYPE_CHECKING:
    from sam_hub.services.push import PushOutcome, PushPlan


@command("push court-2026 --by sampling --repo me/ner-court --dry-run", background=True)
def push(options: PushOptions, context: AppContext, reporter: Reporter, dry_run: DryRun = False) -> Shown:
    """Push merged models to the Hub.

    The models and their card are one commit.
    """
    from sam_hub.services.push import plan_push, run_push

    if dry_run:
        plan = plan_push(context, options)
        return Shown({**vars(plan), "commit": None, "url": None}, lambda: _show_plan(plan, options))
    pushed = run_push(context, options, reporter)
    return Shown(pushed, lambda: _show(pushed, options))


def _show(pushed: PushOutcome, options: PushOptions) -> None:
    print(f"{pushed.url} at {pushed.commit[:8]}\n\n{pushed.snippet}")
    if stays := pushed.stays(options):
        say(stays)


def _show_plan(plan: PushPlan, options: PushOptions) -> None:
    print("\n".join(plan.lines(options)))
    for file in plan.files:
        print(f"  {file.path} ({file_size(file.size)})")
