"""The command that uploads a merged model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sam_hub.cli.output import AsJson, Background, DryRun, TerminalReporter, megabytes, say, show_json, start_jobs
from sam_hub.services.choices import Method
from sam_hub.services.context import AppContext

if TYPE_CHECKING:
    from sam_hub.services.push import PushOutcome, PushPlan


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: sam-hub push court-2026 --by sampling --repo me/ner-court --dry-run")(push)


def push(
    target: Annotated[str, typer.Argument(help="The target for which the model was merged.")],
    repo: Annotated[str, typer.Option(help="Where to: owner/name.")],
    by: Annotated[Method, typer.Option(help="Which of its merged models.")] = Method.sampling,
    public: Annotated[bool, typer.Option("--public", help="Create a public repository, not a private one.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Push the newest merge, also if it failed the check.")] = False,
    adapter: Annotated[
        bool, typer.Option("--adapter", help="Push the merge as the one adapter that --as-adapter wrote.")
    ] = False,
    create_pr: Annotated[
        bool, typer.Option("--create-pr", help="Propose it to the repository's owner, as a pull request.")
    ] = False,
    dry_run: DryRun = False,
    background: Background = False,
    as_json: AsJson = False,
) -> None:
    """Push a merged model to the Hub, with its card, in one commit."""
    from sam_hub.services.push import PushOptions, plan_push, run_push

    context, options = AppContext(), PushOptions(target, repo, by, public, force, adapter, create_pr)
    if background and not dry_run:
        start_jobs(context, [options], as_json=as_json)
        return
    outcome: PushPlan | PushOutcome
    if dry_run:
        outcome = plan = plan_push(context, options)
        if as_json:
            show_json({**vars(plan), "commit": None, "url": None})
        else:
            _show_plan(plan, create_pr)
    else:
        with TerminalReporter() as reporter:
            outcome = pushed = run_push(context, options, reporter)
        if as_json:
            show_json(pushed)
        else:
            print(f"{pushed.url} at {pushed.commit[:8]}\n\n{pushed.snippet}")
    if not as_json and not outcome.creates and outcome.private == public:
        visibility = "private" if outcome.private else "public"
        say(f"{repo} exists, and stays {visibility}; its page on the Hub can change that.")


def _show_plan(plan: PushPlan, create_pr: bool) -> None:
    doing = "Would make a pull request to" if create_pr else "Would create" if plan.creates else "Would update"
    visibility = "private" if plan.private else "public"
    print(f"{doing} {plan.repo} ({visibility}), {megabytes(plan.bytes)}:")
    for file in plan.files:
        print(f"  {file.path} ({megabytes(file.size)})")
    for path in plan.removes:
        print(f"  {path} would be removed: it belongs to the model that is there now")
