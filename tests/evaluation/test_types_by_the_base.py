"""Where a target has labels that no merged expert learned, the untuned base says what the mentions are."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sam_hub.catalog import tables
from sam_hub.catalog.experts import add_expert
from sam_hub.catalog.history import list_evaluations, record_selections
from sam_hub.catalog.predictions import runs_by_id
from sam_hub.catalog.removal import execute_removal, plan_removal
from sam_hub.catalog.targets import define_target
from sam_hub.errors import InputError, UsageError
from sam_hub.evaluation.entity_typing import trust_in
from sam_hub.evaluation.predictor import Predictor
from sam_hub.evaluation.systems import evaluate, predicted_by, read_gold, sam_systems
from sam_hub.ner import Sentence
from sam_hub.ner.scoring import score
from tests.evaluation.test_evaluating_systems import GOLD, merged, scores_of
from tests.support.reporters import Recorder

NEW = ("person", "place", "event")  # the experts learned the first two
MANY = [f"{who} {did} {where}" for who in ("Ann", "Bob") for did in ("left", "saw") for where in ("Rome", "me")]
TEXTS = ("Ann met Bob", "Rome fell on Monday", "Hi Ann", "Bob left Rome", "In Rome Ann met the mayor of Como")


@pytest.fixture
def fair(context, tmp_path):
    """A target with a new label, and merges of the experts that both rankings chose for it."""
    target = define_target(context.catalog, "fair", Path(context.target.corpus_path), NEW)
    one, two, three = context.experts
    for row in (context.target, target):
        for method, experts in (("similarity", [one, two]), ("sampling", [two, three])):
            chosen = [expert.ref for expert in experts]
            selection = tables.Selection(target_id=row.id, method=method, k=2, ranking=[], chosen=chosen)
            record_selections(context.catalog, selection)
    merged(context, tmp_path, [one, two])
    merged(context, tmp_path, [two, three])
    return target


def answer(context, target, texts=TEXTS, types="auto", **more):
    sentences = [Sentence(text) for text in texts]
    system = sam_systems(context.catalog, target, types=types)[-1]
    return Predictor(context.catalog, target, context.settings, **more).answer(system, sentences)[0]


def lose_the_base(context):
    """Its files are gone."""
    with context.catalog.writing() as session:
        session.get(tables.Base, 1).path = "/nowhere"


def spans(rows):
    return [[(entity.start, entity.end) for entity in row] for row in rows]


def test_the_base_types_by_itself_where_a_label_is_new(context, fair):
    own, typed = answer(context, fair, types="model"), answer(context, fair)
    assert typed != own
    assert typed == answer(context, fair, types="base")


def test_where_all_labels_are_learned_the_base_changes_types_alone(context, fair):
    own, typed = (answer(context, context.target, types=types) for types in ("model", "base"))
    assert spans(typed) == spans(own)
    assert typed != own


def test_the_models_are_asked_for_what_they_learned_too(context, fair):
    """Experts find more when they are asked for what they know."""
    own, learned = (spans(answer(context, target, MANY, types="model")) for target in (fair, context.target))
    found = spans(answer(context, fair, MANY))
    for row, first, second in zip(found, own, learned, strict=True):
        assert set(row) <= {*first, *second}
        assert all(any(a < d and c < b for c, d in row) for a, b in (*first, *second))


def test_labels_that_the_experts_learned_are_left_to_them(context, fair):
    assert [s.typed_by for s in sam_systems(context.catalog, context.target)] == [None] * 3
    assert sam_systems(context.catalog, fair)[-1].typed_by.repo == "owner/base"
    assert [s.typed_by for s in sam_systems(context.catalog, fair)[:-1]] == [None] * 2


def test_where_both_rankings_agree_the_answer_is_still_typed(context, fair, tmp_path):
    one, two, _ = context.experts
    selection = tables.Selection(target_id=fair.id, method="sampling", k=2, ranking=[], chosen=[two.ref, one.ref])
    record_selections(context.catalog, selection)
    *_, last = sam_systems(context.catalog, fair)
    assert (last.name, len(last.models), last.typed_by.repo) == ("SaM (union, base's types)", 1, "owner/base")


def test_a_sentence_has_the_same_types_whatever_is_asked_with_it(context, fair):
    alone = [answer(context, fair, [text])[0] for text in TEXTS]
    assert list(answer(context, fair)) == alone


def test_no_mention_is_asked_about_twice(context, fair):
    once, again = Recorder(), Recorder()
    first = answer(context, fair, reporter=once)
    assert "types by owner/base" in {step.what for step in once.steps}
    assert answer(context, fair, TEXTS[::-1], reporter=again) == first[::-1]
    assert {step.what for step in again.steps} == {"kept predictions"}


def test_the_scores_can_be_computed_again(context, fair, tmp_path):
    file = tmp_path / "gold.jsonl"
    file.write_text(GOLD)
    gold = read_gold(file, NEW)
    systems = sam_systems(context.catalog, fair)
    results = evaluate(context.catalog, fair, gold, systems, settings=context.settings)
    kept = {row.name: row for row in list_evaluations(context.catalog, fair.id)}
    assert {r.name: scores_of(r) for r in results} == {
        name: asdict(score(gold, predicted_by(context.catalog, row))) for name, row in kept.items()
    }
    # What it is made of stays named, so that a merge that is replaced makes it old.
    rows = runs_by_id(context.catalog, kept["SaM (union, base's types)"].prediction_ids)
    assert [row.kind for row in rows] == ["base", "merge", "merge", "merge", "merge"]
    assert [len(row.labels) for row in rows] == [3, 2, 2, 3, 3]


def test_without_the_base_the_models_own_types_stand_unless_it_was_asked_for(context, fair):
    own = answer(context, fair, types="model")
    lose_the_base(context)
    assert answer(context, fair) == own
    with pytest.raises(InputError, match="owner/base is not on disk"):
        answer(context, fair, types="base")


def test_an_expert_that_is_updated_changes_no_answer_of_earlier_merges(context, fair):
    before = answer(context, fair)
    for expert in context.experts:
        given = {name: getattr(expert, name) for name in tables.ExpertCreate.model_fields}
        add_expert(context.catalog, tables.ExpertCreate(**{**given, "commit": "f" * 40}))
    assert answer(context, fair) == before


def test_where_it_is_not_known_any_more_what_was_learned_the_models_types_stand(context, fair, tmp_path):
    own = answer(context, fair, types="model")
    for expert in context.experts[:2]:
        execute_removal(context.catalog, plan_removal(context.catalog, expert.id, tmp_path))
    assert answer(context, fair) == own
    told = sam_systems(context.catalog, fair)[-1].typing.note
    assert told.startswith("The catalog no longer has the labels of owner/one@")
    assert sam_systems(context.catalog, fair, types="base")[-1].typed_by.repo == "owner/base"


def test_a_merge_made_again_with_other_weights_is_typed_anew(context, fair, tmp_path):
    before = answer(context, fair)
    one, two, three = context.experts
    for experts in ([one, two], [two, three]):
        merged(context, tmp_path, experts, model=7)
    fresh = define_target(context.catalog, "again", Path(context.target.corpus_path), NEW)
    for method, experts in (("similarity", [one, two]), ("sampling", [two, three])):
        chosen = [expert.ref for expert in experts]
        row = tables.Selection(target_id=fresh.id, method=method, k=2, ranking=[], chosen=chosen)
        record_selections(context.catalog, row)
    assert answer(context, fair) == answer(context, fresh) != before


@pytest.mark.parametrize(
    ("learned", "labels", "odds"),
    [
        (("a",), "abc", 0),  # most are new: the base decides alone
        (("a", "b", "c"), "abcd", 2.1972),  # three of four: twice the logarithm of 3 to 1
        ((), "ab", 0),
        (("a", "b"), "ab", 0),  # nothing is new, and yet the base was asked for
    ],
)
def test_what_models_say_counts_where_they_learned_most_labels(learned, labels, odds):
    assert trust_in(learned, labels) == pytest.approx(odds, abs=1e-4)


def test_with_enough_trust_the_models_types_stand(context, fair):
    """Those that were learned, that is: of the others the base has the say."""
    *_, system = sam_systems(context.catalog, fair)
    desk = Predictor(context.catalog, fair, context.settings)
    sentences = [Sentence(text) for text in MANY]
    trusting = replace(system, typing=replace(system.typing, trust=100.0))
    typed, trusted = (desk.answer(s, sentences)[0] for s in (system, trusting))
    assert spans(typed) == spans(trusted)
    learned = {e.label for row in trusted for e in row} & {"person", "place"}
    assert learned
    own = desk.ask(system.models, sentences, system.typing.learned)
    said = [[{*row} for row in p.entities] for p in own.values()]
    for entities, *by_models in zip(trusted, *said, strict=True):
        for entity in entities:
            named = {e.label for row in by_models for e in row if (e.start, e.end) == (entity.start, entity.end)}
            assert not named or entity.label in named


def test_another_word_is_refused(context, fair):
    with pytest.raises(UsageError, match="auto, model, base"):
        answer(context, fair, types="gold")
