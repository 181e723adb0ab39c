"""What was computed is kept: found again by what it is of, and never mixed up."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from sam_hub.catalog.descriptors import described_otherwise, get_descriptor, nearest, pack, put_descriptor, unpack
from sam_hub.catalog.history import (
    get_merge,
    latest_selection,
    list_evaluations,
    list_merges,
    list_pushes,
    merges_of_selection,
    record_merge,
    record_selections,
)
from sam_hub.catalog.predictions import Question, get_run, put_entities, runs_by_id
from sam_hub.catalog.tables import Descriptor, Evaluation, Merge, Push, Selection, Target
from sam_hub.catalog.targets import put_target
from sam_hub.errors import CatalogError, InputError
from sam_hub.ner import Entity

MINILM = ("all-MiniLM-L6-v2", "1.0")


def descriptor_of(vector, embedder=MINILM, **owner) -> Descriptor:
    name, revision = embedder
    return Descriptor(
        embedder=name,
        revision=revision,
        count=3,
        sentences_sha256="d" * 64,
        origin="repo",
        vector=pack(vector),
        **owner,
    )


def merge_of(
    recipe_hash: str = "e" * 64, weights_sha256: str = "1" * 64, experts: Sequence[str] = ("o/news",)
) -> Merge:
    return Merge(
        recipe_hash=recipe_hash,
        method="ties",
        recipe={"method": "ties", "experts": [{"repo": repo, "commit": "a" * 40} for repo in experts]},
        path="/merges/one",
        weights_sha256=weights_sha256,
        seconds=4.7,
    )


def question_of(kind: str, model_id: int, **other) -> Question:
    asked = Question(kind, model_id, "5" * 64, "b2ner", ("person", "court"), "grammar")
    return dataclasses.replace(asked, **other)


ENTITIES = ((Entity(0, 4, "Anna", "person"),), ())


def test_experts_are_ranked_by_the_cosine_of_their_descriptors(catalog, add):
    for name, vector in {"far": [0, 0, 1], "near": [2, 2, 0], "nearest": [5, 0, 0], "opposite": [-1, 0, 0]}.items():
        put_descriptor(catalog, descriptor_of(vector, expert_id=add(f"o/{name}").id))
    add("o/undescribed")
    found = nearest(catalog, [3, 0, 0], *MINILM)
    assert [expert.repo for expert, _ in found] == ["o/nearest", "o/near", "o/far", "o/opposite"]
    assert [cosine for _, cosine in found] == pytest.approx([1, 2**-0.5, 0, -1], abs=1e-6)
    assert [expert.repo for expert, _ in nearest(catalog, [3, 0, 0], *MINILM, limit=1)] == ["o/nearest"]


def test_descriptors_of_two_embedders_are_never_compared(catalog, add):
    put_descriptor(catalog, descriptor_of([1, 0], expert_id=add("o/news").id))
    tweets = add("o/tweets")
    put_descriptor(catalog, descriptor_of([1, 0], ("bge-small", "v1.5"), expert_id=tweets.id))
    assert [expert.repo for expert, _ in nearest(catalog, [1, 0], *MINILM)] == ["o/news"]
    (other,) = described_otherwise(catalog, *MINILM)
    told = str(other.against(*MINILM))
    assert all(name in told for name in ("o/tweets", "bge-small at v1.5", "all-MiniLM-L6-v2 at 1.0"))
    put_descriptor(catalog, descriptor_of([0, 1], expert_id=tweets.id))
    assert len(nearest(catalog, [1, 0], *MINILM)) == 2
    assert described_otherwise(catalog, *MINILM) == []


def test_a_descriptor_is_normalised_and_takes_the_place_of_the_earlier_one(catalog, target):
    put_descriptor(catalog, descriptor_of([3, 4], target_id=target.id))
    put_descriptor(catalog, descriptor_of([0, 9], target_id=target.id))
    stored = get_descriptor(catalog, *MINILM, target_id=target.id)
    assert unpack(stored).tolist() == [0, 1]
    assert get_descriptor(catalog, "bge-small", "v1.5", target_id=target.id) is None


@pytest.mark.parametrize("vector", [[], [0, 0], [1, float("nan")], [[1, 0]]])
def test_a_vector_without_a_direction_is_refused(vector):
    with pytest.raises(InputError, match="descriptor"):
        pack(vector)


def test_a_question_is_answered_from_the_catalog_the_second_time(catalog, add, target):
    question = question_of("expert", add("o/news").id)
    assert get_run(catalog, question) is None
    stored = put_entities(catalog, question, ENTITIES, seconds=2.5, target_id=target.id)
    again = get_run(catalog, question)
    assert again == stored
    assert (again.kind, again.model_id, again.entities) == ("expert", question.model_id, ENTITIES)
    assert again.seconds == 2.5


def test_the_answer_that_came_first_is_the_one_that_is_kept(catalog, add):
    question = question_of("expert", add("o/news").id)
    first = put_entities(catalog, question, ENTITIES)
    second = put_entities(catalog, question, ((), ()))
    assert second == first
    assert second.entities == ENTITIES


@pytest.mark.parametrize(
    "other",
    [
        {"sentences_sha256": "6" * 64},
        {"prompt_format": "json"},
        {"labels": ("court", "person")},
        {"decoding": "free"},
        {"kind": "merge"},
    ],
)
def test_another_question_is_another_prediction(catalog, add, other):
    question = question_of("expert", add("o/news").id)
    record_merge(catalog, merge_of())
    put_entities(catalog, question, ENTITIES)
    assert get_run(catalog, dataclasses.replace(question, **other)) is None


def test_predictions_behind_an_evaluation_are_found_until_their_model_goes(catalog, add):
    first, second = (put_entities(catalog, question_of("expert", add(f"o/{n}").id), ENTITIES) for n in "ab")
    assert [p.id for p in runs_by_id(catalog, [second.id, first.id])] == [second.id, first.id]
    with pytest.raises(CatalogError, match="was removed"):
        runs_by_id(catalog, [first.id, 999])


def ref(repo: str) -> str:
    return f"{repo}@{'a' * 40}"


def select_for(catalog, target, *repos: str, method: str = "similarity") -> int:
    chosen = [ref(repo) for repo in repos]
    selection = Selection(target_id=target.id, method=method, k=len(repos), ranking=[], chosen=chosen)
    record_selections(catalog, selection)
    return selection.id


def serving(catalog, selection_id: int) -> list[int | None]:
    return [merge.id for merge in merges_of_selection(catalog, selection_id)]


def test_a_merge_serves_the_selection_it_was_made_for_and_the_last_made_comes_first(catalog, target):
    selection = select_for(catalog, target, "o/news", "o/law")
    ties = record_merge(catalog, merge_of("1" * 64, experts=["o/law", "o/news"]), selection)
    linear = record_merge(catalog, merge_of("2" * 64, experts=["o/law", "o/news"]), selection)
    record_merge(catalog, merge_of("3" * 64, experts=["o/law", "o/news"]))  # by hand, or to compare
    assert serving(catalog, selection) == [linear.id, ties.id]
    record_merge(catalog, merge_of("1" * 64, experts=["o/law", "o/news"]), selection)
    assert serving(catalog, selection) == [ties.id, linear.id]


def test_a_merge_of_other_experts_than_the_selection_s_does_not_serve_it(catalog, target):
    selection = select_for(catalog, target, "o/news")
    record_merge(catalog, merge_of(experts=["o/law"]), selection)
    assert serving(catalog, selection) == []


def test_one_merge_serves_both_rankings_and_a_later_selection_of_the_same_experts(catalog, target):
    selections = [select_for(catalog, target, "o/news", method=by) for by in ("similarity", "sampling")]
    merge = record_merge(catalog, merge_of(experts=["o/news"]), selections[1])
    other = record_merge(catalog, merge_of("2" * 64, experts=["o/news"]), selections[0])
    assert [serving(catalog, s) for s in selections] == [[other.id, merge.id], [merge.id]]
    assert serving(catalog, select_for(catalog, target, "o/law")) == []
    assert serving(catalog, select_for(catalog, target, "o/news")) == [other.id, merge.id]


def test_another_corpus_under_the_same_name_drops_what_was_of_the_old_one(catalog, target):
    put_descriptor(catalog, descriptor_of([1, 0], target_id=target.id))
    other = Target(name="court", labels=["person"], corpus_path="/new.txt", sentence_count=9, corpus_sha256="9" * 64)
    put_target(catalog, other, replace=True)
    assert get_descriptor(catalog, *MINILM, target_id=target.id) is None


def test_the_newest_selection_of_each_method_counts(catalog, target):
    for method, k in (("similarity", 2), ("sampling", 3), ("similarity", 4)):
        record_selections(catalog, Selection(target_id=target.id, method=method, k=k, ranking=[], chosen=[]))
    assert latest_selection(catalog, target.id, "similarity").k == 4
    assert latest_selection(catalog, target.id, "sampling").k == 3


def test_a_merge_is_found_by_its_recipe_and_made_again_under_its_id(catalog):
    first = record_merge(catalog, merge_of())
    put_entities(catalog, question_of("merge", first.id), ENTITIES)
    assert record_merge(catalog, merge_of()).id == first.id
    assert get_run(catalog, question_of("merge", first.id)) is not None
    record_merge(catalog, merge_of(weights_sha256="2" * 64))
    assert get_run(catalog, question_of("merge", first.id)) is None
    assert get_merge(catalog, "e" * 64).weights_sha256 == "2" * 64
    assert get_merge(catalog, "eeeeeee").id == get_merge(catalog, first.id).id == first.id
    assert len(list_merges(catalog)) == 1
    with pytest.raises(CatalogError, match="No merge '77'"):
        get_merge(catalog, 77)


def test_evaluations_and_pushes_are_listed_newest_first(catalog, target):
    scores = {"precision": 0.6, "recall": 0.5, "f1": 0.545, "support": 80, "parse_failures": 0, "seconds": 9.0}
    for name, test in (("untuned", "1" * 64), ("SaM", "1" * 64), ("SaM", "2" * 64)):
        catalog.add(Evaluation(target_id=target.id, name=name, test_sha256=test, **scores))
    assert [e.name for e in list_evaluations(catalog, target.id)] == ["SaM", "SaM", "untuned"]
    merge = record_merge(catalog, merge_of())
    for repo in ("me/first", "me/second"):
        catalog.add(Push(merge_id=merge.id, repo=repo, commit="a" * 40, url=f"http://h/{repo}", private=True))
    assert [push.repo for push in list_pushes(catalog)] == ["me/second", "me/first"]
