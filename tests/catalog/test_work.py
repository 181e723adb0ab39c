"""What was computed is kept: found again by what it is of, and never mixed up."""

from __future__ import annotations

import dataclasses

import pytest

from sam_hub.catalog.descriptors import (
    described_otherwise,
    get_descriptor,
    nearest,
    pack,
    put_descriptor,
    unpack,
)
from sam_hub.catalog.history import (
    find_merge,
    get_merge,
    latest_selection,
    list_evaluations,
    list_merges,
    list_probes,
    list_pushes,
    record_evaluation,
    record_merge,
    record_probe,
    record_push,
    record_selections,
)
from sam_hub.catalog.prediction_runs import (
    Answers,
    Question,
    entities_of,
    get_prediction,
    predictions_by_id,
    put_prediction,
)
from sam_hub.catalog.tables import Descriptor, Evaluation, Merge, Probe, Push, Selection, Target
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


def merge_of(recipe_hash: str = "e" * 64, weights_sha256: str = "1" * 64) -> Merge:
    return Merge(
        recipe_hash=recipe_hash,
        method="ties",
        recipe={"merge_method": "ties"},
        inputs=[{"expert": f"o/news@{'a' * 40}"}],
        path="/merges/one",
        weights_sha256=weights_sha256,
        seconds=4.7,
    )


def question_of(kind: str, model_id: int, **other) -> Question:
    asked = Question(kind, model_id, "5" * 64, "b2ner", ("person", "court"), "grammar")
    return dataclasses.replace(asked, **other)


ANSWER = Answers(
    ((Entity(0, 4, "Anna", "person"),), ()), parse_failures=0, misaligned={"invented": 1}, seconds=2.5
)


def test_experts_are_ranked_by_the_cosine_of_their_descriptors(catalog, add):
    for name, vector in {
        "far": [0, 0, 1],
        "near": [2, 2, 0],
        "nearest": [5, 0, 0],
        "opposite": [-1, 0, 0],
    }.items():
        put_descriptor(catalog, descriptor_of(vector, expert_id=add(f"o/{name}").id))
    add("o/undescribed")
    found = nearest(catalog, [3, 0, 0], *MINILM)
    assert [n.expert.repo for n in found] == ["o/nearest", "o/near", "o/far", "o/opposite"]
    assert [n.cosine for n in found] == pytest.approx([1, 2**-0.5, 0, -1], abs=1e-6)
    assert [n.expert.repo for n in nearest(catalog, [3, 0, 0], *MINILM, limit=1)] == ["o/nearest"]


def test_experts_of_another_base_can_be_left_out_of_the_ranking(catalog, add):
    put_descriptor(catalog, descriptor_of([1, 0], expert_id=add("o/ours").id))
    put_descriptor(catalog, descriptor_of([1, 0], expert_id=add("o/theirs", base_sha256="f" * 64).id))
    assert [n.expert.repo for n in nearest(catalog, [1, 0], *MINILM, base_sha256="f" * 64)] == ["o/theirs"]


def test_descriptors_of_two_embedders_are_never_compared(catalog, add):
    put_descriptor(catalog, descriptor_of([1, 0], expert_id=add("o/news").id))
    tweets = add("o/tweets")
    put_descriptor(catalog, descriptor_of([1, 0], ("bge-small", "v1.5"), expert_id=tweets.id))
    with pytest.raises(CatalogError) as caught:
        nearest(catalog, [1, 0], *MINILM)
    assert all(
        name in str(caught.value) for name in ("o/tweets", "bge-small at v1.5", "all-MiniLM-L6-v2 at 1.0")
    )
    assert [n.expert.repo for n in nearest(catalog, [1, 0], *MINILM, leave_out_others=True)] == ["o/news"]
    assert [other.repo for other in described_otherwise(catalog, *MINILM)] == ["o/tweets"]
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
    assert get_prediction(catalog, question) is None
    stored = put_prediction(catalog, question, ANSWER, target.id)
    again = get_prediction(catalog, question)
    assert again.id == stored.id
    assert entities_of(again) == ANSWER.entities
    assert (again.misaligned, again.seconds) == ({"invented": 1}, 2.5)


