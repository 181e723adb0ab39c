"""The lists of the UI, read without SQLAlchemy: they agree with the catalog's own, and stay quick when it is large."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import delete

from sam_hub.catalog import queries
from sam_hub.catalog.descriptors import put_descriptor
from sam_hub.catalog.engine import open_catalog
from sam_hub.catalog.experts import list_experts
from sam_hub.catalog.history import record_selections
from sam_hub.catalog.queries import (
    SORTS,
    ExpertQuery,
    TargetRow,
    browse_experts,
    browse_targets,
    experts_named,
    experts_on_disk,
    is_ready,
    label_sets,
    position_of,
)
from sam_hub.catalog.tables import Descriptor, Expert, Selection, Target
from sam_hub.catalog.targets import put_target
from sam_hub.errors import CatalogError, UsageError
from sam_hub.selection.label_matching import count_experts

from .conftest import commit_of, expert_of
from .test_history import descriptor_of

COLUMNS = ("repo", "domain", "base_repo", "size_bytes", "added_at")
SCORES = ("similarity", "sampling")
WAYS = pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
LABELS = ["person", "location", "art", "article", 'the "real" name', "back\\slash", "50%", "snake_case", "人名"]
COUNT = 60


@pytest.fixture
def filled(catalog, target):
    """Experts with many ties and gaps, some of which have a cosine, some a place in the target's ranking."""
    dice = random.Random(7)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = []
    for number in range(COUNT):
        given = {
            "domain": dice.choice(["legal", "bio", "50%", None]),
            "base_repo": dice.choice(["o/small", "o/large"]),
            "size_bytes": 10 * dice.randrange(5),
            "labels": dice.sample(LABELS, dice.randrange(4)),
            "path": dice.choice([None, "/models/here"]),
        }
        values = expert_of(f"{dice.choice('ab')}/ner_{number}", **given).model_dump()
        rows.append(Expert(**values, added_at=start + timedelta(hours=dice.randrange(9))))
    old = Expert(**expert_of("a/ner_0").model_dump() | {"commit": commit_of("old")}, current=False)
    with catalog.writing() as session:
        session.add_all([*rows, old])
    put_descriptor(catalog, descriptor_of([1, 0], target_id=target.id))
    for row in rows[::2]:
        put_descriptor(catalog, descriptor_of([dice.randrange(-3, 4), 1], expert_id=row.id))
    record_selections(catalog, sampling(target, {rows[0].repo: 0.99}))  # an earlier one
    record_selections(catalog, sampling(target, {row.repo: dice.randrange(9) / 10 for row in rows[::3]}))
    return catalog


def sampling(target: Target, scores: dict[str, float]) -> Selection:
    ranking = [
        {"expert": repo, "score": score, "low": score - 0.1, "high": score + 0.1, "covers": ["person"], "note": ""}
        for repo, score in scores.items()
    ]
    return Selection(target_id=target.id, method="sampling", k=1, ranking=ranking, chosen=[])


def whole(catalog, query: ExpertQuery) -> list[queries.ExpertRow]:
    return list(browse_experts(catalog.path, query, limit=1000).rows)


@WAYS
@pytest.mark.parametrize("sort", COLUMNS)
@pytest.mark.parametrize("text", ["", "legal", "A/NER_1 art", "50%", "nothing like it"])
def test_a_list_is_what_the_catalog_lists(filled, text, sort, descending):
    query = ExpertQuery(text, sort, descending)
    expected = list_experts(filled, query)
    assert [row.id for row in whole(filled, query)] == [expert.id for expert in expected]
    page = browse_experts(filled.path, query, limit=7, offset=3)
    assert [row.id for row in page.rows] == [expert.id for expert in expected[3:10]]
    assert (page.offset, page.total, page.catalog_total) == (3, len(expected), COUNT)


def test_a_row_tells_by_what_text_the_expert_is_described(filled):
    described = list_experts(filled)[0]
    put_descriptor(filled, descriptor_of([1, 0], ("bge-small", "v1.5"), expert_id=described.id))
    [row] = experts_named(filled.path, [described.repo])
    latest = row.described[0]
    assert (latest.embedder, latest.revision, latest.origin, latest.count) == ("bge-small", "v1.5", "repo", 3)
    with filled.writing() as session:
        session.exec(delete(Descriptor).where(Descriptor.expert_id == described.id))
    [plain] = experts_named(filled.path, [described.repo])
    assert plain.described == ()


@WAYS
@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("text", ["", "person"])
def test_the_position_of_an_expert_is_where_paging_shows_it(filled, target, text, sort, descending):
    query = ExpertQuery(text, sort, descending, target.id)
    pages = [browse_experts(filled.path, query, limit=9, offset=at).rows for at in range(0, COUNT, 9)]
    rows = [row for page in pages for row in page]
    assert len({row.id for row in rows}) == len(rows) == len(list_experts(filled, query))
    assert [position_of(filled.path, query, row.id) for row in rows[::5]] == list(range(len(rows)))[::5]


