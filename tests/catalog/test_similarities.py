"""Cosines of experts to targets are kept with the descriptors they come from, and go with them."""

from __future__ import annotations

import shutil

import pytest
from sqlalchemy import text
from sqlmodel import delete, select

from sam_hub.catalog.descriptors import pack, put_descriptor
from sam_hub.catalog.engine import open_catalog
from sam_hub.catalog.removal import execute_removal, plan_removal
from sam_hub.catalog.schema import MIGRATIONS
from sam_hub.catalog.tables import Expert, Similarity, Target
from sam_hub.catalog.targets import put_target

from .test_work import MINILM, descriptor_of

OTHER_EMBEDDER = ("bge-small", "v1.5")


def cosines(catalog) -> dict[tuple[str, str], float]:
    """By the names of target and expert."""
    pair = (Similarity.target_id == Target.id, Similarity.expert_id == Expert.id)
    query = select(Target.name, Expert.repo, Similarity.cosine).where(*pair)
    with catalog.session() as session:
        return {(target, expert): cosine for target, expert, cosine in session.exec(query)}


@pytest.fixture
def law(catalog) -> Target:
    other = {"corpus_path": "/corpora/law.txt", "sentence_count": 3, "corpus_sha256": "d" * 64}
    return put_target(catalog, Target(name="law", labels=["court"], **other))


@pytest.fixture
def described(catalog, add, target, law):
    """Two targets and two experts, described in turns."""
    put_descriptor(catalog, descriptor_of([1, 0], target_id=target.id))
    put_descriptor(catalog, descriptor_of([3, 0], expert_id=add("o/near").id))
    put_descriptor(catalog, descriptor_of([0, 1], expert_id=add("o/far").id))
    put_descriptor(catalog, descriptor_of([0, 7], target_id=law.id))
    return catalog


def test_whichever_side_is_described_last_all_pairs_have_a_cosine(described):
    assert cosines(described) == pytest.approx(
        {("court", "o/near"): 1, ("court", "o/far"): 0, ("law", "o/near"): 0, ("law", "o/far"): 1}
    )


def test_an_expert_described_again_gets_new_cosines(described, add):
    put_descriptor(described, descriptor_of([1, 1], expert_id=add("o/far").id))
    assert cosines(described) == pytest.approx(
        {
            ("court", "o/near"): 1,
            ("court", "o/far"): 2**-0.5,
            ("law", "o/near"): 0,
            ("law", "o/far"): 2**-0.5,
        }
    )


def test_a_target_described_again_gets_new_cosines(described, target):
    put_descriptor(described, descriptor_of([-1, 0], target_id=target.id))
    assert cosines(described) == pytest.approx(
        {("court", "o/near"): -1, ("court", "o/far"): 0, ("law", "o/near"): 0, ("law", "o/far"): 1}
    )


def test_descriptors_of_two_embedders_have_no_cosine(described, add):
    put_descriptor(described, descriptor_of([1, 0], OTHER_EMBEDDER, expert_id=add("o/third").id))
    assert {expert for _, expert in cosines(described)} == {"o/near", "o/far"}


def test_a_descriptor_by_another_embedder_leaves_the_cosines_that_are_there(described, add):
    before = cosines(described)
    put_descriptor(described, descriptor_of([1, 0], OTHER_EMBEDDER, expert_id=add("o/far").id))
    assert cosines(described) == before


def test_the_cosines_of_a_removed_expert_are_gone(described, tmp_path):
    execute_removal(described, plan_removal(described, "near", tmp_path))
    assert set(cosines(described)) == {("court", "o/far"), ("law", "o/far")}


def test_the_cosines_of_a_deleted_target_are_gone(described, target):
    with described.writing() as session:
        session.exec(delete(Target).where(Target.id == target.id))
    assert set(cosines(described)) == {("law", "o/near"), ("law", "o/far")}


def test_a_target_of_another_corpus_does_not_keep_the_cosines_of_the_old_one(described):
    other = {"corpus_path": "/corpora/other.txt", "sentence_count": 9, "corpus_sha256": "9" * 64}
    put_target(described, Target(name="court", labels=["person", "court"], **other), replace=True)
    assert set(cosines(described)) == {("law", "o/near"), ("law", "o/far")}


def test_a_target_of_other_labels_keeps_them_for_its_text_is_the_same(described):
    same = {"corpus_path": "/corpora/court.txt", "sentence_count": 3, "corpus_sha256": "c" * 64}
    put_target(described, Target(name="court", labels=["judge"], **same), replace=True)
    assert len(cosines(described)) == 4


# A catalog as the first schema had it, in plain SQL: the tables of this program are later ones.
EXPERT = (
    "INSERT INTO expert (id, repo, 'commit', kind, base_repo, target_modules, labels, size_bytes, details, "
    "current, added_at) VALUES (:id, :repo, :commit, 'adapter', 'o/base', '[]', '[]', 0, '{}', 1, '2026-01-01')"
)
TARGET = (
    "INSERT INTO target (id, name, labels, corpus_path, sentence_count, corpus_sha256, created_at) "
    "VALUES (7, 'court', '[]', '/corpora/court.txt', 3, 'c', '2026-01-01')"
)
DESCRIPTOR = (
    "INSERT INTO descriptor (expert_id, target_id, embedder, revision, count, sentences_sha256, origin, vector, "
    "created_at) VALUES (:expert_id, :target_id, :embedder, :revision, 3, 'd', 'repo', :vector, '2026-01-01')"
)


@pytest.fixture
def first_schema(url, tmp_path):
    """The path of a catalog at 0001: a target, two experts described as it is, one by another embedder."""
    migrations = tmp_path / "first"
    shutil.copytree(MIGRATIONS, migrations)
    for later in sorted((migrations / "versions").glob("[0-9]*.py"))[1:]:
        later.unlink()
    with open_catalog(url, migrations) as catalog, catalog.engine.begin() as connection:
        connection.execute(text(TARGET))
        descriptors = [(None, 7, MINILM, [1, 0])]
        for number, embedder, vector in (
            (1, MINILM, [1, 1]),
            (2, MINILM, [0, 1]),
            (3, OTHER_EMBEDDER, [1, 0]),
        ):
            connection.execute(text(EXPERT), {"id": number, "repo": f"o/e{number}", "commit": "a" * 40})
            descriptors.append((number, None, embedder, vector))
        for expert_id, target_id, (name, revision), vector in descriptors:
            values = {"embedder": name, "revision": revision, "vector": pack(vector)}
            connection.execute(text(DESCRIPTOR), {"expert_id": expert_id, "target_id": target_id, **values})
    return catalog.path


def test_a_catalog_of_the_first_schema_gets_the_cosines_of_what_it_describes(url, first_schema):
    with open_catalog(url) as catalog:
        assert cosines(catalog) == pytest.approx({("court", "o/e1"): 2**-0.5, ("court", "o/e2"): 0})
    assert first_schema.with_name("catalog.db.backup-0001").is_file()
