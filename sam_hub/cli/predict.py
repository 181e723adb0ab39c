"""The command that finds entities in new text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sam_hub.cli.evaluate import TypesOption
from sam_hub.cli.output import AsJson, Free, TerminalReporter, say, show_json
from sam_hub.services.choices import Rule, Types
from sam_hub.services.context import AppContext


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: sam-hub predict court-2026 new-texts.txt --json")(predict)


def predict(
    target: Annotated[str, typer.Argument(help="The target whose merged models answer.")],
    corpus: Annotated[Path, typer.Argument(help="A .txt, .conll or .jsonl file, or a folder of them.")],
    rule: Annotated[Rule, typer.Option(help="How both models' entities become one answer.")] = Rule.union,
    types: TypesOption = Types.auto,
    free: Free = False,
    split: Annotated[bool, typer.Option("--split", help="Cut running text into sentences.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find entities in new text with a target's merged models."""
    from sam_hub.services.prediction import PredictionOptions, run_prediction

    options = PredictionOptions(target, str(corpus), rule, types, free, split)
    with TerminalReporter(None if as_json else say) as reporter:
        outcome = run_prediction(AppContext(), options, reporter)
    if as_json:
        for warning in outcome.warnings:
            say(warning)
        show_json(outcome.sentences)
        return
    for sentence in outcome.sentences:
        print(sentence.text)
        for entity in sentence.entities:
            print(f"    {entity.label}: {entity.text}  [{entity.start}:{entity.end}]")
