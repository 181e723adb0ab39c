"""Answers to single sentences, kept by what each depends on, so that no question is ever computed twice."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.dialects.sqlite import insert
from sqlmodel import col, select

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.tables import Answer, ModelKind

# SQLite takes a limited number of values in one statement; older ones 999.
VALUES_AT_ONCE = 500


@dataclass(frozen=True)
class CacheKey:
    """Which model is asked, and how: all that an answer depends on but the prompt.

    ``base_commit``: of the base on which an adapter runs; empty for a model that is its own base.
    ``decoding``: every setting that can change an answer, in one spelling.
    """

    kind: ModelKind
    model_id: int
    base_commit: str
    decoding: str

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of its answers; with the prompt's hash they are unique together."""
        return {
            f"{self.kind}_id": self.model_id,
            "base_commit": self.base_commit,
            "decoding": self.decoding,
        }


def prompt_hash(prompt: str) -> str:
    """SHA-256 (hex) of a prompt's text: under it, its answers are kept."""
    return hashlib.sha256(prompt.encode()).hexdigest()


def find_answers(catalog: Catalog, asked: CacheKey, prompts: Collection[str]) -> dict[str, Answer]:
    """The kept answers to these prompts, by the prompt's hash; those that are missing are to be computed.

    Args:
        prompts: hashes, as `prompt_hash` makes them.
    """
    wanted, found = sorted(prompts), {}
    query = select(Answer).where(*(col(getattr(Answer, name)) == v for name, v in asked.columns.items()))
    with catalog.session() as session:
        for first in range(0, len(wanted), VALUES_AT_ONCE):
            some = wanted[first : first + VALUES_AT_ONCE]
            rows = session.exec(query.where(col(Answer.prompt_sha256).in_(some)))
            found |= {row.prompt_sha256: row for row in rows}
    return found


def put_answers(catalog: Catalog, answers: Sequence[Answer]) -> None:
    """Keep answers, all in one transaction. Where one is kept already, by another process, that one stays."""
    if not answers:
        return
    rows = [answer.model_dump(exclude={"id"}) for answer in answers]
    with catalog.writing() as session:
        session.connection().execute(insert(Answer).on_conflict_do_nothing(), rows)
