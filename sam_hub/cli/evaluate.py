"""The command that evaluates merged models on labelled sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sam_hub.cli.output import AsJson, Background, Free, TerminalReporter, say, show_json, show_table, start_jobs
from sam_hub.services.choices import Rule, Types
from sam_hub.services.context import AppContext

if TYPE_CHECKING:
    from sam_hub.services.evaluation import SystemScore

TypesOption = Annotated[
    Types,
    typer.Option(
        help="Whose types SaM's answer has: the merged models', or the untuned base's. auto: the base's, where the "
        "target has a label that no merged expert learned."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: sam-hub evaluate court-2026 --gold labelled.jsonl --singles")(evaluate)


def evaluate(
    target: Annotated[str, typer.Argument(help="The target's name.")],
    gold: Annotated[Path | None, typer.Option(help="Labelled sentences; else those of the target.")] = None,
    rule: Annotated[Rule, typer.Option(help="How both models' entities become one answer.")] = Rule.union,
    types: TypesOption = Types.auto,
    free: Free = False,
    singles: Annotated[bool, typer.Option("--singles", help="Evaluate each expert and the untuned base, too.")] = False,
    per_type: Annotated[bool, typer.Option("--per-type", help="Show the scores of each type.")] = False,
    background: Background = False,
    as_json: AsJson = False,
) -> None:
    """Score a target's merged models, strictly, on labelled sentences."""
    from sam_hub.services.evaluation import EvaluationOptions, run_evaluation

    context = AppContext()
    options = EvaluationOptions(target, str(gold) if gold else None, rule, free, singles, types)
    if background:
        start_jobs(context, [options], as_json=as_json)
        return
    with TerminalReporter() as reporter:
        outcome = run_evaluation(context, options, reporter)
    for warning in outcome.warnings:
        say(warning)
    if as_json:
        show_json(outcome.scores)
        return
    if outcome.types:
        say(outcome.types)
    show_scores(outcome.scores, outcome.sentences)
    for row in outcome.scores if per_type else ():
        rows = [(label, s.precision, s.recall, s.f1, s.support) for label, s in row.per_type.items()]
        show_table(("type", "P", "R", "F1", "entities"), rows, title=f"\n{row.name}")
    if passed := sorted(outcome.passed):  # sampling before similarity
        say(f"\nNext: sam-hub push {outcome.target} --by {passed[0]} --repo OWNER/NAME")
    else:
        say(f"\nNext: sam-hub merge {outcome.target} (only a merge that passed its check is to be pushed)")


def show_scores(rows: Sequence[SystemScore], sentences: int) -> None:
    """Print strict scores as a table."""
    show_table(
        ("model", "P", "R", "F1", "parse failures", "seconds"),
        [(r.name, r.precision, r.recall, r.f1, r.parse_failures, f"{r.seconds:.1f}") for r in rows],
        title=f"Strict entity scores on {sentences} test sentences",
    )
