"""Commands that ask the Hub for experts: search, add, pull."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from sam_hub.cli.output import AsJson, DryRun, megabytes, say, show_json, show_table, watching
from sam_hub.jobs.place import Place

Names = Annotated[list[str], typer.Argument(help="Repositories (owner/name), ids, or ends of names.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog="Example: sam-hub search legal --base HuggingFaceTB/SmolLM2-135M-Instruct --label court"
    )(search)
    app.command(epilog="Example: sam-hub add acme/ner-legal acme/ner-news")(add)
    app.command(epilog="Example: sam-hub pull ner-legal")(pull)


def search(
    text: Annotated[str | None, typer.Argument(help="Words in the repository's name.")] = None,
    base: Annotated[str | None, typer.Option(help="The base model's repository.")] = None,
    author: Annotated[str | None, typer.Option(help="Its owner on the Hub.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="An entity type it knows; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Search the Hub for experts."""
    from sam_hub.hub.search import search as search_hub

    found = search_hub(Place().hub, text, base=base, author=author, labels=label or (), limit=limit)
    if as_json:
        show_json([asdict(model) for model in found])
    elif not found:
        say("Nothing found. Try fewer words, or another base.")
    else:
        show_table(
            ("repository", "base", "labels", "licence", "changed"),
            [(m.repo, m.base, m.labels, m.licence, str(m.last_modified or "")[:10]) for m in found],
        )


def add(
    repos: Annotated[list[str], typer.Argument(help="Repositories (owner/name).")],
    revision: Annotated[str, typer.Option(help="A branch, tag or commit.")] = "main",
    label: Annotated[list[str] | None, typer.Option(help="Its entity types, where it does not say.")] = None,
    base: Annotated[str | None, typer.Option(help="Its base, where it does not say.")] = None,
    domain: Annotated[str | None, typer.Option(help="Its domain, where it does not say.")] = None,
    prompt_format: Annotated[str | None, typer.Option(help="b2ner or json, where it does not say.")] = None,
    as_json: AsJson = False,
) -> None:
    """Inspect experts on the Hub and add them to the catalog, pinned to their commit."""
    from sam_hub.catalog import ExpertPublic
    from sam_hub.catalog.registration import register as register_expert

    place, added = Place(), []
    for repo in repos:
        expert, found = register_expert(
            place.catalog,
            place.hub,
            repo,
            revision,
            labels=label or (),
            base=base,
            domain=domain,
            prompt_format=prompt_format,
        )
        added.append(expert)
        if not as_json:
            say(f"Added {expert.repo} at {expert.commit[:8]} ({found.verdict})")
            for warning in found.warnings:
                say(f"  warning: {warning}")
    if as_json:
        show_json([ExpertPublic.model_validate(e).model_dump(mode="json") for e in added])
    else:
        say(f"Next: sam-hub pull {' '.join(e.repo for e in added)}")


def pull(
    names: Names,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Fetch experts (and their base, once) at the commits in the catalog."""
    from sam_hub.catalog import get_expert
    from sam_hub.catalog.registration import pull_expert
    from sam_hub.hub.pulling import plan_pull

    place, rows = Place(), []
    for name in names:
        expert = get_expert(place.catalog, name)
        if dry_run:
            plan = plan_pull(place.hub, expert.repo, expert.commit, place.settings.models)
            rows.append(
                {"repo": expert.repo, "commit": expert.commit, "bytes": plan.to_fetch, "free": plan.free}
            )
            continue
        with watching() as watch:
            done = pull_expert(
                place.catalog,
                place.hub,
                expert.id,
                place.settings.models,
                lambda got, size, file: watch(f"pull {expert.repo}", got, size),  # noqa: B023
            )
        rows.append({"repo": done.repo, "commit": done.commit, "path": done.path, "bytes": done.size_bytes})
    if as_json:
        show_json(rows)
    for row in rows if not as_json else ():
        doing = "Would fetch" if dry_run else "Pulled"
        print(f"{doing} {row['repo']} at {row['commit'][:8]} ({megabytes(row['bytes'])})")
