"""Strict entity scores, by seqeval.

An entity counts as found only if its offsets and its label are correct. seqeval's default mode accepts ``I-X``
without ``B-X``, so scores are always computed in strict mode with IOB2 tags over the words of the sentence.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sam_hub.errors import InputError
from sam_hub.ner.text import Entity, Sentence


@dataclass(frozen=True)
class TypeScore:
    """Precision, recall and F1 (0 to 1) of one type; ``support`` is its number of gold entities."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Scores(TypeScore):
    """Micro-averaged strict scores over all types, with a report per type."""

    per_type: dict[str, TypeScore]


def score(sentences: Sequence[Sentence], predicted: Sequence[Iterable[Entity]]) -> Scores:
    """Return strict entity scores of predictions against the gold entities of the sentences.

    Args:
        sentences: N sentences with gold entities.
        predicted: N collections of entities, which may not overlap within a sentence.
    """
    if len(sentences) != len(predicted):
        raise InputError(f"{len(predicted)} predictions for {len(sentences)} sentences", "Predict the same sentences.")
    if any(sentence.entities is None for sentence in sentences):
        raise InputError("The test sentences have no labels", "Give a .conll or .jsonl file with gold entities.")
    gold = [iob2(sentence, sentence.entities or ()) for sentence in sentences]
    tags = [iob2(sentence, entities) for sentence, entities in zip(sentences, predicted, strict=True)]
    return score_tags(gold, tags)


def score_tags(gold: list[list[str]], predicted: list[list[str]]) -> Scores:
    """Return strict scores of IOB2 tag sequences."""
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    if not any(tag != "O" for tags in [*gold, *predicted] for tag in tags):
        return Scores(0.0, 0.0, 0.0, 0, {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on types that occur on one side only, and numpy's deprecations
        report = classification_report(gold, predicted, mode="strict", scheme=IOB2, output_dict=True, zero_division=0)
    averages = {"micro avg", "macro avg", "weighted avg"}
    per_type = {name: _row(values) for name, values in report.items() if name not in averages}
    total = _row(report["micro avg"])
    return Scores(total.precision, total.recall, total.f1, total.support, per_type)


def _row(values: dict) -> TypeScore:
    return TypeScore(
        float(values["precision"]), float(values["recall"]), float(values["f1-score"]), int(values["support"])
    )


def iob2(sentence: Sentence, entities: Iterable[Entity]) -> list[str]:
    """Return IOB2 tags over the sentence's words; refuse entities that cut a word or overlap."""
    first = {start: i for i, (start, _) in enumerate(sentence.words)}
    last = {end: i for i, (_, end) in enumerate(sentence.words)}
    tags = ["O"] * len(sentence.words)
    for entity in sorted(entities):
        if entity.start not in first or entity.end not in last:
            raise InputError(f"The entity {entity.text!r} splits a word of {sentence.text!r}", "Correct its offsets.")
        i, j = first[entity.start], last[entity.end]
        if any(tag != "O" for tag in tags[i : j + 1]):
            raise InputError(f"Entities overlap at {entity.text!r} in {sentence.text!r}", "Keep one of them.")
        tags[i : j + 1] = [f"B-{entity.label}", *[f"I-{entity.label}"] * (j - i)]
    return tags
