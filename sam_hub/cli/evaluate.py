"""The commands that use merged models: predict finds entities in new text, evaluate scores them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sam_hub.cli.command import command
from sam_hub.cli.output import Shown, say, show_table
from sam_hub.progress import Reporter
from sam_hub.services.context import AppContext
from sam_hub.services.options import EvaluationOptions, PredictionOptions

if TYPE_CHECKING:
    from sam_hub.services.evaluation import EvaluationOutcome, SystemScore
    from sam_hub.services.prediction import PredictionOutcome


@command("predict court-2026 new-texts.txt --json", log=True)
def predict(options: PredictionOptions, context: AppContext, reporter: Reporter) -> Shown:
    """Find entities in new text with the merged models."""
    from sam_hub.services.prediction import run_prediction

    outcome = run_prediction(context, options, reporter)
    return Shown(outcome.sentences, lambda: _show_entities(outcome))


def _show_entities(outcome: PredictionOutcome) -> None:
    for sentence in outcome.sentences:
        print(sentence.text)
        for entity in sentence.entities:
            print(f"    {entity.label}: {entity.text}  [{entity.start}:{entity.end}]")


@command("evaluate court-2026 --gold labeled.jsonl --singles", background=True)
def evaluate(
    options: EvaluationOptions,
    context: AppContext,
    reporter: Reporter,
    per_type: Annotated[bool, typer.Option("--per-type", help="Show the scores of each type.")] = False,
) -> Shown:
    """Score the merged models on labeled sentences."""
    from sam_hub.services.evaluation import run_evaluation

    outcome = run_evaluation(context, options, reporter)
    for warning in outcome.warnings:
        say(warning)
    return Shown(outcome.scores, lambda: _show(outcome, per_type))


def _show(outcome: EvaluationOutcome, per_type: bool) -> None:
    if outcome.types:
        say(outcome.types)
    show_scores(outcome.scores, outcome.sentences)
    for row in outcome.scores if per_type else ():
        rows = [(label, s.precision, s.recall, s.f1, s.support) for label, s in row.per_type.items()]
        show_table(("type", "P", "R", "F1", "entities"), rows, title=f"\n{row.name}")
    if passed := sorted(outcome.passed):  # sampling before similarity
        say(f"\nNext: sam-hub push {outcome.target} --by {passed[0]} --repo OWNER/NAME")
    elif outcome.base_answers:
        say("\nNext: sam-hub search, to find experts that fit")
    else:
        say(f"\nNext: sam-hub merge {outcome.target} (you can push only a merge that passed its sanity check)")


def show_scores(rows: Sequence[SystemScore], sentences: int) -> None:
    """Print strict scores as a table."""
    show_table(
        ("model", "P", "R", "F1", "parse failures", "seconds"),
        [(r.name, r.precision, r.recall, r.f1, r.parse_failures, f"{r.seconds:.1f}") for r in rows],
        title=f"Strict entity scores on {sentences} test sentences",
    )
