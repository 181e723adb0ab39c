"""Commands that ask the Hub for experts: search, add, pull, outdated, update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sam_hub.cli.command import command
from sam_hub.cli.output import Background, DryRun, Shown, few_labels, file_size, listed, say, show_table, started
from sam_hub.progress import Reporter
from sam_hub.services.context import AppContext
from sam_hub.services.options import AddOptions, SearchOptions, UpdateOptions

if TYPE_CHECKING:
    from sam_hub.services import experts

Names = Annotated[list[str], typer.Argument(help="Names (owner/name or the last part) or IDs.")]


@command("search legal --base HuggingFaceTB/SmolLM2-135M-Instruct --label court")
def search(options: SearchOptions, context: AppContext) -> Shown:
    """Search the Hub for experts."""
    from sam_hub.services import experts

    return listed(
        experts.search_hub(context, options),
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
    )


@command("add acme/ner-legal acme/ner-news", log=True)
def add(options: AddOptions, context: AppContext, reporter: Reporter, dry_run: DryRun = False) -> Shown:
    """Add experts from the Hub to the catalog.

    The catalog keeps their current commits. Weights are not downloaded.
    """
    from sam_hub.services import experts

    if dry_run:
        reports = [experts.inspect_repo(context, repo, options.revision) for repo in options.repos]
        values = [{name: v for name, v in vars(one).items() if name != "card"} for one in reports]
        return Shown(values, lambda: _show_reports(reports))
    added = experts.run_add(context, options, reporter).experts
    return Shown(added, lambda: say(f"Next: sam-hub pull {' '.join(expert.repo for expert in added)}"))


def _show_reports(reports: Sequence[experts.RepoReport]) -> None:
    """Print what models on the Hub are, and whether they can serve."""
    for report in reports:
        what = f"LoRA of rank {report.rank} for {report.base}" if report.kind == "adapter" else "full model"
        print(f"{report.repo} at {report.commit[:8]}: {report.verdict}")
        print(f"  {what}, {file_size(report.size)}, license {report.license or 'not stated'}")
        print(f"  entity types: {', '.join(report.labels) or 'not stated'}")
        for reason in (*report.reasons, *report.warnings):
            print(f"  {reason}")


@command("pull ner-legal", log=True)
def pull(
    names: Names, context: AppContext, reporter: Reporter, dry_run: DryRun = False, background: Background = False
) -> Shown:
    """Download experts and their base.

    The commits are those in the catalog.
    """
    from sam_hub.services import experts

    if dry_run:
        plan = experts.plan_pull(context, tuple(names))
        return Shown(plan, lambda: print("\n".join(plan.lines)))
    options = experts.pull_options(context, tuple(names))
    if background:
        from sam_hub.jobs.scheduler import Scheduler

        scheduler = Scheduler(context)
        return started([scheduler.submit(each) for each in options])
    return Shown([experts.run_pull(context, each, reporter) for each in options], lambda: None)


@command("outdated")
def outdated(options: UpdateOptions, context: AppContext, reporter: Reporter) -> Shown:
    """List experts that changed on the Hub.

    Also list selections that use earlier commits.
    """
    from sam_hub.services import experts

    plan = experts.plan_update(context, options, reporter, as_moved=False)
    return Shown(plan, lambda: _show_outdated(plan))


def _show_outdated(plan: experts.UpdatePlan) -> None:
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


@command("update ner-legal", background=True, log=True)
def update(options: UpdateOptions, context: AppContext, reporter: Reporter) -> Shown:
    """Update experts to the Hub's current commits.

    The earlier commits stay in the history.
    """
    from sam_hub.services import experts

    outcome = experts.run_update(context, options, reporter)
    return Shown(outcome, lambda: _show_update(outcome))


def _show_update(outcome: experts.UpdateOutcome) -> None:
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
