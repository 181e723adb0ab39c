"""Prediction: entities of new text, by a target's merged models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sam_hub.ner.text import Entity
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.options import PredictionOptions

if TYPE_CHECKING:
    from sam_hub.services.context import AppContext


@dataclass(frozen=True)
class PredictedSentence:
    """A sentence and its entities, by character offsets."""

    text: str
    entities: tuple[Entity, ...]


@dataclass(frozen=True)
class PredictionOutcome:
    """The sentences. ``warnings`` say which merges failed their check, or were never checked."""

    sentences: tuple[PredictedSentence, ...]
    warnings: tuple[str, ...]


def run_prediction(context: AppContext, options: PredictionOptions, reporter: Reporter = SILENT) -> PredictionOutcome:
    """Find the entities of a corpus, and log which merges answer, and whose types the entities have."""
    from sam_hub.catalog.targets import get_target
    from sam_hub.evaluation.predictor import Predictor
    from sam_hub.evaluation.systems import sam_systems
    from sam_hub.merging.service import merge_warnings, serving_merges
    from sam_hub.ner.readers import read_corpus

    catalog = context.catalog
    target = get_target(catalog, options.target)
    sentences = read_corpus(options.corpus, split=options.split)
    system = sam_systems(catalog, target, str(options.rule), str(options.types))[-1]
    warnings = tuple(merge_warnings(catalog, target))
    typing = system.typing.note if system.typing else ""
    for line in (*serving_merges(catalog, target), f"answer: {system.name}", typing, *warnings):
        if line:
            reporter.log(line)
    entities, _ = Predictor(catalog, target, context.settings, options.free, reporter).answer(system, sentences)
    rows = zip(sentences, entities, strict=True)
    return PredictionOutcome(tuple(PredictedSentence(s.text, tuple(row)) for s, row in rows), warnings)
