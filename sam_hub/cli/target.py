"""Commands on targets: raw text and the entity types wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sam_hub.cli.command import command, group
from sam_hub.cli.output import Removal, Shown, listed, say
from sam_hub.progress import Reporter
from sam_hub.services.context import AppContext
from sam_hub.services.options import TargetOptions

if TYPE_CHECKING:
    from sam_hub.services.targets import TargetOutcome

targets = group("target", "Manage targets: raw text and entity types.")


@command("target add court-2026 texts/ --labels 'judge, court, statute'", group=targets)
def add(options: TargetOptions, context: AppContext, reporter: Reporter) -> Shown:
    """Create a target."""
    from sam_hub.services.targets import run_create_target

    target = run_create_target(context, options, reporter)
    return Shown(target, lambda: _show(target))


def _show(target: TargetOutcome) -> None:
    print(f"Target {target.name}: {target.sentence_count} sentences; {', '.join(target.labels)}")
    if target.left_out:
        say(f"{target.left_out}.")
    if gaps := target.uncovered:
        say(
            f"No expert in the catalog covers {', '.join(gaps)}. To find one, run `sam-hub search --label '{gaps[0]}'`."
        )


@command("target remove court-2026", group=targets)
def remove(name: Annotated[str, typer.Argument(help="Name of the target.")], context: AppContext) -> Removal:
    """Remove a target, its rankings, and its scores. Its merges stay."""
    from sam_hub.catalog.removal import execute_target_removal, plan_target_removal

    plan = plan_target_removal(context.catalog, name)
    copy = f"; the copy of its texts {plan.copy}" if plan.copy else ""
    line = f"{plan.name}: {plan.counts}{copy}"
    return Removal([line], vars(plan), lambda: execute_target_removal(context.catalog, plan))


@command("target list", "list", group=targets)
def list_(context: AppContext) -> Shown:
    """List the targets."""
    from sam_hub.catalog.targets import list_targets

    return listed(
        list_targets(context.catalog),
        ("target", "sentences", "labels", "gold"),
        lambda row: (row.name, row.sentence_count, row.labels, "yes" if row.gold_path else "no"),
        "No targets yet. Create one with `sam-hub target add NAME CORPUS --labels …`.",
    )