def test_an_expert_that_does_not_fit_has_no_position(filled):
    first = list_experts(filled)[0]
    assert position_of(filled.path, ExpertQuery("nothing like it"), first.id) is None
    assert position_of(filled.path, ExpertQuery(), 9999) is None


def test_a_row_holds_what_the_catalog_holds(filled):
    for row, expert in zip(whole(filled, ExpertQuery()), list_experts(filled), strict=True):
        names = ("id", "repo", "commit", "kind", "rank", "base_repo", "base_sha256", "license", "domain")
        assert [getattr(row, name) for name in names] == [getattr(expert, name) for name in names]
        assert (row.labels, row.size_bytes) == (tuple(expert.labels), expert.size_bytes)
        assert row.on_disk == (expert.path is not None)
        assert (row.similarity, row.sampling, row.sampling_low, row.sampling_high) == (None,) * 4


def test_scores_come_with_a_target_where_they_are_known(filled, target):
    rows = whole(filled, ExpertQuery(target_id=target.id))
    assert sum(row.similarity is not None for row in rows) == COUNT // 2
    probed = [row for row in rows if row.sampling is not None]
    assert len(probed) == COUNT // 3  # of the latest ranking alone
    assert max(row.sampling for row in probed) < 0.9
    for row in probed:
        assert (row.sampling_low, row.sampling_high) == pytest.approx((row.sampling - 0.1, row.sampling + 0.1))


@WAYS
@pytest.mark.parametrize("sort", SCORES)
def test_experts_are_sorted_by_score_and_those_without_one_come_last(filled, target, sort, descending):
    scores = [getattr(row, sort) for row in whole(filled, ExpertQuery("", sort, descending, target.id))]
    known = [score for score in scores if score is not None]
    assert known == sorted(known, reverse=descending)
    assert scores == known + [None] * (len(scores) - len(known))


def test_scores_of_one_target_are_not_shown_for_another(filled):
    other = {"corpus_path": "/corpora/law.txt", "sentence_count": 3, "corpus_sha256": "d" * 64}
    law = put_target(filled, Target(name="law", labels=["court"], **other))
    assert {(row.similarity, row.sampling) for row in whole(filled, ExpertQuery(target_id=law.id))} == {(None, None)}


@pytest.mark.parametrize("sort", ["colour", "similarity", "sampling", "repo; DROP TABLE expert"])
def test_a_sort_that_makes_no_sense_is_refused(filled, sort):
    with pytest.raises(UsageError, match="can't be sorted"):
        browse_experts(filled.path, ExpertQuery(sort=sort), limit=1)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("%", {"o/100%"}),
        ("_", {"o/a_b"}),
        ("\\", {"o/back"}),
        ('"', {"o/quoted"}),
        ("'", {"o/apostrophe"}),
        ("';--", set()),
        ("人", {"o/chinese"}),
        ("O/A_", {"o/a_b"}),
        ("b o/a", {"o/a_b"}),
    ],
)
def test_what_is_typed_is_taken_literally(catalog, add, text, found):
    for repo, label in {
        "o/100%": "x",
        "o/a_b": "x",
        "o/back": "a\\c",
        "o/quoted": 'so "called"',
        "o/apostrophe": "l'art",
        "o/chinese": "人名",
    }.items():
        add(repo, labels=[label], domain=None)
    assert {row.repo for row in whole(catalog, ExpertQuery(text))} == found
    assert {expert.repo for expert in list_experts(catalog, ExpertQuery(text))} == found


def test_those_that_cover_a_type_are_counted_and_those_of_them_on_disk(catalog, add):
    """Names are matched as a selection does; baselines are not counted."""
    add("o/one", labels=["art", 'the "real" name'], path="/models/one")
    add("o/unified", labels=["art", "film"], details={"role": "baseline"})
    add("o/film", labels=["films"], path="/models/film")
    add("o/two", labels=["art", "back\\slash", "50%", "人名"])
    add("o/three", labels=["article", "500"], path="/models/three")
    wanted = ["art", "article", 'the "real" name', "back\\slash", "50%", "人名", "judge"]
    assert count_experts([*wanted, "movie"], label_sets(catalog.path)) == {
        "art": (2, 1),
        "article": (1, 1),
        'the "real" name': (1, 1),
        "back\\slash": (1, 0),
        "50%": (1, 0),
        "人名": (1, 0),
        "judge": (0, 0),
        "movie": (1, 1),
    }
    assert count_experts([], label_sets(catalog.path)) == {}
    baselines = [row.repo for row in browse_experts(catalog.path, ExpertQuery(), limit=9).rows if row.is_baseline]
    assert baselines == ["o/unified"]


