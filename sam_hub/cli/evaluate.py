"""The command that evaluates merged models on labelled sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sam_hub.cli.background import Background, perform, start_job
from sam_hub.cli.output import AsJson, Free, say, show_json, show_table
from sam_hub.cli.predict import ByWhom, Rule, Types
from sam_hub.services.context import AppContext

SCORES = ("precision", "recall", "f1")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: sam-hub evaluate court-2026 --gold labelled.jsonl --singles")(evaluate)


def evaluate(
    target: Annotated[str, typer.Argument(help="The target's name.")],
    gold: Annotated[Path | None, typer.Option(help="Labelled sentences; else those of the target.")] = None,
    rule: Annotated[Rule, typer.Option(help="How both models' entities become one answer.")] = Rule.union,
    types: ByWhom = Types.auto,
    free: Free = False,
    singles: Annotated[
        bool, typer.Option("--singles", help="Evaluate each expert and the untuned base, too.")
    ] = False,
    per_type: Annotated[bool, typer.Option("--per-type", help="Show the scores of each type.")] = False,
    background: Background = False,
    as_json: AsJson = False,
) -> None:
    """Score a target's merged models, strictly, on labelled sentences."""
    from sam_hub.jobs.tasks.evaluating import EvaluateTarget

    context = AppContext()
    work = EvaluateTarget(target, str(gold) if gold else None, rule.value, free, singles, types.value)
    if background:
        start_job(context, work, as_json=as_json)
        return
    made = perform(context, work)
    for warning in made["warnings"]:
        say(warning)
    if as_json:
        show_json(made["scores"])
        return
    if made["types"]:
        say(made["types"])
    show_scores(made["scores"], made["sentences"])
    for row in made["scores"] if per_type else ():
        rows = [(label, *(s[key] for key in (*SCORES, "support"))) for label, s in row["per_type"].items()]
        show_table(("type", "P", "R", "F1", "entities"), rows, title=f"\n{row['name']}")
    if passed := sorted(made["passed"]):  # sampling before similarity
        say(f"\nNext: sam-hub push {made['target']} --by {passed[0]} --repo OWNER/NAME")
    else:
        say(f"\nNext: sam-hub merge {made['target']} (only a merge that passed its check is to be pushed)")


def show_scores(rows: Sequence[Mapping[str, Any]], sentences: int) -> None:
    """Strict scores as a table."""
    show_table(
        ("model", "P", "R", "F1", "parse failures", "seconds"),
        [(r["name"], *(r[key] for key in SCORES), r["parse_failures"], f"{r['seconds']:.1f}") for r in rows],
        title=f"Strict entity scores on {sentences} test sentences",
    )
