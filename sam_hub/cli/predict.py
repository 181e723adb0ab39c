"""The command that finds entities in new text."""

from __future__ import annotations

from sam_hub.cli.command import command
from sam_hub.cli.output import AsJson, TerminalReporter, say, show_json
from sam_hub.services.context import AppContext
from sam_hub.services.options import PredictionOptions


@command("predict court-2026 new-texts.txt --json")
def predict(options: PredictionOptions, as_json: AsJson = False) -> None:
    """Find entities in new text with the merged models."""
    from sam_hub.services.prediction import run_prediction

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
