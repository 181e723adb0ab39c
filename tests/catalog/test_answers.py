"""A model's answer to a sentence is kept by all that it depends on, once, and goes with its model."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlmodel import select

from sam_hub.catalog.engine import open_catalog
from sam_hub.catalog.experts import add_base, list_experts
from sam_hub.catalog.history import get_evaluation, record_merge
from sam_hub.catalog.jobs import get_job
from sam_hub.catalog.prediction_runs import Answers, predictions_by_id
from sam_hub.catalog.removal import execute_removal, plan_removal
from sam_hub.catalog.schema import MIGRATIONS
from sam_hub.catalog.sentence_predictions import CacheKey, find_answers, prompt_hash, put_answers
from sam_hub.catalog.tables import Answer, Base
from sam_hub.ner import Entity

from .test_work import merge_of

BASE = "1" * 40


def asked_of(model_id: int, **other) -> CacheKey:
    return replace(CacheKey("expert", model_id, BASE, "greedy grammar float32"), **other)


def answer_of(asked: CacheKey, prompt: str, **values) -> Answer:
    defaults = {"entities": [[0, 3, "Ann", "person"]], "misaligned": {"invented": 0}, "seconds": 0.5}
    return Answer(**asked.columns, prompt_sha256=prompt_hash(prompt), **(defaults | values))


def kept(catalog, asked: CacheKey, *prompts: str) -> dict[str, int]:
    """The ids of what is kept, by prompt."""
    found = find_answers(catalog, asked, [prompt_hash(prompt) for prompt in prompts])
    return {p: found[prompt_hash(p)].id for p in prompts if prompt_hash(p) in found}


def test_what_is_kept_is_found_and_what_is_missing_is_not(catalog, add):
    asked = asked_of(add("o/news").id)
    put_answers(catalog, [answer_of(asked, "Ann"), answer_of(asked, "Bob", entities=[], parse_failed=True)])
    assert kept(catalog, asked, "Ann", "Bob", "Cid").keys() == {"Ann", "Bob"}
    row = find_answers(catalog, asked, [prompt_hash("Bob")])[prompt_hash("Bob")]
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
    put_answers(catalog, [answer_of(asked, "Ann")])
    changed = replace(asked, **other)
    assert kept(catalog, changed, "Ann") == {}
    put_answers(catalog, [answer_of(changed, "Ann")])
    assert kept(catalog, changed, "Ann") != kept(catalog, asked, "Ann")


def test_the_answer_that_came_first_is_kept_and_the_others_beside_it_are_written(catalog, add):
    asked = asked_of(add("o/news").id)
    put_answers(catalog, [answer_of(asked, "Ann")])
    first = kept(catalog, asked, "Ann")["Ann"]
    put_answers(catalog, [answer_of(asked, "Ann", entities=[]), answer_of(asked, "Bob")])
    assert kept(catalog, asked, "Ann", "Bob")["Ann"] == first
    assert find_answers(catalog, asked, [prompt_hash("Ann")])[prompt_hash("Ann")].entities
    put_answers(catalog, [])


def test_thousands_of_answers_are_found_at_once_by_an_index(catalog, add):
    asked = asked_of(add("o/news").id)
    prompts = [f"sentence {n}" for n in range(1300)]
    put_answers(catalog, [answer_of(asked, prompt) for prompt in prompts])
    assert len(kept(catalog, asked, *prompts, "another")) == 1300
    wanted = "expert_id = ? AND base_commit = ? AND decoding = ? AND prompt_sha256 IN (?, ?)"
    with catalog.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN SELECT * FROM answer WHERE {wanted}", (1,) * 5)
        assert "uq_answer_expert_question" in plan.one().detail


def test_answers_go_with_their_expert_and_are_counted_before(catalog, add, tmp_path):
    asked, other = asked_of(add("o/news").id), asked_of(add("o/tweets").id)
    put_answers(catalog, [answer_of(who, prompt) for who in (asked, other) for prompt in ("Ann", "Bob")])
    plan = plan_removal(catalog, "news", tmp_path)
    assert plan.counts == "0 descriptors, 2 answers, 0 probes"
    execute_removal(catalog, plan)
    with catalog.session() as session:
        assert {row.expert_id for row in session.exec(select(Answer))} == {other.model_id}


def test_a_merge_of_other_weights_has_answered_nothing_yet(catalog):
    asked = CacheKey("merge", record_merge(catalog, merge_of()).id, "", "greedy")
    put_answers(catalog, [answer_of(asked, "Ann")])
    record_merge(catalog, merge_of())
    assert kept(catalog, asked, "Ann")
    record_merge(catalog, merge_of(weights_sha256="2" * 64))
    assert not kept(catalog, asked, "Ann")


def test_a_base_is_asked_as_itself(catalog):
    values = {"hidden_size": 32, "vocabulary_size": 320, "parameter_count": 1, "architecture": "Llama"}
    base = add_base(catalog, Base(repo="o/base", commit=BASE, weights_sha256="b" * 64, **values))
    asked = CacheKey("base", base.id, "", "greedy")
    put_answers(catalog, [answer_of(asked, "Ann")])
    assert kept(catalog, asked, "Ann")


def test_answers_are_put_together_in_the_order_of_the_sentences(catalog, add):
    asked = asked_of(add("o/news").id)
    spoiled = {"parse_failed": True, "misaligned": {"invented": 2, "repeated": 1}}
    put_answers(catalog, [answer_of(asked, "Ann"), answer_of(asked, "Bob", entities=[], **spoiled)])
    rows = find_answers(catalog, asked, [prompt_hash("Ann"), prompt_hash("Bob")])
    ann, bob = rows[prompt_hash("Ann")], rows[prompt_hash("Bob")]
    whole = Answers.of([bob, ann, bob])
    assert whole.entities == ((), (Entity(0, 3, "Ann", "person"),), ())
    assert (whole.parse_failures, whole.misaligned) == (2, {"invented": 4, "repeated": 2})
    assert whole.seconds == 1.0  # the second time, nothing was computed


# What a catalog of the second schema holds, in plain SQL: the tables of this program are later ones.
SECOND = (
    "INSERT INTO expert (id, repo, 'commit', kind, base_repo, target_modules, labels, size_bytes, details, "
    "current, added_at) VALUES (3, 'o/news', 'a', 'adapter', 'o/base', '[]', '[]', 0, '{}', 1, '2026-01-01')",
    "INSERT INTO target (id, name, labels, corpus_path, sentence_count, corpus_sha256, created_at) "
    "VALUES (7, 'court', '[]', '/corpora/court.txt', 1, 'c', '2026-01-01')",
    "INSERT INTO prediction (id, expert_id, target_id, sentences_sha256, prompt_format, labels, labels_sha256, "
    "decoding, entities, parse_failures, misaligned, seconds, created_at) VALUES (5, 3, 7, 's', 'b2ner', "
    "'[]', 'l', 'greedy-2 grammar auto', '[[[0, 3, \"Ann\", \"person\"]]]', 0, '{}', 1.5, '2026-01-01')",
    "INSERT INTO evaluation (id, target_id, name, test_sha256, precision, recall, f1, support, parse_failures, "
    "per_type, prediction_ids, seconds, created_at) VALUES (9, 7, 'SaM', 't', 1, 1, 1, 1, 0, '{}', '[5]', 1.5, "
    "'2026-01-01')",
    "INSERT INTO job (id, kind, title, arguments, queue, state, created_at) "
    "VALUES (4, 'select', 'rank experts', '{}', 'models', 'done', '2026-01-01')",
)


def test_a_catalog_of_the_second_schema_keeps_all_and_takes_answers(url, tmp_path):
    migrations = tmp_path / "second"
    shutil.copytree(MIGRATIONS, migrations)
    for later in sorted((migrations / "versions").glob("[0-9]*.py"))[2:]:
        later.unlink()
    with open_catalog(url, migrations) as catalog, catalog.engine.begin() as connection:
        for row in SECOND:
            connection.execute(text(row.replace(":", "\\:")))
    with open_catalog(url) as catalog:
        assert [expert.repo for expert in list_experts(catalog)] == ["o/news"]
        (prediction,) = predictions_by_id(catalog, get_evaluation(catalog, 9).prediction_ids)
        assert (prediction.expert_id, prediction.entities) == (3, [[[0, 3, "Ann", "person"]]])
        assert get_job(catalog, 4).title == "rank experts"
        put_answers(catalog, [answer_of(asked_of(3), "Ann")])
        assert kept(catalog, asked_of(3), "Ann")
    assert catalog.path.with_name("catalog.db.backup-0002").is_file()
