"""Prediction: entities of new text, by a target's merged models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sam_hub.ner.text import Entity, Sentence
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.choices import Rule, Types

if TYPE_CHECKING:
    from sam_hub.services.context import AppContext


@dataclass(frozen=True)
class PredictionOptions:
    """Whose merged models answer, and how.

    Args:
        corpus: a .txt, .conll or .jsonl file, or a folder of them; not looked at by `predict_sentences`.
        free: decode without the answer's grammar.
        split: cut running text into sentences.
    """

    target: str
    corpus: str = ""
    rule: Rule = Rule.union
    types: Types = Types.auto
    free: bool = False
    split: bool = False


@dataclass(frozen=True)
class PredictedSentence:
    """A sentence and its entities, by character offsets."""

    text: str
    entities: tuple[Entity, ...]


@dataclass(frozen=True)
class PredictionOutcome:
    """The sentences. ``about`` says in lines which merges answer, and whose types the entities have.

    ``warnings`` say which merges failed their check, or were never checked.
    """

    sentences: tuple[PredictedSentence, ...]
    about: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def run_prediction(context: AppContext, options: PredictionOptions, reporter: Reporter = SILENT) -> PredictionOutcome:
    """Find the entities of a corpus.

    Raises:
        InputError: the corpus can't be read.
        CatalogError: as `predict_sentences`.
    """
    from sam_hub.catalog.targets import get_target
    from sam_hub.ner.readers import read_corpus

    get_target(context.catalog, options.target)
    sentences = read_corpus(Path(options.corpus), split=options.split)
    return predict_sentences(context, options, sentences, reporter)


def predict_sentences(
    context: AppContext, options: PredictionOptions, sentences: Sequence[Sentence], reporter: Reporter = SILENT
) -> PredictionOutcome:
    """Find the entities of sentences.

    Raises:
        CatalogError: there is no such target, or nothing was merged for it yet.
        InputError: the base is to type, and is not on disk.
    """
    from sam_hub.catalog.targets import get_target
    from sam_hub.evaluation.systems import predict_with, sam_systems
    from sam_hub.merging.service import merge_warnings, serving_merges

    target = get_target(context.catalog, options.target)
    system = sam_systems(context.catalog, target, str(options.rule), str(options.types))[-1]
    types = system.typing.note if system.typing else ""
    about = tuple(filter(None, (*serving_merges(context.catalog, target), types)))
    warnings = tuple(merge_warnings(context.catalog, target))
    for line in (*about, *warnings):
        reporter.log(line)
    entities = predict_with(
        context.catalog, target, sentences, system, settings=context.settings, free=options.free, reporter=reporter
    )
    rows = zip(sentences, entities, strict=True)
    return PredictionOutcome(tuple(PredictedSentence(s.text, tuple(row)) for s, row in rows), about, warnings)