def test_the_answer_that_came_first_is_the_one_that_is_kept(catalog, add):
    question = question_of("expert", add("o/news").id)
    first = put_prediction(catalog, question, ANSWER)
    second = put_prediction(catalog, question, dataclasses.replace(ANSWER, entities=((), ())))
    assert second.id == first.id
    assert entities_of(second) == ANSWER.entities


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
    put_prediction(catalog, question, ANSWER)
    assert get_prediction(catalog, dataclasses.replace(question, **other)) is None


def test_predictions_behind_an_evaluation_are_found_until_their_model_goes(catalog, add):
    first, second = (put_prediction(catalog, question_of("expert", add(f"o/{n}").id), ANSWER) for n in "ab")
    assert [p.id for p in predictions_by_id(catalog, [second.id, first.id])] == [second.id, first.id]
    with pytest.raises(CatalogError, match="was removed"):
        predictions_by_id(catalog, [first.id, 999])


def test_a_probe_is_renewed_and_the_best_expert_comes_first(catalog, add, target):
    def probe(name: str, f1: float) -> None:
        scores = {"precision": f1, "recall": f1, "f1": f1, "low": f1 - 0.1, "high": f1 + 0.1}
        key = {"sample_key": "s", "votes": "leave-self-out", "threshold": 0.5}
        expert = add(f"o/{name}")
        record_probe(
            catalog, Probe(expert_id=expert.id, target_id=target.id, **key, **scores, pseudo_entities=9)
        )

    for name, f1 in (("news", 0.2), ("tweets", 0.4), ("news", 0.6)):
        probe(name, f1)
    listed = list_probes(catalog, target.id, "s", "leave-self-out", 0.5)
    assert [(expert.repo, found.f1) for expert, found in listed] == [("o/news", 0.6), ("o/tweets", 0.4)]
    assert list_probes(catalog, target.id, "s", "plain", 0.5) == []


def test_another_corpus_under_the_same_name_drops_what_was_of_the_old_one(catalog, target):
    put_descriptor(catalog, descriptor_of([1, 0], target_id=target.id))
    other = Target(
        name="court", labels=["person"], corpus_path="/new.txt", sentence_count=9, corpus_sha256="9" * 64
    )
    put_target(catalog, other, replace=True)
    assert get_descriptor(catalog, *MINILM, target_id=target.id) is None


def test_the_newest_selection_of_each_method_counts(catalog, target):
    for method, k in (("similarity", 2), ("sampling", 3), ("similarity", 4)):
        record_selections(catalog, Selection(target_id=target.id, method=method, k=k, ranking=[], chosen=[]))
    assert latest_selection(catalog, target.id, "similarity").k == 4
    assert latest_selection(catalog, target.id, "sampling").k == 3


def test_a_merge_is_found_by_its_recipe_and_made_again_under_its_id(catalog):
    first = record_merge(catalog, merge_of())
    put_prediction(catalog, question_of("merge", first.id), ANSWER)
    assert record_merge(catalog, merge_of()).id == first.id
    assert get_prediction(catalog, question_of("merge", first.id)) is not None
    record_merge(catalog, merge_of(weights_sha256="2" * 64))
    assert get_prediction(catalog, question_of("merge", first.id)) is None
    assert find_merge(catalog, "e" * 64).weights_sha256 == "2" * 64
    assert get_merge(catalog, "eeeeeee").id == get_merge(catalog, first.id).id == first.id
    assert len(list_merges(catalog)) == 1
    with pytest.raises(CatalogError, match="No merge '77'"):
        get_merge(catalog, 77)


def test_evaluations_and_pushes_are_listed_newest_first(catalog, target):
    scores = {
        "precision": 0.6,
        "recall": 0.5,
        "f1": 0.545,
        "support": 80,
        "parse_failures": 0,
        "seconds": 9.0,
    }
    for name, test in (("untuned", "1" * 64), ("SaM", "1" * 64), ("SaM", "2" * 64)):
        record_evaluation(catalog, Evaluation(target_id=target.id, name=name, test_sha256=test, **scores))
    assert [e.name for e in list_evaluations(catalog, target.id, "1" * 64)] == ["SaM", "untuned"]
    merge = record_merge(catalog, merge_of())
    for repo in ("me/first", "me/second"):
        record_push(
            catalog, Push(merge_id=merge.id, repo=repo, commit="a" * 40, url=f"http://h/{repo}", private=True)
        )
    assert [push.repo for push in list_pushes(catalog)] == ["me/second", "me/first"]
