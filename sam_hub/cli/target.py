"""Commands on targets: raw text and the entity types wanted."""

from __future__ import annotations

from typing import Annotated

import typer

from sam_hub.cli.command import command, group
from sam_hub.cli.output import AsJson, DryRun, TerminalReporter, Yes, remove_after_question, say, show_json, show_list
from sam_hub.services.context import AppContext
from sam_hub.services.options import TargetOptions

targets = group("target", "Manage targets: raw text and entity types.")


@command("target add court-2026 texts/ --labels 'judge, court, statute'", group=targets)
def add(options: TargetOptions, as_json: AsJson = False) -> None:
    """Create a target."""
    from sam_hub.services.targets import run_create_target

    with TerminalReporter() as reporter:
        target = run_create_target(AppContext(), options, reporter)
    if as_json:
        show_json(target)
        return
    print(f"Target {target.name}: {target.sentence_count} sentences; {', '.join(target.labels)}")
    if target.left_out:
        say(f"{target.left_out}.")
    if gaps := target.uncovered:
        say(
            f"No expert in the catalog covers {', '.join(gaps)}. To find one, run `sam-hub search --label '{gaps[0]}'`."
        )


@command("target remove court-2026", group=targets)
def remove(
    name: Annotated[str, typer.Argument(help="Name of the target.")],
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove a target, its rankings, and its scores. Its merges stay."""
    from sam_hub.catalog.removal import execute_target_removal, plan_target_removal

    catalog = AppContext().catalog
    plan = plan_target_removal(catalog, name)
    copy = f"; the copy of its texts {plan.copy}" if plan.copy else ""
    remove_after_question(
        [f"{plan.name}: {plan.counts}{copy}"],
        vars(plan),
        lambda: execute_target_removal(catalog, plan),
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    )


@command("target list", "list", group=targets)
def list_(as_json: AsJson = False) -> None:
    """List the targets."""
    from sam_hub.catalog.targets import list_targets

    show_list(
        list_targets(AppContext().catalog),
        ("target", "sentences", "labels", "gold"),
        lambda row: (row.name, row.sentence_count, row.labels, "yes" if row.gold_path else "no"),
        "No targets yet. Create one with `sam-hub target add NAME CORPUS --labels …`.",
        as_json=as_json,
    )
