"""Predictions: of single sentences, kept by what each depends on, and of lists of sentences for evaluations."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func
from sqlalchemy.dialects.sqlite import insert
from sqlmodel import Session, SQLModel, col, select

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.tables import MODEL_KINDS, LabelScore, ModelKind, PredictionRun, SentencePrediction
from sam_hub.errors import CatalogError
from sam_hub.ner import Entity

Entities = tuple[tuple[Entity, ...], ...]


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
    query = select(SentencePrediction).where(*_equal(SentencePrediction, key.columns))
    rows = catalog.all(query.where(_one_of(SentencePrediction.prompt_sha256, prompts)))
    return {row.prompt_sha256: row for row in rows}


def put_new(catalog: Catalog, rows: Sequence[SQLModel]) -> None:
    """Keep rows of one table, all in one transaction. Where another process has kept one already, that one stays."""
    if rows:
        values = [row.model_dump(exclude={"id"}) for row in rows]
        with catalog.writing() as session:
            session.connection().execute(insert(type(rows[0])).on_conflict_do_nothing(), values)


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
    run = PredictionRun(
        **question.columns,
        labels=list(question.labels),
        sentence_ids=[row.id for row in rows],
        parse_failures=sum(row.parse_failed for row in rows),
        misaligned=dict(misaligned),
        seconds=sum({row.id: row.seconds for row in rows}.values()),
        target_id=target_id,
    )
    with catalog.writing() as session:
        if kept := _find_run(session, question):
            return kept
        session.add(run)
        session.flush()
        return _with_entities(session, run)


def put_entities(
    catalog: Catalog,
    question: Question,
    entities: Sequence[Sequence[Entity]],
    *,
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
            seconds=0.0 if number else seconds,  # of all of them together
        )
        for number, sentence in enumerate(entities)
    ]
    put_new(catalog, rows)
    kept = find_sentences(catalog, key, [row.prompt_sha256 for row in rows])
    return put_run(catalog, question, [kept[row.prompt_sha256] for row in rows], target_id)


def runs_by_id(catalog: Catalog, ids: Sequence[int]) -> list[Predictions]:
    """Return the predictions from which an evaluation was computed, in the order of ``ids``.

    Raises:
        CatalogError: one was removed since, with its model or target.
    """
    with catalog.session() as session:
        runs = [run for number in ids if (run := session.get(PredictionRun, number))]
        if len(runs) < len(ids):
            raise CatalogError(
                "A prediction behind this evaluation was removed, with its model or its target",
                "Run `sam-hub evaluate` again.",
            )
        return [_with_entities(session, run) for run in runs]


def _find_run(session: Session, question: Question) -> Predictions | None:
    run = session.exec(select(PredictionRun).where(*_equal(PredictionRun, question.columns))).first()
    return _with_entities(session, run) if run else None


def _with_entities(session: Session, run: PredictionRun) -> Predictions:
    query = select(SentencePrediction.id, SentencePrediction.entities)
    rows = dict(session.exec(query.where(_one_of(SentencePrediction.id, run.sentence_ids))).all())
    kind = next(kind for kind in MODEL_KINDS if getattr(run, f"{kind}_id") is not None)
    return Predictions(
        run.id,
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
    query = select(LabelScore).where(LabelScore.base_id == base_id, LabelScore.decoding == decoding)
    return {
        row.prompt_sha256: row.scores for row in catalog.all(query.where(_one_of(LabelScore.prompt_sha256, prompts)))
    }


def put_label_scores(catalog: Catalog, base_id: int, decoding: str, scores: Mapping[str, Sequence[float]]) -> None:
    """Keep scores by the prompt's hash. Where another process has kept some already, those stay."""
    rows = []
    for prompt, row in scores.items():
        rows.append(LabelScore(base_id=base_id, prompt_sha256=prompt, decoding=decoding, scores=list(row)))
    put_new(catalog, rows)


def _equal(table: type[SQLModel], columns: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    return [col(getattr(table, name)) == value for name, value in columns.items()]


def _one_of(column: Any, values: Collection[int] | Collection[str]) -> ColumnElement[bool]:
    """Whether a column holds one of many values: as one of JSON, since SQLite limits how many a statement takes."""
    return col(column).in_(select(func.json_each(json.dumps(list(values))).table_valued("value").c.value))
