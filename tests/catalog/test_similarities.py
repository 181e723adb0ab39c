"""Cosines of experts to targets are kept with the descriptors they come from, and go with them."""

from __future__ import annotations

import pytest
from sqlmodel import delete, select

from sam_hub.catalog.descriptors import put_descriptor, similarities_of
from sam_hub.catalog.removal import execute_removal, plan_removal
from sam_hub.catalog.tables import Expert, Similarity, Target
from sam_hub.catalog.targets import put_target

from .test_history import MINILM, descriptor_of

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
        {("court", "o/near"): 1, ("court", "o/far"): 2**-0.5, ("law", "o/near"): 0, ("law", "o/far"): 2**-0.5}
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


def test_kept_cosines_are_those_of_one_embedder(described, add, target):
    near, far = add("o/near").id, add("o/far").id
    assert similarities_of(described, target.id, *MINILM) == pytest.approx({near: 1, far: 0})
    assert similarities_of(described, target.id, *OTHER_EMBEDDER) == {}
