"""Commands on the catalog's experts: list, show, remove, describe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sam_hub.cli.background import perform
from sam_hub.cli.output import AsJson, DryRun, confirm, megabytes, named, say, show_json, show_table
from sam_hub.services.context import AppContext

if TYPE_CHECKING:
    from sam_hub.catalog.engine import Catalog
    from sam_hub.catalog.tables import Merge

Name = Annotated[str, typer.Argument(help="A repository (owner/name), the end of its name, or an id.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("list", epilog="Example: sam-hub list --label person --sort domain")(list_)
    app.command(epilog="Example: sam-hub show ner-legal")(show)
    app.command(epilog="Example: sam-hub remove ner-legal --dry-run")(remove)
    app.command(epilog="Example: sam-hub describe ner-legal --corpus court-texts.txt")(describe)


def list_(
    text: Annotated[str, typer.Argument(help="Words in name, domain or labels.")] = "",
    label: Annotated[list[str] | None, typer.Option(help="An entity type it knows; may be repeated.")] = None,
    sort: Annotated[str, typer.Option(help="repo, domain, base_repo, size_bytes or added_at.")] = "repo",
    bases: Annotated[bool, typer.Option("--bases", help="List the bases instead.")] = False,
    merges: Annotated[bool, typer.Option("--merges", help="List the merged models instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the catalog: experts, bases or merged models."""
    from sam_hub.catalog import tables
    from sam_hub.catalog.experts import list_bases, list_experts
    from sam_hub.catalog.history import list_merges, list_pushes
    from sam_hub.catalog.queries import ExpertQuery

    catalog = AppContext().catalog
    if bases or merges:
        rows = list_bases(catalog) if bases else list_merges(catalog)
        if as_json:
            values = [row.model_dump(mode="json") for row in rows]
            for value in values if merges else []:
                pushes = (push for push in list_pushes(catalog) if push.merge_id == value["id"])
                value["pushes"] = [push.model_dump(mode="json", exclude={"merge_id"}) for push in pushes]
            show_json(values)
        elif bases:
            heads = ("base", "commit", "parameters", "license")
            show_table(heads, [(b.repo, b.commit[:8], f"{b.parameter_count:,}", b.license) for b in rows])
        else:
            _show_merges(catalog, rows)
        return
    experts = list_experts(catalog, ExpertQuery(text, sort, labels=tuple(label or ())))
    if as_json:
        show_json([tables.ExpertPublic.model_validate(e).model_dump(mode="json") for e in experts])
    elif not experts:
        say("No expert fits. `sam-hub search` finds experts on the Hub, `sam-hub add` adds them.")
    else:
        show_table(
            ("id", "repository", "domain", "labels", "kind", "size", "on disk"),
            [
                (
                    e.id,
                    e.repo,
                    e.domain,
                    named(e.labels, label or ()),
                    _kind(e),
                    megabytes(e.size_bytes),
                    "yes" if e.path else "no",
                )
                for e in experts
            ],
        )


def _show_merges(catalog: Catalog, merges: Sequence[Merge]) -> None:
    from sam_hub.catalog.history import list_pushes
    from sam_hub.merging.prune import uses
    from sam_hub.merging.sanity_check import verdict_of
    from sam_hub.merging.service import in_words

    used, pushes = uses(catalog), list_pushes(catalog)
    rows = []
    for merge in merges:
        verdict = verdict_of(Path(merge.path))
        checked = "not seen" if verdict is None else "failed" if verdict.problems else "passed"
        there = Path(merge.path).is_dir()
        rows.append(
            (
                in_words(merge),
                str(merge.created_at)[:16],
                checked if there else "",
                ", ".join(used.get(merge.id or 0, ["nothing"])),
                ", ".join(f"{p.repo} at {p.commit[:8]}" for p in pushes if p.merge_id == merge.id),
                merge.path if there else "not on disk",
            )
        )
    show_table(("merge", "made", "check", "answers for", "pushed to", "path"), rows)


def _kind(expert) -> str:
    return f"LoRA r{expert.rank}" if expert.kind == "adapter" else "full"


def show(name: Name, as_json: AsJson = False) -> None:
    """Show all that is known of an expert."""
    from sam_hub.catalog.descriptor_sources import described_by
    from sam_hub.catalog.descriptors import descriptors_of
    from sam_hub.catalog.experts import get_expert
    from sam_hub.catalog.tables import ExpertPublic
    from sam_hub.jobs.tasks.experts import descriptor_values

    catalog = AppContext().catalog
    expert = get_expert(catalog, name)
    values = ExpertPublic.model_validate(expert).model_dump(mode="json")
    descriptors = descriptors_of(catalog, expert.id)
    if as_json:
        show_json({**values, "descriptors": [descriptor_values(row) for row in descriptors]})
        return
    details = values.pop("details")
    rows = [(key, str(value)) for key, value in values.items() if value is not None]
    words = [f"{described_by(d.origin, d.count)}, {d.embedder} at {d.revision}" for d in descriptors]
    show_table(("field", "value"), [*rows, *(("described by", text) for text in words or ["nothing yet"])])
    for dataset, rows in (details.get("scores") or {}).items():
        heads = ("model", "precision", "recall", "F1")
        show_table(
            heads,
            [(r["name"], r["precision"], r["recall"], r["f1"]) for r in rows],
            title=f"\nStrict scores on {dataset}",
        )


