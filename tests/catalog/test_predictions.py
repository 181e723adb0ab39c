"""A model's answer to a sentence is kept by all that it depends on, once, and goes with its model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlmodel import select

from sam_hub.catalog.experts import add_base
from sam_hub.catalog.history import record_merge
from sam_hub.catalog.predictions import CacheKey, find_sentences, prompt_hash, put_new, put_run
from sam_hub.catalog.removal import execute_removal, plan_removal
from sam_hub.catalog.tables import Base, SentencePrediction
from sam_hub.ner import Entity

from .test_history import merge_of, question_of

BASE = "1" * 40


def asked_of(model_id: int, **other) -> CacheKey:
    return replace(CacheKey("expert", model_id, BASE, "greedy grammar float32"), **other)


def answer_of(asked: CacheKey, prompt: str, **values) -> SentencePrediction:
    defaults = {"entities": [[0, 3, "Ann", "person"]], "misaligned": {"invented": 0}, "seconds": 0.5}
    return SentencePrediction(**asked.columns, prompt_sha256=prompt_hash(prompt), **(defaults | values))


def kept(catalog, asked: CacheKey, *prompts: str) -> dict[str, int]:
    """The ids of what is kept, by prompt."""
    found = find_sentences(catalog, asked, [prompt_hash(prompt) for prompt in prompts])
    return {p: found[prompt_hash(p)].id for p in prompts if prompt_hash(p) in found}


def test_what_is_kept_is_found_and_what_is_missing_is_not(catalog, add):
    asked = asked_of(add("o/news").id)
    put_new(catalog, [answer_of(asked, "Ann"), answer_of(asked, "Bob", entities=[], parse_failed=True)])
    assert kept(catalog, asked, "Ann", "Bob", "Cid").keys() == {"Ann", "Bob"}
    row = find_sentences(catalog, asked, [prompt_hash("Bob")])[prompt_hash("Bob")]
    assert (row.entities, row.parse_failed, row.misaligned, row.seconds) == ([], True, {"invented": 0}, 0.5)


@pytest.mark.parametrize(
    "other",
    [{"base_commit": "2" * 40}, {"decoding": "greedy free float32"}, {"model_id": 2}, {"kind": "merge"}],
    ids=lambda changed: next(iter(changed)),
)
def test_what_was_asked_otherwise_is_not_taken_for_an_answer(catalog, add, other):
    asked = asked_of(add("o/news").id)
    add("o/tweets")
    record_merge(catalog, merge_of())
    put_new(catalog, [answer_of(asked, "Ann")])
    changed = replace(asked, **other)
    assert kept(catalog, changed, "Ann") == {}
    put_new(catalog, [answer_of(changed, "Ann")])
    assert kept(catalog, changed, "Ann") != kept(catalog, asked, "Ann")


def test_the_answer_that_came_first_is_kept_and_the_others_beside_it_are_written(catalog, add):
    asked = asked_of(add("o/news").id)
    put_new(catalog, [answer_of(asked, "Ann")])
    first = kept(catalog, asked, "Ann")["Ann"]
    put_new(catalog, [answer_of(asked, "Ann", entities=[]), answer_of(asked, "Bob")])
    assert kept(catalog, asked, "Ann", "Bob")["Ann"] == first
    assert find_sentences(catalog, asked, [prompt_hash("Ann")])[prompt_hash("Ann")].entities
    put_new(catalog, [])


def test_thousands_of_answers_are_found_at_once_by_an_index(catalog, add):
    asked = asked_of(add("o/news").id)
    prompts = [f"sentence {n}" for n in range(1300)]
    put_new(catalog, [answer_of(asked, prompt) for prompt in prompts])
    assert len(kept(catalog, asked, *prompts, "another")) == 1300
    wanted = "expert_id = ? AND base_commit = ? AND decoding = ? AND prompt_sha256 IN (?, ?)"
    with catalog.engine.connect() as connection:
        plan = connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN SELECT * FROM sentence_prediction WHERE {wanted}", (1,) * 5
        )
        assert "uq_sentence_prediction_expert_question" in plan.one().detail


def test_answers_go_with_their_expert_and_are_counted_before(catalog, add, tmp_path):
    asked, other = asked_of(add("o/news").id), asked_of(add("o/tweets").id)
    put_new(catalog, [answer_of(who, prompt) for who in (asked, other) for prompt in ("Ann", "Bob")])
    plan = plan_removal(catalog, "news", tmp_path)
    assert plan.counts == "0 descriptors, 2 predictions"
    execute_removal(catalog, plan)
    with catalog.session() as session:
        assert {row.expert_id for row in session.exec(select(SentencePrediction))} == {other.model_id}


def test_a_merge_of_other_weights_has_answered_nothing_yet(catalog):
    asked = CacheKey("merge", record_merge(catalog, merge_of()).id, "", "greedy")
    put_new(catalog, [answer_of(asked, "Ann")])
    record_merge(catalog, merge_of())
    assert kept(catalog, asked, "Ann")
    record_merge(catalog, merge_of(weights_sha256="2" * 64))
    assert not kept(catalog, asked, "Ann")


def test_a_base_is_asked_as_itself(catalog):
    values = {"hidden_size": 32, "vocabulary_size": 320, "parameter_count": 1, "architecture": "Llama"}
    base = add_base(catalog, Base(repo="o/base", commit=BASE, weights_sha256="b" * 64, **values))
    asked = CacheKey("base", base.id, "", "greedy")
    put_new(catalog, [answer_of(asked, "Ann")])
    assert kept(catalog, asked, "Ann")


def test_answers_are_put_together_in_the_order_of_the_sentences(catalog, add):
    asked = asked_of(add("o/news").id)
    spoiled = {"parse_failed": True, "misaligned": {"invented": 2, "repeated": 1}}
    put_new(catalog, [answer_of(asked, "Ann"), answer_of(asked, "Bob", entities=[], **spoiled)])
    rows = find_sentences(catalog, asked, [prompt_hash("Ann"), prompt_hash("Bob")])
    ann, bob = rows[prompt_hash("Ann")], rows[prompt_hash("Bob")]
    whole = put_run(catalog, question_of("expert", asked.model_id), [bob, ann, bob])
    assert whole.entities == ((), (Entity(0, 3, "Ann", "person"),), ())
    assert (whole.parse_failures, whole.misaligned) == (2, {"invented": 4, "repeated": 2})
    assert whole.seconds == 1.0  # the second time, nothing was computed
