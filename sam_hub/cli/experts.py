"""Commands on the catalog: list, show, remove, describe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sam_hub.cli.command import command
from sam_hub.cli.output import (
    AsJson,
    DryRun,
    TerminalReporter,
    Yes,
    few_labels,
    file_size,
    remove_after_question,
    say,
    show_json,
    show_list,
    show_table,
)
from sam_hub.services.context import AppContext
from sam_hub.services.options import DescribeOptions, RemovalOptions


@command("list --label person --sort domain", "list")
def list_(
    text: Annotated[str, typer.Argument(help="Words in the name, domain, or labels.")] = "",
    label: Annotated[list[str] | None, typer.Option(help="An entity type that it covers. Repeat for several.")] = None,
    sort: Annotated[str, typer.Option(help="Sort by repo, domain, base_repo, size_bytes, or added_at.")] = "repo",
    bases: Annotated[bool, typer.Option("--bases", help="List the bases instead.")] = False,
    merges: Annotated[bool, typer.Option("--merges", help="List the merged models instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """List experts, bases, or merged models."""
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

    show_list(
        list_experts(context.catalog, ExpertQuery(text, sort, labels=labels)),
        ("id", "repository", "domain", "labels", "kind", "size", "on disk"),
        lambda row: (
            row.id,
            row.repo,
            row.domain,
            few_labels(row.labels, labels),
            (f"LoRA r{row.rank}" if row.kind == "adapter" else "full") + (", baseline" if row.is_baseline else ""),
            file_size(row.size_bytes),
            "yes" if row.path else "no",
        ),
        "No experts match. To find experts, use `sam-hub search`. To add them, use `sam-hub add`.",
        as_json=as_json,
    )


def _list_bases(context: AppContext, as_json: bool) -> None:
    from sam_hub.catalog.experts import list_bases

    show_list(
        list_bases(context.catalog),
        ("base", "commit", "parameters", "license"),
        lambda row: (row.repo, row.commit[:8], f"{row.parameter_count:,}", row.license),
        "No bases yet. `sam-hub add` also adds the base of an expert.",
        as_json=as_json,
    )


def _list_merges(context: AppContext, as_json: bool) -> None:
    from sam_hub.catalog.history import list_merges, list_pushes
    from sam_hub.merging.prune import uses
    from sam_hub.merging.sanity_check import saved_check
    from sam_hub.merging.service import in_words

    merges, pushes = list_merges(context.catalog), list_pushes(context.catalog)
    if as_json:
        show_json([{**m.model_dump(), "pushes": [push for push in pushes if push.merge_id == m.id]} for m in merges])
        return
    used, rows = uses(context.catalog), []
    for merge in merges:
        on_disk = Path(merge.path).is_dir()
        check = saved_check(Path(merge.path)) if on_disk else None
        word = "not checked" if check is None else "failed" if check.problems else "passed"
        users = ", ".join(used.get(merge.id or 0, ())) or "nothing"
        places = ", ".join(f"{push.repo} at {push.commit[:8]}" for push in pushes if push.merge_id == merge.id)
        found = (word, users, places, merge.path) if on_disk else ("", users, places, "not on disk")
        rows.append((in_words(merge), str(merge.created_at)[:16], *found))
    show_table(("merge", "made", "check", "used by", "pushed to", "path"), rows)


@command("show ner-legal")
def show(
    name: Annotated[str, typer.Argument(help="The name (owner/name or the last part) or ID.")], as_json: AsJson = False
) -> None:
    """Show what the catalog has about an expert."""
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


@command("remove ner-legal --dry-run")
def remove(
    name: Annotated[
        str | None, typer.Argument(help="The name (owner/name or the last part) or ID of an expert.")
    ] = None,
    merge: Annotated[
        str | None,
        typer.Option(
            help="Delete the files of a merged model instead: an ID, or 'unused' for those that no selection uses."
        ),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove an expert and its files.

    Its predictions and its descriptor are also removed. The Hub keeps its copy.
    """
    from sam_hub.errors import UsageError
    from sam_hub.services import experts

    if (name is None) == (merge is None):
        raise UsageError("`sam-hub remove` needs one thing", "Name an expert, or use --merge, but not both.")
    context = AppContext()
    if name is None:
        _prune(context, merge or "", dry_run=dry_run, yes=yes, as_json=as_json)
        return
    options = RemovalOptions(name)
    plan = experts.plan_removal(context, options)

    def execute() -> None:
        experts.run_removal(context, options)

    remove_after_question(plan.lines, vars(plan), execute, dry_run=dry_run, yes=yes, as_json=as_json)


def _prune(context: AppContext, name: str, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete the files of merged models."""
    from sam_hub.merging.prune import UNUSED, execute_deletion, plan_deletion

    plan = plan_deletion(context.catalog, name, context.settings.merges)
    if not plan.merges and not as_json:
        print("Every merge on disk is in use." if name == UNUSED else "This merge's files are not in this home.")
        return
    merges = [dict(zip(("id", "experts", "path", "bytes"), row, strict=True)) for row in plan.merges]
    remove_after_question(
        [f"merge {number}, of {', '.join(repos)}: {file_size(size)}" for number, repos, _, size in plan.merges],
        {"merges": merges, "bytes": plan.bytes},
        lambda: execute_deletion(context.catalog, plan) if plan.merges else None,
        question="Delete their files? The catalog keeps their configurations.",
        done=f"Deleted. Freed {file_size(plan.bytes)}.",
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    )


@command("describe ner-legal --corpus court-texts.txt")
def describe(options: DescribeOptions, as_json: AsJson = False) -> None:
    """Show a descriptor and the nearest experts.

    NAME is a target or an expert. If it has no descriptor yet, one is made.
    """
    from sam_hub.catalog.descriptor_sources import described_by
    from sam_hub.services import descriptors

    with TerminalReporter() as reporter:
        found = descriptors.find_neighbours(AppContext(), options, reporter)
    about, descriptor = found.described, found.descriptor
    if as_json:
        near = {expert.repo: cosine for expert, cosine in found.nearest}
        values = {"name": found.name, **vars(descriptor), "nearest": near, "left_out": list(found.left_out)}
        extra = {**vars(about.descriptor), "expert": about.expert, "notes": about.notes} if about else {}
        show_json(values | extra)
        return
    source = f"{descriptor.count} sentences"
    if about:
        source = f"described by {described_by(about.descriptor.origin, descriptor.count)}"
        for note in about.notes:
            say(f"  {note}")
    print(f"{found.name}: {source}, {descriptor.embedder} at {descriptor.revision}")
    if about and about.descriptor.weak:
        say(f"For a better descriptor, run {descriptors.describe_command(about.expert)}")
    near_rows = [(expert.repo, expert.domain, cosine) for expert, cosine in found.nearest]
    show_table(("nearest expert", "domain", "cosine"), near_rows)
    for line in found.left_out.values():
        say(f"Left out: {line}")