def test_which_of_the_found_repositories_are_listed_already(catalog, add):
    add("o/one"), add("o/t'wo"), add("o/three", path="/models/three")
    assert [row.repo for row in experts_named(catalog.path, ["o/t'wo", "o/four"])] == ["o/t'wo"]
    assert [row.repo for row in experts_on_disk(catalog.path)] == ["o/three"]


def test_targets_are_listed_by_name_with_their_types(catalog, target):
    about = {"corpus_path": "/a.txt", "sentence_count": 9, "corpus_sha256": "a" * 64, "gold_path": "/gold.jsonl"}
    first = put_target(catalog, Target(name="art", labels=['"', "人名"], **about))
    assert browse_targets(catalog.path) == [
        TargetRow(first.id, "art", ('"', "人名"), 9, "/gold.jsonl"),
        TargetRow(target.id, "court", ("person", "court"), 3, None),
    ]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The path of a catalog with 100,000 experts, and a target to all of which they have a cosine."""
    path = tmp_path_factory.mktemp("large") / "catalog.db"
    open_catalog(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO target VALUES (1, '2026-01-01', 'court', '[]', '/corpora/court.txt', 3, 'c', NULL)"
        )
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
            "INSERT INTO expert (id, repo, 'commit', kind, base_repo, target_modules, labels, domain, size_bytes, "
            "details, current, added_at) SELECT i, printf('o/%06d', i * 7919 % 100003), 'a', 'adapter', "
            "'o/base-' || (i % 9), '[]', '[\"person\"]', 'domain ' || (i % 50), i % 1000, '{}', 1, "
            "printf('2026-01-%02d', i % 28) FROM n"
        )
        connection.execute(
            "INSERT INTO similarity (target_id, expert_id, embedder, revision, cosine) "
            "SELECT 1, id, 'mini', '1', (id % 2000) / 1000.0 - 1 FROM expert"
        )
    return path


@WAYS
@pytest.mark.parametrize("sort", COLUMNS)
def test_a_column_of_a_large_catalog_is_sorted_by_its_index(large, sort, descending, monkeypatch):
    plans = []

    def connect(path):
        connection = sqlite3.connect(path, isolation_level=None)
        return Explaining(connection, plans)

    monkeypatch.setattr(queries, "connect", connect)
    first = browse_experts(large, ExpertQuery("", sort, descending), limit=100)
    deep = browse_experts(large, ExpertQuery("", sort, descending), limit=100, offset=90_000)
    with_scores = browse_experts(large, ExpertQuery("", sort, descending, 1), limit=100, offset=90_000)
    assert (len(first.rows), first.total) == (100, 100_000)
    assert [row.id for row in with_scores.rows] == [row.id for row in deep.rows]
    assert len(plans) >= 6
    assert [plan for plan in plans if "TEMP B-TREE" in plan] == []


class Explaining:
    """A connection that notes how SQLite goes about each SELECT."""

    def __init__(self, connection: sqlite3.Connection, plans: list[str]) -> None:
        self._connection, self._plans = connection, plans
        self.close = connection.close

    def execute(self, sql: str, values=()):
        if "SELECT" in sql:
            plan = self._connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
            self._plans.append("; ".join(row[3] for row in plan))
        return self._connection.execute(sql, values)


@pytest.mark.parametrize("sort", SORTS)
def test_any_page_of_a_large_catalog_is_the_one_that_the_position_tells(large, sort):
    query = ExpertQuery("", sort, True, 1)
    page = browse_experts(large, query, limit=5, offset=77_777)
    assert position_of(large, query, page.rows[2].id) == 77_779


def test_a_catalog_is_ready_when_it_is_there_and_current(url, tmp_path):
    path = tmp_path / "home" / "catalog.db"
    assert not is_ready(path)
    assert not path.exists()
    with open_catalog(url):
        assert is_ready(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    assert not is_ready(path)


def test_a_catalog_that_cannot_be_served_is_explained(url, tmp_path):
    path = tmp_path / "home" / "catalog.db"
    path.parent.mkdir()
    path.write_bytes(b"no database at all, " * 99)
    for read in (is_ready, browse_targets):
        with pytest.raises(CatalogError, match="damaged"):
            read(path)


def test_reading_loads_nothing_but_the_standard_library(url):
    open_catalog(url).close()
    code = (
        "import sys; from pathlib import Path; from sam_hub.catalog.queries import *; "
        "browse_experts(Path(sys.argv[1]), ExpertQuery('a'), limit=9); "
        "print([name for name in ('sqlalchemy', 'sqlmodel', 'pydantic', 'numpy') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, url.removeprefix("sqlite:///")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"
