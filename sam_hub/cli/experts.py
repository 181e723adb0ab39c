"""Commands on the catalog: list, show, remove, describe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sam_hub.cli.output import (
    AsJson,
    DryRun,
    TerminalReporter,
    Yes,
    confirm,
    few_labels,
    megabytes,
    require_yes,
    say,
    show_json,
    show_table,
)
from sam_hub.services.context import AppContext

if TYPE_CHECKING:
    pass

Name = Annotated[str, typer.Argument(help="A repository (owner/name), the end of its name, or an id.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("list", epilog="Example: sam-hub list --label person --sort domain")(list_)
    app.command(epilog="Example: sam-hub show ner-legal")(show)
    app.command(epilog="Example: sam-hub remove ner-legal --dry-run")(remove)
    app.command(epilog="Example: sam-hub describe ner-legal --corpus court-texts.txt")(describe)


def list_(
    text: Annotated[str, typer.Argument(help="Words in name, domain or labels.")] = "",
    label: Annotated[list[str] | None, typer.Option(help="An entity type it covers; may be repeated.")] = None,
    sort: Annotated[str, typer.Option(help="repo, domain, base_repo, size_bytes or added_at.")] = "repo",
    bases: Annotated[bool, typer.Option("--bases", help="List the bases instead.")] = False,
    merges: Annotated[bool, typer.Option("--merges", help="List the merged models instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the catalog: experts, bases or merged models."""
    context = AppContext()
    if merges:
        _list_merges(context, as_json)
    elif bases:
        _list_bases(context, as_json)
    else:
        _list_experts(context, text, tuple(label or ()), sort, as_json)


def _list_experts(context: AppContext, text: str, labels: tuple[str, ...], sort: str, as_json: bool) -> None:
    from sam_hub.catalog.experts import list_experts
    from sam_hub.catalog.queries import ExpertQuery

    rows = list_experts(context.catalog, ExpertQuery(text, sort, labels=labels))
    if as_json:
        show_json(rows)
    elif not rows:
        say("No expert fits. `sam-hub search` finds experts on the Hub, `sam-hub add` adds them.")
    else:
        show_table(
            ("id", "repository", "domain", "labels", "kind", "size", "on disk"),
            [
                (
                    row.id,
                    row.repo,
                    row.domain,
                    few_labels(row.labels, labels),
                    f"LoRA r{row.rank}" if row.kind == "adapter" else "full",
                    megabytes(row.size_bytes),
                    "yes" if row.path else "no",
                )
                for row in rows
            ],
        )


def _list_bases(context: AppContext, as_json: bool) -> None:
    from sam_hub.catalog.experts import list_bases

    rows = list_bases(context.catalog)
    if as_json:
        show_json(rows)
        return
    heads = ("base", "commit", "parameters", "license")
    show_table(heads, [(row.repo, row.commit[:8], f"{row.parameter_count:,}", row.license) for row in rows])


def _list_merges(context: AppContext, as_json: bool) -> None:
    from sam_hub.catalog.history import list_merges, list_pushes
    from sam_hub.services.merges import describe_merges

    if as_json:
        pushes = list_pushes(context.catalog)
        show_json(
            [
                {**merge.model_dump(), "pushes": [push for push in pushes if push.merge_id == merge.id]}
                for merge in list_merges(context.catalog)
            ]
        )
        return
    rows = [
        (
            merge.description,
            merge.created_at,
            merge.check,
            ", ".join(merge.used_by) or "nothing",
            ", ".join(merge.pushed_to),
            merge.path if merge.on_disk else "not on disk",
        )
        for merge in describe_merges(context)
    ]
    show_table(("merge", "made", "check", "answers for", "pushed to", "path"), rows)


