"""The command that evaluates merged models on labelled sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sam_hub.cli.output import AsJson, Free, say, show_json, show_table, watching
from sam_hub.jobs.place import Place
from sam_hub.cli.predict import Rule


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: sam-hub evaluate court-2026 --gold labelled.jsonl --singles")(evaluate)


def evaluate(
    target: Annotated[str, typer.Argument(help="The target's name.")],
    gold: Annotated[Path | None, typer.Option(help="Labelled sentences; else those of the target.")] = None,
    rule: Annotated[Rule, typer.Option(help="How both models' entities become one answer.")] = Rule.union,
    free: Free = False,
    singles: Annotated[
        bool, typer.Option("--singles", help="Evaluate each expert and the untuned base, too.")
    ] = False,
    per_type: Annotated[bool, typer.Option("--per-type", help="Show the scores of each type.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score a target's merged models, strictly, on labelled sentences."""
    from sam_hub.catalog import get_target
    from sam_hub.errors import UsageError
    from sam_hub.evaluation.evaluating import evaluate as run
    from sam_hub.evaluation.evaluating import read_gold, sam_systems, single_systems
    from sam_hub.selection.selecting import candidates

    place = Place()
    goal = get_target(place.catalog, target)
    if gold is None and goal.gold_path is None:
        raise UsageError(f"{goal.name} has no labelled sentences", "Give some with --gold FILE.")
    sentences = read_gold(gold or Path(goal.gold_path), goal.labels)
    systems = single_systems(place.catalog, candidates(place.catalog)) if singles else []
    systems += sam_systems(place.catalog, goal, rule.value)
    with watching() as watch:
        results = run(
            place.catalog, goal, sentences, systems, settings=place.settings, free=free, on_progress=watch
        )
    if as_json:
        show_json(
            [
                {
                    "name": r.name,
                    **r.scores.as_dict(),
                    "parse_failures": r.parse_failures,
                    "seconds": r.seconds,
                }
                for r in results
            ]
        )
        return
    show_scores(results, len(sentences))
    for result in results if per_type else ():
        rows = [
            (label, s.precision, s.recall, s.f1, s.support) for label, s in result.scores.per_type.items()
        ]
        show_table(("type", "P", "R", "F1", "entities"), rows, title=f"\n{result.name}")
    say(f"\nNext: sam-hub push {goal.name} --by sampling --repo OWNER/NAME")


def show_scores(results, sentences: int) -> None:
    """Strict scores as a table."""
    show_table(
        ("model", "P", "R", "F1", "parse failures", "seconds"),
        [
            (r.name, r.scores.precision, r.scores.recall, r.scores.f1, r.parse_failures, f"{r.seconds:.1f}")
            for r in results
        ],
        title=f"Strict entity scores on {sentences} test sentences",
    )
