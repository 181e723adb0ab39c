"""Commands on the catalog: list, show, remove, describe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sam_hub.cli.command import command
from sam_hub.cli.output import Removal, Shown, few_labels, file_size, listed, say, show_table
from sam_hub.progress import Reporter
from sam_hub.services.context import AppContext
from sam_hub.services.options import DescribeOptions, RemovalOptions

if TYPE_CHECKING:
    from sam_hub.services.descriptors import Neighbourhood


@command("list --label person --sort domain", "list")
def list_(
    context: AppContext,
    text: Annotated[str, typer.Argument(help="Words in the name, domain, or labels.")] = "",
    label: Annotated[
        list[str] | None, typer.Option(metavar="<str>", help="An entity type that it covers. Repeat for several.")
    ] = None,
    sort: Annotated[str, typer.Option(help="Sort by repo, domain, base_repo, size_bytes, or added_at.")] = "repo",
    bases: Annotated[bool, typer.Option("--bases", help="List the bases instead.")] = False,
    merges: Annotated[bool, typer.Option("--merges", help="List the merged models instead.")] = False,
) -> Shown:
    """List experts, bases, or merged models."""
    if merges:
        return _merges(context)
    return _bases(context) if bases else _experts(context, text, tuple(label or ()), sort)


def _experts(context: AppContext, text: str, labels: tuple[str, ...], sort: str) -> Shown:
    from sam_hub.catalog.experts import list_experts
    from sam_hub.catalog.queries import ExpertQuery

    return listed(
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
        "No such experts in the catalog. To find experts, use `sam-hub search`. To add them, use `sam-hub add`.",
    )


def _bases(context: AppContext) -> Shown:
    from sam_hub.catalog.experts import list_bases

    return listed(
        list_bases(context.catalog),
        ("base", "commit", "parameters", "license"),
        lambda row: (row.repo, row.commit[:8], f"{row.parameter_count:,}", row.license),
        "No bases yet. `sam-hub add` also adds the base of an expert.",
    )


def _merges(context: AppContext) -> Shown:
    from sam_hub.catalog.history import list_merges, list_pushes
    from sam_hub.merging.prune import uses
    from sam_hub.merging.sanity_check import saved_check
    from sam_hub.merging.service import in_words

    merges, pushes = list_merges(context.catalog), list_pushes(context.catalog)
    used = uses(context.catalog)

    def show() -> None:
        rows = []
        for merge in merges:
            on_disk = Path(merge.path).is_dir()
            check = saved_check(Path(merge.path)) if on_disk else None
            word = "not checked" if check is None else "failed" if check.problems else "passed"
            users = ", ".join(used.get(merge.id or 0, ())) or "nothing"
            places = ", ".join(f"{push.repo} at {push.commit[:8]}" for push in pushes if push.merge_id == merge.id)
            facts = (word, users, places, merge.path) if on_disk else ("", users, places, "not on disk")
            rows.append((in_words(merge), str(merge.created_at)[:16], *facts))
        show_table(("merge", "made", "check", "used by", "pushed to", "path"), rows)

    values = [{**m.model_dump(), "pushes": [push for push in pushes if push.merge_id == m.id]} for m in merges]
    return Shown(values, show)


@command("show ner-legal")
def show(
    name: Annotated[str, typer.Argument(help="The name (owner/name or the last part) or ID.")], context: AppContext
) -> Shown:
    """Show what the catalog has about an expert."""
    from sam_hub.catalog.descriptors import descriptors_of
    from sam_hub.catalog.experts import get_expert
    from sam_hub.services.descriptors import DescriptorFacts

    expert = get_expert(context.catalog, name)
    descriptors = [DescriptorFacts.of(row) for row in descriptors_of(context.catalog, expert.id or 0)]
    values = {**expert.model_dump(mode="json"), "descriptors": descriptors}
    return Shown(values, lambda: _show(values))


def _show(values: dict[str, Any]) -> None:
    from sam_hub.catalog import tables
    from sam_hub.catalog.descriptor_sources import described_by

    rows = [
        (name.replace("_", " "), ", ".join(value) if isinstance(value, list) else str(value))
        for name in tables.Expert.model_fields
        if name != "details" and (value := values[name]) is not None
    ]
    words = [f"{described_by(d.origin, d.count)}, {d.embedder} at {d.revision}" for d in values["descriptors"]]
    show_table(("field", "value"), [*rows, *(("described by", text) for text in words or ["nothing yet"])])
    for dataset, scores in (values["details"].get("scores") or {}).items():
        show_table(
            ("model", "precision", "recall", "F1"),
            [(row["name"], row["precision"], row["recall"], row["f1"]) for row in scores],
            title=f"\nStrict scores on {dataset}",
        )


@command("remove ner-legal --dry-run")
def remove(
    context: AppContext,
    name: Annotated[
        str | None, typer.Argument(help="The name (owner/name or the last part) or ID of an expert.")
    ] = None,
    merge: Annotated[
        str | None,
        typer.Option(
            help="Delete the files of a merged model instead: an ID, or 'unused' for those that no selection uses."
        ),
    ] = None,
) -> Removal:
    """Remove an expert and its files.

    Its predictions and its descriptor are also removed. The Hub keeps its copy.
    """
    from sam_hub.errors import UsageError
    from sam_hub.services import experts

    if (name is None) == (merge is None):
        raise UsageError("`sam-hub remove` needs one thing", "Name an expert, or use --merge, but not both.")
    if name is None:
        return _files_of_merges(context, merge or "")
    options = RemovalOptions(name)
    plan = experts.plan_removal(context, options)
    return Removal(plan.lines, vars(plan), lambda: experts.run_removal(context, options))


def _files_of_merges(context: AppContext, name: str) -> Removal:
    from sam_hub.merging.prune import UNUSED, execute_deletion, plan_deletion

    plan = plan_deletion(context.catalog, name, context.settings.merges)
    done = f"Deleted. Freed {file_size(plan.bytes)}."
    if not plan.merges:
        done = "Every merge on disk is in use." if name == UNUSED else "This merge's files are not in this home."
    merges = [dict(zip(("id", "experts", "path", "bytes"), row, strict=True)) for row in plan.merges]
    return Removal(
        [f"merge {number}, of {', '.join(repos)}: {file_size(size)}" for number, repos, _, size in plan.merges],
        {"merges": merges, "bytes": plan.bytes},
        lambda: execute_deletion(context.catalog, plan),
        "Delete their files? The catalog keeps their configurations.",
        done,
    )


@command("describe ner-legal --corpus court-texts.txt")
def describe(options: DescribeOptions, context: AppContext, reporter: Reporter) -> Shown:
    """Show a descriptor and the nearest experts.

    NAME is a target or an expert. If it has no descriptor yet, one is made.
    """
    from sam_hub.services import descriptors

    found = descriptors.find_neighbours(context, options, reporter)
    about, near = found.described, {expert.repo: cosine for expert, cosine in found.nearest}
    values = {"name": found.name, **vars(found.descriptor), "nearest": near, "left_out": list(found.left_out)}
    extra = {**vars(about.descriptor), "expert": about.expert, "notes": about.notes} if about else {}
    return Shown(values | extra, lambda: _show_neighbours(found))


def _show_neighbours(found: Neighbourhood) -> None:
    from sam_hub.catalog.descriptor_sources import described_by
    from sam_hub.services.descriptors import describe_command

    about, descriptor = found.described, found.descriptor
    source = f"{descriptor.count} sentences"
    if about:
        source = f"described by {described_by(about.descriptor.origin, descriptor.count)}"
        for note in about.notes:
            say(f"  {note}")
    print(f"{found.name}: {source}, {descriptor.embedder} at {descriptor.revision}")
    if about and about.descriptor.weak:
        say(f"For a better descriptor, run {describe_command(about.expert)}")
    near_rows = [(expert.repo, expert.domain, cosine) for expert, cosine in found.nearest]
    show_table(("nearest expert", "domain", "cosine"), near_rows)
    for line in found.left_out.values():
        say(f"Left out: {line}")
