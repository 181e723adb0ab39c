"""The command that uploads a merged model."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from sam_hub.cli.output import AsJson, DryRun, megabytes, show_json, watching
from sam_hub.jobs.place import Place


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
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Push a merged model to the Hub, with its card, in one commit."""
    from sam_hub.catalog import get_target
    from sam_hub.evaluation.publication import publication_of, publish
    from sam_hub.hub.cards import load_snippet

    place = Place()
    merge, about = publication_of(place.catalog, get_target(place.catalog, target), by.value)
    with watching() as watch:
        plan, done = publish(
            place.catalog,
            place.hub,
            merge,
            repo,
            about,
            private=not public,
            dry_run=dry_run,
            on_progress=lambda sent, size, file: watch(f"push {file}", sent, size),
        )
    if as_json:
        files = [{"path": f.path, "size": f.size} for f in plan.files]
        show_json(
            {
                "repo": repo,
                "commit": done.commit if done else None,
                "url": done.url if done else None,
                "creates": plan.creates,
                "private": plan.private,
                "bytes": plan.size,
                "files": files,
            }
        )
    elif done is None:
        doing = "Would create" if plan.creates else "Would update"
        print(f"{doing} {repo} ({'private' if plan.private else 'public'}), {megabytes(plan.size)}:")
        for file in plan.files:
            print(f"  {file.path} ({megabytes(file.size)})")
    else:
        print(f"{done.url} at {done.commit[:8]}\n\n{load_snippet(repo, adapter=False)}")