def remove(
    name: Annotated[
        str | None,
        typer.Argument(help="An expert: a repository (owner/name), the end of its name, or an id."),
    ] = None,
    merge: Annotated[
        str | None,
        typer.Option(
            help="Delete a merged model's files instead: its id, or 'unused' for all no selection needs."
        ),
    ] = None,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove an expert from the catalog, with its files and what was computed with it."""
    from sam_hub.catalog.removal import execute_removal, plan_removal
    from sam_hub.errors import UsageError

    if (name is None) == (merge is None):
        raise UsageError("One thing at a time is removed", "Name an expert, or a merged model with --merge.")
    if as_json and not (yes or dry_run):
        raise UsageError("`remove --json` does not ask", "Add --yes, or --dry-run to see the plan.")
    context = AppContext()
    if merge is not None:
        _free(context, merge, dry_run=dry_run, yes=yes, as_json=as_json)
        return
    plan = plan_removal(context.catalog, name, context.settings.models)
    if not as_json:
        files = (
            f"{len(plan.files)} files ({megabytes(plan.bytes)})" if plan.folder else f"no files: {plan.kept}"
        )
        print(f"{plan.ref}: {files}, {plan.counts}")
        if plan.chosen_for:
            print(f"It is chosen for {', '.join(plan.chosen_for)}; rank anew afterwards.")
    if not dry_run:
        if not yes:
            confirm("Remove them?", refused="Not removed")
        execute_removal(context.catalog, plan)
        if not as_json:
            print("Removed.")
    if as_json:
        show_json({**asdict(plan), "removed": not dry_run})


def _free(context: AppContext, name: str, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete the files of merged models."""
    from sam_hub.merging.prune import UNUSED, execute_freeing, plan_freeing

    plan = plan_freeing(context.catalog, name, context.settings.merges)
    if not as_json:
        for number, experts, _, size in plan.merges:
            print(f"merge {number}, of {', '.join(experts)}: {megabytes(size)}")
        if not plan.merges:
            print(
                "Every merge on disk is in use."
                if name == UNUSED
                else "This merge's files are not in this home."
            )
    if plan.merges and not dry_run:
        if not yes:
            confirm("Delete their files? The catalog keeps how they are made.", refused="Not deleted")
        execute_freeing(context.catalog, plan)
        if not as_json:
            print(f"Deleted, {megabytes(plan.bytes)} are free again.")
    if as_json:
        rows = [
            {"id": number, "experts": experts, "path": str(folder), "bytes": size}
            for number, experts, folder, size in plan.merges
        ]
        show_json({"merges": rows, "bytes": plan.bytes, "removed": not dry_run})


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
    from sam_hub.catalog.descriptors import described_otherwise, nearest
    from sam_hub.catalog.experts import get_expert
    from sam_hub.catalog.targets import list_targets
    from sam_hub.jobs.tasks.experts import DescribeExpert, by_corpus
    from sam_hub.selection.descriptors import expert_descriptor, target_descriptor

    context, about = AppContext(), {}
    target = next((t for t in list_targets(context.catalog) if t.name == name), None)
    if target is not None and corpus is None and not again:
        made = target_descriptor(context.catalog, target, context.settings)
    else:
        about = perform(context, DescribeExpert(name, str(corpus) if corpus else None, again))
        expert = get_expert(context.catalog, name)
        made = expert_descriptor(context.catalog, expert, context.settings)
    near = nearest(
        context.catalog, made.vector, made.embedder, made.revision, limit=10, leave_out_others=True
    )
    others = described_otherwise(context.catalog, made.embedder, made.revision)
    if as_json:
        cosines = {n.expert.repo: n.cosine for n in near}
        left_out = [other.repo for other in others]
        show_json({**about, **made.as_dict(), "nearest": cosines, "left_out": left_out})
        return
    for note in about.get("notes", ()):
        say(f"  {note}")
    source = (
        f"described by {described_by(about['origin'], made.count)}" if about else f"{made.count} sentences"
    )
    print(f"{about.get('expert', name)}: {source}, {made.embedder} at {made.revision}")
    if made.weak:
        say(f"Better: {by_corpus(about['expert'])}")
    show_table(
        ("nearest expert", "domain", "cosine"), [(n.expert.repo, n.expert.domain, n.cosine) for n in near]
    )
    for other in others:
        say(f"Left out: {other.against(made.embedder, made.revision)}")
