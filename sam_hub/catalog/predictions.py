"""Predictions: of single sentences, kept by what each depends on, and of lists of sentences for evaluations."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.dialects.sqlite import insert
from sqlmodel import Session, SQLModel, col, select

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.tables import MODEL_KINDS, LabelScore, ModelKind, PredictionRun, SentencePrediction
from sam_hub.errors import CatalogError
from sam_hub.ner import Entity

# SQLite takes a limited number of values in one statement; older versions 999.
VALUES_AT_ONCE = 500

Entities = tuple[tuple[Entity, ...], ...]
Value = TypeVar("Value", int, str)


@dataclass(frozen=True)
class CacheKey:
    """All that a sentence prediction depends on but the prompt: the model, and how it is asked.

    ``base_commit``: that of the base on which an adapter runs; empty for a model that is its own base.
    ``decoding``: every setting that can change an answer, in one spelling.
    """

    kind: ModelKind
    model_id: int
    base_commit: str
    decoding: str

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of its sentence predictions; with the prompt's hash they are unique together."""
        return {f"{self.kind}_id": self.model_id, "base_commit": self.base_commit, "decoding": self.decoding}


@dataclass(frozen=True)
class Question:
    """Which model was asked about which sentences, and how.

    ``labels`` keep their order, since the prompt does. ``decoding`` names every setting that can change an answer (the
    grammar, the number type, the commit of an adapter's base…), in one spelling.
    """

    kind: ModelKind
    model_id: int
    sentences_sha256: str
    prompt_format: str
    labels: tuple[str, ...]
    decoding: str

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of a prediction run that are unique together."""
        return {
            f"{self.kind}_id": self.model_id,
            "sentences_sha256": self.sentences_sha256,
            "prompt_format": self.prompt_format,
            "labels_sha256": hashlib.sha256(json.dumps(self.labels).encode()).hexdigest(),
            "decoding": self.decoding,
        }


@dataclass(frozen=True)
class Predictions:
    """A prediction run with its entities: those of each sentence, in order, and what went wrong on the way."""

    id: int
    kind: ModelKind
    model_id: int
    labels: tuple[str, ...]
    entities: Entities
    parse_failures: int
    misaligned: dict[str, int]
    seconds: float


def prompt_hash(prompt: str) -> str:
    """Return the SHA-256 (hex) of a prompt's text, under which its answers are kept."""
    return hashlib.sha256(prompt.encode()).hexdigest()


def find_sentences(catalog: Catalog, key: CacheKey, prompts: Collection[str]) -> dict[str, SentencePrediction]:
    """Return the kept answers to these prompts, by the prompt's hash; those that are missing must be computed.

    Args:
        prompts: hashes, as `prompt_hash` makes them.
    """
    columns = (col(getattr(SentencePrediction, name)) == value for name, value in key.columns.items())
    query = select(SentencePrediction).where(*columns)
    rows: dict[str, SentencePrediction] = {}
    with catalog.session() as session:
        for some in _portions(prompts):
            found = session.exec(query.where(col(SentencePrediction.prompt_sha256).in_(some)))
            rows |= {row.prompt_sha256: row for row in found}
    return rows


def put_sentences(catalog: Catalog, rows: Sequence[SentencePrediction]) -> None:
    """Keep answers, all in one transaction. Where another process has kept one already, that one stays."""
    with catalog.writing() as session:
        _insert(session, rows)


def get_run(catalog: Catalog, question: Question) -> Predictions | None:
    """Return the kept predictions that answer this question; None if they must be computed."""
    with catalog.session() as session:
        return _find_run(session, question)


def put_run(
    catalog: Catalog, question: Question, rows: Sequence[SentencePrediction], target_id: int | None = None
) -> Predictions:
    """Keep a run made of kept sentence predictions. Where another process was faster, return its run instead.

    Args:
        rows: in the order of the sentences; one that stands twice was computed once.
        target_id: the target for which it was computed; the run goes with it.
    """
    misaligned: Counter[str] = Counter()
    for row in rows:
        misaligned.update(row.misaligned)
    with catalog.writing() as session:
        return _put_run(
            session,
            question,
            sentence_ids=[row.id for row in rows],
            parse_failures=sum(row.parse_failed for row in rows),
            misaligned=dict(misaligned),
            seconds=sum({row.id: row.seconds for row in rows}.values()),
            target_id=target_id,
        )


