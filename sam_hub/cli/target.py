"""Commands on targets: raw text and the entity types wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sam_hub.cli.output import AsJson, DryRun, TerminalReporter, Yes, confirm, require_yes, say, show_json, show_table
from sam_hub.services.context import AppContext

app = typer.Typer(help="Targets: raw text and the entity types wanted.", no_args_is_help=True, rich_markup_mode=None)


@app.command(epilog="Example: sam-hub target add court-2026 texts/ --labels 'judge, court, statute'")
def add(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    corpus: Annotated[Path, typer.Argument(help="A .txt, .conll or .jsonl file, or a folder of them.")],
    labels: Annotated[str, typer.Option(help="Entity types, separated by commas.")],
    gold: Annotated[Path | None, typer.Option(help="Labelled sentences, for the evaluation alone.")] = None,
    split: Annotated[bool, typer.Option("--split", help="Cut running text into sentences.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a target of this name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a target of raw text and entity types."""
    from sam_hub.services.targets import TargetOptions, run_create_target

    options = TargetOptions(name, str(corpus), tuple(labels.split(",")), str(gold) if gold else None, split, replace)
    with TerminalReporter() as reporter:
        target = run_create_target(AppContext(), options, reporter)
    if as_json:
        show_json(target)
        return
    print(f"Target {target.name}: {target.sentence_count} sentences; {', '.join(target.labels)}")
    if target.left_out:
        say(f"{target.left_out}.")
    if gaps := target.uncovered:
        say(f"No expert in the catalog covers {', '.join(gaps)}. Try `sam-hub search --label '{gaps[0]}'`.")


@app.command(epilog="Example: sam-hub target remove court-2026")
def remove(
    name: Annotated[str, typer.Argument(help="The target.")],
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove a target, with its rankings, scores, and the home's copy of its texts. Merges made for it stay."""
    from sam_hub.catalog.removal import execute_target_removal, plan_target_removal

    require_yes("target remove", as_json, yes or dry_run)
    catalog = AppContext().catalog
    plan = plan_target_removal(catalog, name)
    if not as_json:
        print(f"{plan.name}: {plan.counts}{f'; the copy of its texts {plan.copy}' if plan.copy else ''}")
    if not dry_run:
        if not yes:
            confirm("Remove them?", refused="Not removed")
        execute_target_removal(catalog, plan)
    if as_json:
        show_json({**vars(plan), "removed": not dry_run})
    elif not dry_run:
        print("Removed.")


@app.command("list", epilog="Example: sam-hub target list")
def list_(as_json: AsJson = False) -> None:
    """List the targets."""
    from sam_hub.catalog.targets import list_targets

    targets = list_targets(AppContext().catalog)
    if as_json:
        show_json(targets)
    elif not targets:
        say("No target yet. Make one with `sam-hub target add NAME CORPUS --labels …`.")
    else:
        show_table(
            ("target", "sentences", "labels", "gold"),
            [(t.name, t.sentence_count, t.labels, "yes" if t.gold_path else "no") for t in targets],
        )
