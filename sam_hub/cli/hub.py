"""Commands that ask the Hub for experts: search, add, pull."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from sam_hub.cli.output import AsJson, DryRun, megabytes, say, show_json, show_table
from sam_hub.cli.performing import Background, perform, start_jobs
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
    from sam_hub.jobs.works.experts import AddExperts

    work = AddExperts(tuple(repos), revision, tuple(label or ()), base, domain, prompt_format)
    added = perform(Place(), work, tell=(lambda line: None) if as_json else say)["experts"]
    if as_json:
        show_json(added)
    else:
        say(f"Next: sam-hub pull {' '.join(expert['repo'] for expert in added)}")


def pull(
    names: Names,
    dry_run: DryRun = False,
    background: Background = False,
    as_json: AsJson = False,
) -> None:
    """Fetch experts (and their base, once) at the commits in the catalog."""
    from sam_hub.catalog.registration import resolve_experts
    from sam_hub.jobs.inquiries import PlanPull
    from sam_hub.jobs.works.experts import PullExpert

    place = Place()
    if dry_run:
        _show_pull(PlanPull(tuple(names)).answer(place), as_json)
        return
    experts = resolve_experts(place.catalog, names)
    works = [PullExpert(expert.repo if expert.current else expert.ref) for expert in experts]
    if background:
        start_jobs(place, works, as_json=as_json)
        return
    rows = [perform(place, work) for work in works]
    if as_json:
        show_json(rows)
    for row in rows if not as_json else ():
        print(f"Pulled {row['repo']} at {row['commit'][:8]} ({megabytes(row['bytes'])})")


def _show_pull(plan: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(plan)
        return
    for item in plan["experts"]:
        if item["on_disk"]:
            print(f"{item['expert']} is on disk already")
        else:
            print(f"Would fetch {item['expert']} ({megabytes(item['bytes'])})")
    for base in plan["bases"]:
        print(f"Would fetch {base['repo']}, their base ({megabytes(base['bytes'])})")
    print(f"{megabytes(plan['free'])} of disk are free")
