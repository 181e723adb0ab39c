"""The command that finds entities in new text."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sam_hub.cli.output import AsJson, Free, say, show_json, watching
from sam_hub.services.context import AppContext


class Rule(StrEnum):
    """How two models' entities are integrated."""

    union = "union"
    intersection = "intersection"
    first = "first"
    second = "second"


class Types(StrEnum):
    """Who says what kind of thing a mention is."""

    auto = "auto"
    model = "model"
    base = "base"


ByWhom = Annotated[
    Types,
    typer.Option(
        help="Whose types SaM's answer has: the merged models', or the untuned base's. auto: the base's, where the "
        "target has a label that no merged expert learned."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: sam-hub predict court-2026 new-texts.txt --json")(predict)


def predict(
    target: Annotated[str, typer.Argument(help="The target whose merged models answer.")],
    corpus: Annotated[Path, typer.Argument(help="A .txt, .conll or .jsonl file, or a folder of them.")],
    rule: Annotated[Rule, typer.Option(help="How both models' entities become one answer.")] = Rule.union,
    types: ByWhom = Types.auto,
    free: Free = False,
    split: Annotated[bool, typer.Option("--split", help="Cut running text into sentences.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find entities in new text with a target's merged models."""
    from sam_hub.catalog.targets import get_target
    from sam_hub.evaluation.systems import predict_with, sam_systems
    from sam_hub.merging.service import answering, doubts
    from sam_hub.ner.readers import read_corpus

    context = AppContext()
    goal, sentences = get_target(context.catalog, target), read_corpus(corpus, split=split)
    system = sam_systems(context.catalog, goal, rule.value, types.value)[-1]
    about = [*answering(context.catalog, goal), system.typing.told if system.typing else ""]
    for line in (*(() if as_json else filter(None, about)), *doubts(context.catalog, goal)):
        say(line)
    with watching() as watch:
        found = predict_with(
            context.catalog,
            goal,
            sentences,
            system,
            settings=context.settings,
            free=free,
            on_progress=watch,
        )
    pairs = list(zip(sentences, found, strict=True))
    if as_json:
        fields = ("start", "end", "text", "label")
        show_json(
            [
                {"text": s.text, "entities": [{f: getattr(e, f) for f in fields} for e in row]}
                for s, row in pairs
            ]
        )
        return
    for sentence, row in pairs:
        print(sentence.text)
        for entity in row:
            print(f"    {entity.label}: {entity.text}  [{entity.start}:{entity.end}]")
