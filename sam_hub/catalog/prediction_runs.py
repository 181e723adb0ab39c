"""Predictions: answers to a list of sentences, kept by what was asked, since evaluations name them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.tables import Answer, ModelKind, Prediction
from sam_hub.errors import CatalogError
from sam_hub.ner import Entity


@dataclass(frozen=True)
class Question:
    """Which model was asked what, and how.

    ``labels`` keep their order, since the prompt does. ``decoding`` names every setting that can change an
    answer (the grammar, the number type, the commit of an adapter's base…), in one spelling.
    """

    kind: ModelKind
    model_id: int
    sentences_sha256: str
    prompt_format: str
    labels: tuple[str, ...]
    decoding: str

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of a prediction that are unique together."""
        return {
            f"{self.kind}_id": self.model_id,
            "sentences_sha256": self.sentences_sha256,
            "prompt_format": self.prompt_format,
            "labels_sha256": hashlib.sha256(json.dumps(self.labels).encode()).hexdigest(),
            "decoding": self.decoding,
        }


@dataclass(frozen=True)
class Answers:
    """A model's entities for each sentence, in the sentences' order, and what went wrong on the way."""

    entities: tuple[tuple[Entity, ...], ...]
    parse_failures: int
    misaligned: dict[str, int]
    seconds: float

    @classmethod
    def of(cls, rows: Sequence[Answer]) -> Answers:
        """Put answers to single sentences together, in their order; one that stands twice took its time once."""
        misaligned: Counter[str] = Counter()
        for row in rows:
            misaligned.update(row.misaligned)
        return cls(
            tuple(tuple(Entity(*entity) for entity in row.entities) for row in rows),
            sum(row.parse_failed for row in rows),
            dict(misaligned),
            sum(row.seconds for row in {row.id: row for row in rows}.values()),
        )


def get_prediction(catalog: Catalog, question: Question) -> Prediction | None:
    """The kept prediction that answers this question, or None: then it is to be put together."""
    with catalog.session() as session:
        return _find(session, question)


def put_prediction(
    catalog: Catalog, question: Question, answers: Answers, target_id: int | None = None
) -> Prediction:
    """Keep a model's answers. Where another process was faster, its prediction is given instead.

    Args:
        target_id: the target for which it was computed; it goes with it.
    """
    with catalog.writing() as session:
        if known := _find(session, question):
            return known
        prediction = Prediction(
            **question.columns,
            target_id=target_id,
            labels=list(question.labels),
            entities=[[[e.start, e.end, e.text, e.label] for e in sentence] for sentence in answers.entities],
            parse_failures=answers.parse_failures,
            misaligned=answers.misaligned,
            seconds=answers.seconds,
        )
        session.add(prediction)
        return prediction


def predictions_by_id(catalog: Catalog, ids: Sequence[int]) -> list[Prediction]:
    """The predictions an evaluation was computed from, in the order of ``ids``.

    Raises:
        CatalogError: one was removed since, with its model or target.
    """
    with catalog.session() as session:
        found = [session.get(Prediction, number) for number in ids]
    if None in found:
        raise CatalogError(
            "A prediction behind this evaluation was removed, with its model or its target",
            "Run `sam-hub evaluate` again.",
        )
    return found


def entities_of(prediction: Prediction) -> tuple[tuple[Entity, ...], ...]:
    """The predicted entities of each sentence."""
    return tuple(tuple(Entity(*entity) for entity in sentence) for sentence in prediction.entities)


def _find(session: Session, question: Question) -> Prediction | None:
    wanted = (col(getattr(Prediction, name)) == value for name, value in question.columns.items())
    return session.exec(select(Prediction).where(*wanted)).first()
