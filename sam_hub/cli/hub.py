"""Commands that ask the Hub for experts: search, add, pull."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from sam_hub.cli.background import Background, perform, start_job, start_jobs
from sam_hub.cli.output import AsJson, DryRun, megabytes, named, say, show_json, show_table, watching
from sam_hub.services.context import AppContext

Names = Annotated[list[str], typer.Argument(help="Repositories (owner/name), ids, or ends of names.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog="Example: sam-hub search legal --base HuggingFaceTB/SmolLM2-135M-Instruct --label court"
    )(search)
    app.command(epilog="Example: sam-hub add acme/ner-legal acme/ner-news")(add)
    app.command(epilog="Example: sam-hub pull ner-legal")(pull)
    app.command(epilog="Example: sam-hub outdated")(outdated)
    app.command(epilog="Example: sam-hub update ner-legal")(update)


def search(
    text: Annotated[str | None, typer.Argument(help="Words in the repository's name.")] = None,
    base: Annotated[str | None, typer.Option(help="The base model's repository.")] = None,
    author: Annotated[str | None, typer.Option(help="Its owner on the Hub.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="An entity type it knows; may be repeated.")] = None,
    library: Annotated[str | None, typer.Option(help="What loads it: peft, transformers.")] = None,
    license: Annotated[str | None, typer.Option(help="Its license, such as apache-2.0.")] = None,
    sort: Annotated[
        str, typer.Option(help="last_modified, downloads, likes or created_at.")
    ] = "last_modified",
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0: all.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Search the Hub for experts."""
    from sam_hub.hub.search import search as search_hub

    found = search_hub(
        AppContext().hub,
        text,
        base=base,
        author=author,
        labels=label or (),
        library=library,
        license=license,
        sort=sort,
        limit=limit or None,
    )
    if as_json:
        show_json([asdict(model) for model in found])
    elif not found:
        say("Nothing found. Try fewer words, or another base.")
    else:
        show_table(
            ("repository", "base", "labels", "license", "fetched", "changed"),
            [
                (
                    m.repo,
                    m.base,
                    named(m.labels, label or ()),
                    m.license,
                    f"{m.downloads:,}",
                    str(m.last_modified or "")[:10],
                )
                for m in found
            ],
        )


def add(
    repos: Annotated[list[str], typer.Argument(help="Repositories (owner/name).")],
    revision: Annotated[str, typer.Option(help="A branch, tag or commit.")] = "main",
    label: Annotated[list[str] | None, typer.Option(help="Its entity types, where it does not say.")] = None,
    base: Annotated[str | None, typer.Option(help="Its base, where it does not say.")] = None,
    domain: Annotated[str | None, typer.Option(help="Its domain, where it does not say.")] = None,
    prompt_format: Annotated[str | None, typer.Option(help="b2ner or json, where it does not say.")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Inspect experts on the Hub and add them to the catalog, pinned to their commit."""
    from sam_hub.jobs.inquiries import Inspect
    from sam_hub.jobs.tasks.experts import AddExperts

    if dry_run:
        _show_inspections([Inspect(repo, revision).answer(AppContext()) for repo in repos], as_json)
        return
    work = AddExperts(tuple(repos), revision, tuple(label or ()), base, domain, prompt_format)
    added = perform(AppContext(), work, tell=(lambda line: None) if as_json else say)["experts"]
    if as_json:
        show_json(added)
    else:
        say(f"Next: sam-hub pull {' '.join(expert['repo'] for expert in added)}")


def _show_inspections(found: list[dict[str, Any]], as_json: bool) -> None:
    """What models on the Hub are, and whether they can serve."""
    if as_json:
        show_json([{key: value for key, value in one.items() if key != "card"} for one in found])
        return
    for one in found:
        what = f"LoRA of rank {one['rank']} for {one['base']}" if one["kind"] == "adapter" else "full model"
        print(f"{one['repo']} at {one['commit'][:8]}: {one['verdict']}")
        print(f"  {what}, {megabytes(one['size'])}, license {one['license'] or 'not stated'}")
        print(f"  entity types: {', '.join(one['labels']) or 'not stated'}")
        for reason in (*one["reasons"], *one["warnings"]):
            print(f"  {reason}")


def pull(
    names: Names,
    dry_run: DryRun = False,
    background: Background = False,
    as_json: AsJson = False,
) -> None:
    """Fetch experts (and their base, once) at the commits in the catalog."""
    from sam_hub.catalog.registration import resolve_experts
    from sam_hub.jobs.inquiries import PlanPull
    from sam_hub.jobs.tasks.experts import PullExpert

    context = AppContext()
    if dry_run:
        _show_pull(PlanPull(tuple(names)).answer(context), as_json)
        return
    experts = resolve_experts(context.catalog, names)
    works = [PullExpert(expert.repo if expert.current else expert.ref) for expert in experts]
    if background:
        start_jobs(context, works, as_json=as_json)
        return
    rows = [perform(context, work, tell=(lambda line: None) if as_json else print) for work in works]
    if as_json:
        show_json(rows)


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


MaybeNames = Annotated[list[str] | None, typer.Argument(help="Experts; all, where none are named.")]


def outdated(names: MaybeNames = None, as_json: AsJson = False) -> None:
    """List the experts that changed on the Hub since they were added, and choices of earlier commits."""
    from sam_hub.catalog.outdated import stale_selections
    from sam_hub.jobs.tasks.experts import UpdateExperts

    context = AppContext()
    with watching() as watch:
        found = UpdateExperts(tuple(names or ())).outdated(context, watch)
    stale = [choice.as_dict() for choice in stale_selections(context.catalog)]
    if as_json:
        show_json({"outdated": [moved.as_dict() for moved in found], "stale": stale})
        return
    if found:
        show_table(
            ("repository", "in the catalog", "on the Hub"),
            [(m.repo, m.commit[:8], m.head[:8] if m.head else "not there any more") for m in found],
        )
    else:
        print("All experts are at the Hub's heads.")
    _show_stale(stale)
    if any(moved.head for moved in found):
        say("Next: sam-hub update")


def update(names: MaybeNames = None, background: Background = False, as_json: AsJson = False) -> None:
    """Move experts to the commits that the Hub has now; the earlier ones stay in the history."""
    from sam_hub.jobs.tasks.experts import UpdateExperts

    context, work = AppContext(), UpdateExperts(tuple(names or ()))
    if background:
        start_job(context, work, as_json=as_json)
        return
    done = perform(context, work, tell=(lambda line: None) if as_json else say)
    if as_json:
        show_json(done)
        return
    if not (done["moved"] or done["kept"]):
        print("All experts are at the Hub's heads.")
    _show_stale(done["stale"])
    if done["moved"]:
        say(f"Next: sam-hub pull {' '.join(moved['repo'] for moved in done['moved'])}")


def _show_stale(stale: list[dict[str, Any]]) -> None:
    for choice in stale:
        print(
            f"{choice['target']}'s choice by {choice['method']} is of earlier commits: {', '.join(choice['experts'])}; "
            f"`sam-hub select {choice['target']}` chooses anew."
        )
