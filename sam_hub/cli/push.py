"""The command that uploads a merged model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sam_hub.cli.command import command
from sam_hub.cli.output import AsJson, DryRun, TerminalReporter, file_size, say, show_json
from sam_hub.services.context import AppContext
from sam_hub.services.options import PushOptions

if TYPE_CHECKING:
    from sam_hub.services.push import PushOutcome, PushPlan


@command("push court-2026 --by sampling --repo me/ner-court --dry-run", background=True)
def push(options: PushOptions, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Push merged models to the Hub.

    The models and their card are one commit.
    """
    from sam_hub.services.push import plan_push, run_push

    outcome: PushPlan | PushOutcome
    if dry_run:
        outcome = plan = plan_push(AppContext(), options)
        if as_json:
            show_json({**vars(plan), "commit": None, "url": None})
        else:
            _show_plan(plan, options.pull_request)
    else:
        with TerminalReporter() as reporter:
            outcome = pushed = run_push(AppContext(), options, reporter)
        if as_json:
            show_json(pushed)
        else:
            print(f"{pushed.url} at {pushed.commit[:8]}\n\n{pushed.snippet}")
    if not as_json and not outcome.creates and outcome.private == options.public:
        visibility = "private" if outcome.private else "public"
        say(f"{options.repo} already exists and stays {visibility}. You can change this on its page.")


def _show_plan(plan: PushPlan, create_pr: bool) -> None:
    doing = "Would open a pull request in" if create_pr else "Would create" if plan.creates else "Would update"
    visibility = "private" if plan.private else "public"
    print(f"{doing} {plan.repo} ({visibility}), {file_size(plan.bytes)}:")
    for file in plan.files:
        print(f"  {file.path} ({file_size(file.size)})")
    for path in plan.removes:
        print(f"  {path} would be removed: part of the current model")
