"""The command that uploads a merged model."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from sam_hub.cli.background import Background, perform, start_job
from sam_hub.cli.output import AsJson, DryRun, megabytes, say, show_json
from sam_hub.services.context import AppContext


class Ranking(StrEnum):
    """By which ranking the merged experts were chosen."""

    similarity = "similarity"
    sampling = "sampling"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: sam-hub push court-2026 --by sampling --repo me/ner-court --dry-run")(push)


def push(
    target: Annotated[str, typer.Argument(help="The target for which the model was merged.")],
    repo: Annotated[str, typer.Option(help="Where to: owner/name.")],
    by: Annotated[Ranking, typer.Option(help="Which of its merged models.")] = Ranking.sampling,
    public: Annotated[
        bool, typer.Option("--public", help="Create a public repository, not a private one.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Push the newest merge, also if it failed the check.")
    ] = False,
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
    from sam_hub.jobs.tasks.pushing import PushMerge, push_values

    context, work = AppContext(), PushMerge(target, repo, by.value, public, force, adapter, create_pr)
    if background and not dry_run:
        start_job(context, work, as_json=as_json)
        return
    if dry_run:
        plan, _ = work.publish(context, lambda what, done, total: None, dry_run=True)
        made = {**push_values(plan), "commit": None, "url": None}
    else:
        made = perform(context, work)
    if as_json:
        show_json(made)
        return
    visibility = "private" if made["private"] else "public"
    if dry_run:
        doing = "Would create" if made["creates"] else "Would update"
        doing = "Would make a pull request to" if create_pr else doing
        print(f"{doing} {repo} ({visibility}), {megabytes(made['bytes'])}:")
        for file in made["files"]:
            print(f"  {file['path']} ({megabytes(file['size'])})")
        for path in made["removes"]:
            print(f"  {path} would be removed: it is of the model that is there now")
    else:
        print(f"{made['url']} at {made['commit'][:8]}\n\n{made['snippet']}")
    if not as_json and not made["creates"] and made["private"] == public:
        say(f"{repo} exists, and stays {visibility}; its page on the Hub can change that.")