def show(name: Name, as_json: AsJson = False) -> None:
    """Show all that is known of an expert."""
    from sam_hub.catalog.descriptor_sources import described_by
    from sam_hub.catalog.descriptors import descriptors_of
    from sam_hub.catalog.experts import get_expert
    from sam_hub.services.descriptors import DescriptorFacts

    catalog = AppContext().catalog
    expert = get_expert(catalog, name)
    values = expert.model_dump(mode="json")
    descriptors = [DescriptorFacts.of(row) for row in descriptors_of(catalog, expert.id or 0)]
    if as_json:
        show_json({**values, "descriptors": descriptors})
        return
    details = values.pop("details")
    rows = [(key, str(value)) for key, value in values.items() if value is not None]
    words = [f"{described_by(d.origin, d.count)}, {d.embedder} at {d.revision}" for d in descriptors]
    show_table(("field", "value"), [*rows, *(("described by", text) for text in words or ["nothing yet"])])
    for dataset, scores in (details.get("scores") or {}).items():
        show_table(
            ("model", "precision", "recall", "F1"),
            [(row["name"], row["precision"], row["recall"], row["f1"]) for row in scores],
            title=f"\nStrict scores on {dataset}",
        )


def remove(
    name: Annotated[
        str | None, typer.Argument(help="An expert: a repository (owner/name), the end of its name, or an id.")
    ] = None,
    merge: Annotated[
        str | None,
        typer.Option(help="Delete a merged model's files instead: its id, or 'unused' for all no selection needs."),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove an expert from the catalog, with its files and what was computed with it."""
    from sam_hub.errors import UsageError
    from sam_hub.services import experts

    if (name is None) == (merge is None):
        raise UsageError("One thing at a time is removed", "Name an expert, or a merged model with --merge.")
    require_yes("remove", as_json, yes or dry_run)
    context = AppContext()
    if name is None:
        _prune(context, merge or "", dry_run=dry_run, yes=yes, as_json=as_json)
        return
    options = experts.RemovalOptions(name)
    plan = experts.plan_removal(context, options)
    if not as_json:
        print("\n".join(plan.lines))
    if not dry_run:
        if not yes:
            confirm("Remove them?", refused="Not removed")
        experts.run_removal(context, options)
    if as_json:
        show_json({**vars(plan), "removed": not dry_run})
    elif not dry_run:
        print("Removed.")


def _prune(context: AppContext, name: str, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete the files of merged models."""
    from sam_hub.merging.prune import UNUSED, execute_deletion, plan_deletion

    plan = plan_deletion(context.catalog, name, context.settings.merges)
    for number, repos, _, size in plan.merges if not as_json else ():
        print(f"merge {number}, of {', '.join(repos)}: {megabytes(size)}")
    if not plan.merges and not as_json:
        unused = name == UNUSED
        print("Every merge on disk is in use." if unused else "This merge's files are not in this home.")
    if plan.merges and not dry_run:
        if not yes:
            confirm("Delete their files? The catalog keeps how they are made.", refused="Not deleted")
        execute_deletion(context.catalog, plan)
        if not as_json:
            print(f"Deleted, {megabytes(plan.bytes)} are free again.")
    if as_json:
        merges = [dict(zip(("id", "experts", "path", "bytes"), row, strict=True)) for row in plan.merges]
        show_json({"merges": merges, "bytes": plan.bytes, "removed": not dry_run})


def describe(
    name: Annotated[str, typer.Argument(help="A target, or an expert.")],
    corpus: Annotated[
        Path | None, typer.Option(help="Text of an expert's domain, in place of what it is described by.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Look for an expert's text anew: its repository, data set, card.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the descriptor of a target or an expert, made if there is none, and which experts are nearest to it."""
    from sam_hub.catalog.descriptor_sources import described_by
    from sam_hub.services import descriptors

    options = descriptors.DescribeOptions(name, str(corpus) if corpus else None, again)
    with TerminalReporter() as reporter:
        made = descriptors.find_neighbours(AppContext(), options, reporter)
    about = made.described
    if as_json:
        values = {**vars(made), "nearest": {near.repo: near.cosine for near in made.nearest}}
        values |= {"left_out": list(made.left_out)}
        del values["described"]
        if about:
            values |= {**vars(about.descriptor), "expert": about.expert, "notes": about.notes}
        show_json(values)
        return
    for note in about.notes if about else ():
        say(f"  {note}")
    source = f"described by {described_by(about.descriptor.origin, made.count)}" if about else f"{made.count} sentences"
    print(f"{made.name}: {source}, {made.embedder} at {made.revision}")
    if about and about.descriptor.weak:
        say(f"Better: {descriptors.describe_command(about.expert)}")
    show_table(("nearest expert", "domain", "cosine"), [(n.repo, n.domain, n.cosine) for n in made.nearest])
    for line in made.left_out.values():
        say(f"Left out: {line}")