def put_entities(
    catalog: Catalog,
    question: Question,
    entities: Sequence[Sequence[Entity]],
    *,
    parse_failures: int = 0,
    misaligned: Mapping[str, int] | None = None,
    seconds: float = 0.0,
    target_id: int | None = None,
) -> Predictions:
    """Keep the entities of all sentences of a question, where they were not predicted sentence by sentence.

    Where another process was faster, return its run instead.
    """
    key = CacheKey(question.kind, question.model_id, "", question.decoding)
    about = [question.sentences_sha256, question.prompt_format, question.labels]
    rows = [
        SentencePrediction(
            **key.columns,
            prompt_sha256=prompt_hash(json.dumps([*about, number])),
            entities=[[e.start, e.end, e.text, e.label] for e in sentence],
        )
        for number, sentence in enumerate(entities)
    ]
    put_sentences(catalog, rows)
    kept = find_sentences(catalog, key, [row.prompt_sha256 for row in rows])
    with catalog.writing() as session:
        return _put_run(
            session,
            question,
            sentence_ids=[kept[row.prompt_sha256].id for row in rows],
            parse_failures=parse_failures,
            misaligned=dict(misaligned or {}),
            seconds=seconds,
            target_id=target_id,
        )


def runs_by_id(catalog: Catalog, ids: Sequence[int]) -> list[Predictions]:
    """Return the predictions from which an evaluation was computed, in the order of ``ids``.

    Raises:
        CatalogError: one was removed since, with its model or target.
    """
    with catalog.session() as session:
        runs = [session.get(PredictionRun, number) for number in ids]
        if None in runs:
            raise CatalogError(
                "A prediction behind this evaluation was removed, with its model or its target",
                "Run `sam-hub evaluate` again.",
            )
        return [_with_entities(session, run) for run in runs if run]


def _find_run(session: Session, question: Question) -> Predictions | None:
    wanted = (col(getattr(PredictionRun, name)) == value for name, value in question.columns.items())
    run = session.exec(select(PredictionRun).where(*wanted)).first()
    return _with_entities(session, run) if run else None


def _put_run(session: Session, question: Question, **values: Any) -> Predictions:
    if known := _find_run(session, question):
        return known
    run = PredictionRun(**question.columns, labels=list(question.labels), **values)
    session.add(run)
    session.flush()
    return _with_entities(session, run)


def _with_entities(session: Session, run: PredictionRun) -> Predictions:
    rows: dict[int, Sequence[Any]] = {}
    for some in _portions(run.sentence_ids):
        query = select(SentencePrediction.id, SentencePrediction.entities)
        rows |= dict(session.exec(query.where(col(SentencePrediction.id).in_(some))).all())
    kind = next(kind for kind in MODEL_KINDS if getattr(run, f"{kind}_id") is not None)
    return Predictions(
        run.id or 0,
        kind,
        getattr(run, f"{kind}_id"),
        tuple(run.labels),
        tuple(tuple(Entity(*entity) for entity in rows[number]) for number in run.sentence_ids),
        run.parse_failures,
        run.misaligned,
        run.seconds,
    )


def find_label_scores(
    catalog: Catalog, base_id: int, decoding: str, prompts: Collection[str]
) -> dict[str, list[float]]:
    """Return the kept scores of the labels, by the prompt's hash; those that are missing must be computed."""
    scores: dict[str, list[float]] = {}
    query = select(LabelScore).where(LabelScore.base_id == base_id, LabelScore.decoding == decoding)
    with catalog.session() as session:
        for some in _portions(prompts):
            rows = session.exec(query.where(col(LabelScore.prompt_sha256).in_(some)))
            scores |= {row.prompt_sha256: row.scores for row in rows}
    return scores


def put_label_scores(catalog: Catalog, base_id: int, decoding: str, scores: Mapping[str, Sequence[float]]) -> None:
    """Keep scores by the prompt's hash. Where another process has kept some already, those stay."""
    rows = [
        LabelScore(base_id=base_id, prompt_sha256=prompt, decoding=decoding, scores=list(row))
        for prompt, row in scores.items()
    ]
    with catalog.writing() as session:
        _insert(session, rows)


def _insert(session: Session, rows: Sequence[SQLModel]) -> None:
    if not rows:
        return
    values = [row.model_dump(exclude={"id"}) for row in rows]
    session.connection().execute(insert(type(rows[0])).on_conflict_do_nothing(), values)


def _portions(values: Collection[Value]) -> Iterator[list[Value]]:
    ordered = sorted(set(values))
    for first in range(0, len(ordered), VALUES_AT_ONCE):
        yield ordered[first : first + VALUES_AT_ONCE]
