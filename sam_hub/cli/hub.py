"""Commands that ask the Hub for experts: search, add, pull, outdated, update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sam_hub.cli.command import command
from sam_hub.cli.output import (
    AsJson,
    Background,
    DryRun,
    TerminalReporter,
    few_labels,
    file_size,
    say,
    show_json,
    show_list,
    show_table,
    start_jobs,
)
from sam_hub.services.context import AppContext
from sam_hub.services.options import AddOptions, SearchOptions, UpdateOptions

if TYPE_CHECKING:
    from sam_hub.services import experts

Names = Annotated[list[str], typer.Argument(help="Names (owner/name or the last part) or IDs.")]


@command("search legal --base HuggingFaceTB/SmolLM2-135M-Instruct --label court")
def search(options: SearchOptions, as_json: AsJson = False) -> None:
    """Search the Hub for experts."""
    from sam_hub.services import experts

    show_list(
        experts.search_hub(AppContext(), options),
        ("repository", "base", "labels", "license", "downloads", "changed"),
        lambda model: (
            model.repo,
            model.base,
            few_labels(model.labels, options.labels),
            model.license,
            f"{model.downloads:,}",
            str(model.last_modified or "")[:10],
        ),
        "No models match. Try fewer words, or another base.",
        as_json=as_json,
    )


@command("add acme/ner-legal acme/ner-news")
def add(options: AddOptions, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Add experts from the Hub to the catalog.

    The catalog keeps their current commits. Weights are not downloaded.
    """
    from sam_hub.services import experts

    context = AppContext()
    if dry_run:
        reports = [experts.inspect_repo(context, repo, options.revision) for repo in options.repos]
        if as_json:
            show_json([{name: v for name, v in vars(one).items() if name != "card"} for one in reports])
        for report in reports if not as_json else ():
            _show_report(report)
        return
    with TerminalReporter(None if as_json else say) as reporter:
        added = experts.run_add(context, options, reporter).experts
    if as_json:
        show_json(added)
    else:
        say(f"Next: sam-hub pull {' '.join(expert.repo for expert in added)}")


def _show_report(report: experts.RepoReport) -> None:
    """Print what a model on the Hub is, and whether it can serve."""
    what = f"LoRA of rank {report.rank} for {report.base}" if report.kind == "adapter" else "full model"
    print(f"{report.repo} at {report.commit[:8]}: {report.verdict}")
    print(f"  {what}, {file_size(report.size)}, license {report.license or 'not stated'}")
    print(f"  entity types: {', '.join(report.labels) or 'not stated'}")
    for reason in (*report.reasons, *report.warnings):
        print(f"  {reason}")


@command("pull ner-legal")
def pull(names: Names, dry_run: DryRun = False, background: Background = False, as_json: AsJson = False) -> None:
    """Download experts and their base.

    The commits are those in the catalog.
    """
    from sam_hub.services import experts

    context = AppContext()
    if dry_run:
        plan = experts.plan_pull(context, tuple(names))
        if as_json:
            show_json(plan)
        else:
            _show_pull(plan)
        return
    options = experts.pull_options(context, tuple(names))
    if background:
        start_jobs(context, options, as_json=as_json)
        return
    with TerminalReporter(None if as_json else print) as reporter:
        pulled = [experts.run_pull(context, each, reporter) for each in options]
    if as_json:
        show_json(pulled)


def _show_pull(plan: experts.PullPlan) -> None:
    for item in plan.experts:
        if item.on_disk:
            print(f"{item.expert} is already on disk")
        else:
            print(f"Would download {item.expert} ({file_size(item.bytes)})")
    for base in plan.bases:
        print(f"Would download their base {base.repo} ({file_size(base.bytes)})")
    print(f"Free disk space: {file_size(plan.free)}")


@command("outdated")
def outdated(options: UpdateOptions, as_json: AsJson = False) -> None:
    """List experts that changed on the Hub.

    Also list selections that use earlier commits.
    """
    from sam_hub.services import experts

    with TerminalReporter() as reporter:
        plan = experts.plan_update(AppContext(), options, reporter, as_moved=False)
    if as_json:
        show_json(plan)
        return
    if plan.outdated:
        show_table(
            ("repository", "in the catalog", "on the Hub"),
            [(m.repo, m.commit[:8], m.head[:8] if m.head else "gone") for m in plan.outdated],
        )
    else:
        print("All experts are up to date.")
    _show_stale(plan.stale)
    if any(expert.head for expert in plan.outdated):
        say("Next: sam-hub update")


@command("update ner-legal", background=True)
def update(options: UpdateOptions, as_json: AsJson = False) -> None:
    """Update experts to the Hub's current commits.

    The earlier commits stay in the history.
    """
    from sam_hub.services import experts

    with TerminalReporter(None if as_json else say) as reporter:
        outcome = experts.run_update(AppContext(), options, reporter)
    if as_json:
        show_json(outcome)
        return
    if not (outcome.moved or outcome.kept):
        print("All experts are up to date.")
    _show_stale(outcome.stale)
    if outcome.moved:
        say(f"Next: sam-hub pull {' '.join(moved.repo for moved in outcome.moved)}")


def _show_stale(stale: Sequence[experts.StaleSelection]) -> None:
    for one in stale:
        print(
            f"The selection for {one.target} by {one.method} uses earlier commits of {', '.join(one.experts)}. "
            f"Run `sam-hub select {one.target}` again."
        )
