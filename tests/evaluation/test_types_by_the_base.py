"""Where a target has labels that no merged expert learned, the untuned base says what the mentions are."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_hub import catalog as records
from sam_hub.catalog.corpora import define_target
from sam_hub.errors import InputError, UsageError
from sam_hub.evaluation.evaluating import evaluate, predict_with, read_gold, recompute, sam_systems
from sam_hub.ner import Sentence
from tests.evaluation.test_evaluating_systems import GOLD, merged

NEW = ("person", "place", "event")  # the experts learned the first two
TEXTS = ("Ann met Bob", "Rome fell on Monday", "Hi Ann", "Bob left Rome", "In Rome Ann met the mayor of Como")


@pytest.fixture
def fair(place, tmp_path):
    """A target with a new label, and merges of the experts that both rankings chose for it."""
    target = define_target(place.catalog, "fair", Path(place.target.corpus_path), NEW)
    one, two, three = place.experts
    for row in (place.target, target):
        for method, experts in (("similarity", [one, two]), ("sampling", [two, three])):
            chosen = [expert.ref for expert in experts]
            selection = records.Selection(target_id=row.id, method=method, k=2, ranking=[], chosen=chosen)
            records.record_selections(place.catalog, selection)
    merged(place, tmp_path, [one, two])
    merged(place, tmp_path, [two, three])
    return target


def answer(place, target, texts=TEXTS, types="auto", **more):
    sentences = [Sentence(text) for text in texts]
    return predict_with(place.catalog, target, sentences, settings=place.settings, types=types, **more)


def lose_the_base(place):
    """Its files are gone."""
    with place.catalog.writing() as session:
        session.get(records.Base, 1).path = "/nowhere"


def spans(rows):
    return [[(entity.start, entity.end) for entity in row] for row in rows]


def test_the_mentions_stay_and_the_types_are_the_bases(place, fair):
    own, typed = answer(place, fair, types="model"), answer(place, fair)
    assert spans(typed) == spans(own)
    assert typed != own
    assert typed == answer(place, fair, types="base")


def test_labels_that_the_experts_learned_are_left_to_them(place, fair):
    assert [s.typed_by for s in sam_systems(place.catalog, place.target)] == [None] * 3
    assert sam_systems(place.catalog, fair)[-1].typed_by.repo == "owner/base"
    assert [s.typed_by for s in sam_systems(place.catalog, fair)[:-1]] == [None] * 2


def test_where_both_rankings_agree_the_answer_is_still_typed(place, fair, tmp_path):
    one, two, _ = place.experts
    selection = records.Selection(
        target_id=fair.id, method="sampling", k=2, ranking=[], chosen=[two.ref, one.ref]
    )
    records.record_selections(place.catalog, selection)
    *_, last = sam_systems(place.catalog, fair)
    assert (last.name, len(last.models), last.typed_by.repo) == ("SaM (union)", 1, "owner/base")


def test_a_sentence_has_the_same_types_whatever_is_asked_with_it(place, fair):
    alone = [answer(place, fair, [text])[0] for text in TEXTS]
    assert list(answer(place, fair)) == alone


def test_no_mention_is_asked_about_twice(place, fair):
    told = []
    watch = lambda name, done, total: told.append(name)  # noqa: E731
    first = answer(place, fair, on_progress=watch)
    assert "types by owner/base" in told
    told.clear()
    assert answer(place, fair, TEXTS[::-1], on_progress=watch) == first[::-1]
    assert set(told) == {"kept predictions"}


def test_the_scores_can_be_computed_again(place, fair, tmp_path):
    file = tmp_path / "gold.jsonl"
    file.write_text(GOLD)
    gold = read_gold(file, NEW)
    systems = sam_systems(place.catalog, fair)
    results = evaluate(place.catalog, fair, gold, systems, settings=place.settings)
    kept = {row.name: row for row in records.list_evaluations(place.catalog, fair.id)}
    assert {r.name: r.scores for r in results} == {
        name: recompute(place.catalog, row, gold) for name, row in kept.items()
    }
    # what it is made of stays named, so that a merge that is replaced makes it old
    assert len(kept["SaM (union)"].prediction_ids) == 3


def test_without_the_base_the_models_own_types_stand_unless_it_was_asked_for(place, fair):
    own = answer(place, fair, types="model")
    lose_the_base(place)
    assert answer(place, fair) == own
    with pytest.raises(InputError, match="owner/base is not on disk"):
        answer(place, fair, types="base")


def test_another_word_is_refused(place, fair):
    with pytest.raises(UsageError, match="auto, model, base"):
        answer(place, fair, types="gold")
