"""What lists show: experts and targets, filtered, sorted and paged in SQL.

Imports nothing but the standard library, so that the first rows are on a screen before SQLAlchemy could be imported
(0.37 s at 100,000 experts). `sam_hub.catalog.experts.list_experts` runs the same SQL.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_hub.catalog.schema import connect, explained, is_current
from sam_hub.errors import UsageError

# Each sort with the order in SQL. Experts without a score come last, up or down; ties go by name.
SORTS = {
    "repo": "expert.repo",
    "domain": "expert.domain",
    "base_repo": "expert.base_repo",
    "size_bytes": "expert.size_bytes",
    "added_at": "expert.added_at",
    "similarity": "sim.cosine",
    "sampling": "sampled.f1",
}
OF_A_TARGET = ("similarity", "sampling")
_OWN = (
    'expert.id, expert.repo, expert."commit", expert.kind, expert.rank, expert.base_repo, expert.base_sha256, '
    "expert.license, expert.labels, expert.domain, expert.size_bytes, expert.path IS NOT NULL, "
    "coalesce(json_extract(expert.details, '$.role'), '') = 'baseline'"
)
_SCORES = "sim.cosine, sampled.f1, sampled.low, sampled.high"
# Scores by sampling are those of the target's latest ranking.
_JOINS = (
    "LEFT JOIN similarity AS sim ON sim.target_id = :target AND sim.expert_id = expert.id "
    "LEFT JOIN sampling_score AS sampled ON sampled.expert_id = expert.id AND sampled.selection_id = "
    "(SELECT max(id) FROM selection WHERE target_id = :target AND method = 'sampling')"
)


@dataclass(frozen=True)
class ExpertQuery:
    """Which experts to list, and in which order.

    Args:
        text: words, each of which occurs in the name, the domain or a label, whatever the case.
        sort: one of `SORTS`; ties go by name, in the same direction.
        target_id: the target for which to have scores.
        labels: entity types, all of which the expert covers.
        base: the base's repository or the hash of its weights.
    """

    text: str = ""
    sort: str = "repo"
    descending: bool = False
    target_id: int | None = None
    labels: tuple[str, ...] = ()
    base: str = ""


@dataclass(frozen=True)
class Description:
    """By what text an expert is described; ``origin`` is a `sam_hub.catalog.descriptor_sources.Origin`."""

    embedder: str
    revision: str
    origin: str
    count: int


@dataclass(frozen=True)
class ExpertRow:
    """An expert as a list shows it; the four scores are None without a target, or where they are not known.

    ``described`` has an entry for each embedder, the latest first.
    """

    id: int
    repo: str
    commit: str
    kind: str
    rank: int | None
    base_repo: str
    base_sha256: str | None
    license: str | None
    labels: tuple[str, ...]
    domain: str | None
    size_bytes: int
    on_disk: bool
    is_baseline: bool
    similarity: float | None
    sampling: float | None
    sampling_low: float | None
    sampling_high: float | None
    described: tuple[Description, ...] = ()


@dataclass(frozen=True)
class Page:
    """Some rows: from ``offset`` on of the ``total`` that fit, out of ``catalog_total`` experts."""

    rows: tuple[ExpertRow, ...]
    offset: int
    total: int
    catalog_total: int


@dataclass(frozen=True)
class TargetRow:
    """A target as a list shows it."""

    id: int
    name: str
    labels: tuple[str, ...]
    sentence_count: int
    gold_path: str | None


def is_ready(path: Path) -> bool:
    """Return whether the catalog can be read as it is; if not, `open_catalog` makes or migrates it.

    Raises:
        CatalogError: it can't be served at all: damaged, another program's, or a newer sam-hub's.
    """
    with explained(path):
        return path.exists() and is_current(path)


def browse_experts(path: Path, query: ExpertQuery, *, limit: int, offset: int = 0) -> Page:
    """Return a page of the current experts that fit.

    Raises:
        UsageError: there is no such sort.
        CatalogError: the catalog can't be read.
    """
    scores = _SCORES if query.target_id is not None else "NULL, NULL, NULL, NULL"
    sql, values = experts_sql(query, f"{_OWN}, {scores}")
    with _reading(path) as connection:
        catalog_total = total = connection.execute("SELECT count(*) FROM expert WHERE current").fetchone()[0]
        where, _ = _filter(query)
        if where != _filter(ExpertQuery())[0]:
            total = connection.execute(f"SELECT count(*) FROM expert WHERE {where}", values).fetchone()[0]
        rows = _rows(connection, f"{sql} LIMIT :limit OFFSET :offset", {**values, "limit": limit, "offset": offset})
    return Page(tuple(rows), offset, total, catalog_total)


def experts_sql(query: ExpertQuery, columns: str) -> tuple[str, dict[str, object]]:
    """Return the SQL that selects columns of the current experts that fit, in their order, and its values."""
    where, values = _filter(query)
    return f"{_from(query, columns)} WHERE {where} ORDER BY {_order(query)}", values


def experts_named(path: Path, repos: Sequence[str]) -> list[ExpertRow]:
    """Return the current experts of these repositories, without scores; those that are not there are left out."""
    return _some(path, "expert.repo IN (SELECT value FROM json_each(:repos))", repos=json.dumps(list(repos)))


def experts_on_disk(path: Path) -> list[ExpertRow]:
    """Return the current experts whose files are here, by name, without scores."""
    return _some(path, "expert.path IS NOT NULL")


def _some(path: Path, condition: str, **values: object) -> list[ExpertRow]:
    sql = f"SELECT {_OWN}, NULL, NULL, NULL, NULL FROM expert WHERE current AND {condition} ORDER BY expert.repo"
    with _reading(path) as connection:
        return _rows(connection, sql, values)


def position_of(path: Path, query: ExpertQuery, expert_id: int) -> int | None:
    """Return how many experts stand before this one in the order of the query; None if it is not among them."""
    where, values = _filter(query)
    columns = f"expert.id AS id, row_number() OVER (ORDER BY {_order(query)}) - 1 AS place"
    sql = f"SELECT place FROM ({_from(query, columns)} WHERE {where}) WHERE id = :id"
    with _reading(path) as connection:
        row = connection.execute(sql, {**values, "id": expert_id}).fetchone()
    return row[0] if row else None


def _from(query: ExpertQuery, columns: str) -> str:
    """The beginning of a query, up to its WHERE; scores are joined where there is a target to have them for."""
    return f"SELECT {columns} FROM expert {'' if query.target_id is None else _JOINS}"


def _order(query: ExpertQuery) -> str:
    if query.sort not in SORTS or (query.target_id is None and query.sort in OF_A_TARGET):
        raise UsageError(f"Experts can't be sorted by '{query.sort}'", f"Sort by one of: {', '.join(SORTS)}.")
    way = "DESC" if query.descending else "ASC"
    columns = dict.fromkeys([SORTS[query.sort], "expert.repo"])
    order = ", ".join(f"{column} {way}" for column in columns)  # one way for all: an index is read backwards
    return f"{SORTS[query.sort]} IS NULL, {order}" if query.sort in OF_A_TARGET else order


def _filter(query: ExpertQuery) -> tuple[str, dict[str, object]]:
    """Return the WHERE and the values of the whole query."""
    values: dict[str, object] = {}
    parts = ["expert.current"]
    if query.target_id is not None:
        values["target"] = query.target_id
    if query.base:
        values["base"] = query.base
        parts.append("(expert.base_repo = :base OR expert.base_sha256 = :base)")
    for number, label in enumerate(query.labels):
        values[f"label{number}"] = _label_pattern(label)
        parts.append(f"expert.labels LIKE :label{number} ESCAPE '\\'")
    for number, word in enumerate(query.text.split()):
        values[f"word{number}"] = _pattern(word)
        values[f"json{number}"] = _pattern(json.dumps(word)[1:-1])  # labels are kept as JSON
        places = " OR ".join(
            f"expert.{column} LIKE :{name}{number} ESCAPE '\\'"
            for column, name in (("repo", "word"), ("domain", "word"), ("labels", "json"))
        )
        parts.append(f"({places})")
    return " AND ".join(parts), values


def _label_pattern(label: str) -> str:
    return _pattern(json.dumps(label))  # labels are kept as JSON; with its quotes, "art" does not find "article"


def _pattern(word: str) -> str:
    literal = re.sub(r"([\\%_])", r"\\\1", word)
    return f"%{literal}%"


def _rows(connection: sqlite3.Connection, sql: str, values: dict[str, object]) -> list[ExpertRow]:
    """The rows, with what they are described by: a query of its own, since a sort would join it for all experts."""
    rows = connection.execute(sql, values).fetchall()
    described: dict[int, list[Description]] = {}
    descriptors = connection.execute(
        "SELECT id, expert_id, embedder, revision, origin, count FROM descriptor "
        "WHERE expert_id IN (SELECT value FROM json_each(?))",
        (json.dumps([row[0] for row in rows]),),
    ).fetchall()
    for _, expert_id, *facts in sorted(descriptors, reverse=True):
        described.setdefault(expert_id, []).append(Description(*facts))
    return [_row([*row, tuple(described.get(row[0], ()))]) for row in rows]


def _row(values: list[Any]) -> ExpertRow:
    values[8], values[11:13] = tuple(json.loads(values[8])), map(bool, values[11:13])
    return ExpertRow(*values)


def browse_targets(path: Path) -> list[TargetRow]:
    """Return all targets, by name."""
    sql = "SELECT id, name, labels, sentence_count, gold_path FROM target ORDER BY name"
    with _reading(path) as connection:
        rows = connection.execute(sql).fetchall()
    return [TargetRow(id_, name, tuple(json.loads(labels)), *rest) for id_, name, labels, *rest in rows]


def label_sets(path: Path) -> list[tuple[tuple[str, ...], int, int]]:
    """Return each set of labels of current experts, how many have it, and how many of those are on disk."""
    sql = (
        "SELECT labels, count(*), count(path) FROM expert WHERE current "
        "AND coalesce(json_extract(details, '$.role'), '') != 'baseline' GROUP BY labels"
    )
    with _reading(path) as connection:
        return [(tuple(json.loads(labels)), *counts) for labels, *counts in connection.execute(sql)]


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with explained(path), closing(connect(path)) as connection:
        connection.execute("BEGIN")  # one view for all that is read
        yield connection
