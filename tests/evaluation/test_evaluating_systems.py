"""Systems are scored strictly on labeled sentences; what is kept gives every score again."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from sam_hub.catalog import tables
from sam_hub.catalog.experts import list_bases
from sam_hub.catalog.history import latest_selection, list_evaluations, record_merge, record_selections
from sam_hub.catalog.predictions import Predictions, runs_by_id
from sam_hub.catalog.targets import list_targets
from sam_hub.errors import CatalogError, InputError
from sam_hub.evaluation.predictor import Predictor
from sam_hub.evaluation.publication import publication_of
from sam_hub.evaluation.systems import System, evaluate, predicted_by, read_gold, sam_systems, single_systems
from sam_hub.evaluation.union import integrate
from sam_hub.inference.cached_predict import expert_model
from sam_hub.ner import Sentence
from sam_hub.ner.scoring import score
from tests.selection.conftest import LABELS
from tests.support import tiny_models
from tests.support.reporters import Recorder

GOLD = (
    '{"text": "Ann met Bob", "entities": [{"start": 0, "end": 3, "label": "person"}, '
    '{"start": 8, "end": 11, "label": "person"}]}\n'
    '{"text": "Rome fell", "entities": [{"start": 0, "end": 4, "label": "place"}, '
    '{"start": 5, "end": 9, "label": "event"}]}\n'
)


@pytest.fixture
def gold(tmp_path):
    file = tmp_path / "gold.jsonl"
    file.write_text(GOLD)
    return read_gold(file, LABELS)


def test_gold_holds_the_targets_labels_alone(gold):
    assert [[e.label for e in s.entities] for s in gold] == [["person", "person"], ["place"]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"text": "Ann"}, "sentences without labels"),
        ({"text": "Ann", "entities": []}, "No entity in .* has one of the labels person, place"),
        ({"text": "Ann", "entities": [{"start": 0, "end": 2, "label": "person"}]}, "'An' splits a word"),
        ({"text": "Ann", "entities": [{"start": 0, "end": 3, "label": "person"}] * 2}, "overlap at 'Ann'"),
    ],
)
def test_wrong_gold_is_told_before_anything_is_computed(tmp_path, line, message):
    file = tmp_path / "gold.jsonl"
    file.write_text(json.dumps(line))
    with pytest.raises(InputError, match=message):
        read_gold(file, LABELS)


def test_scores_are_recorded_and_agree_with_the_kept_predictions(context, gold):
    one, two = (expert_model(context.catalog, e) for e in context.experts[:2])
    systems = [*single_systems(context.catalog, context.experts[:2]), System("both", (one, two), "intersection")]
    results = evaluate(context.catalog, context.target, gold, systems, settings=context.settings)
    assert [r.name for r in results] == ["owner/base (untuned)", "owner/one", "owner/two", "both"]
    kept = {e.name: e for e in list_evaluations(context.catalog, context.target.id)}
    for result in results:
        assert scores_of(kept[result.name]) == scores_of(result)
        assert asdict(score(gold, predicted_by(context.catalog, kept[result.name]))) == scores_of(result)
    answers = [kept_by(context, kept[name]).entities for name in ("owner/one", "owner/two")]
    assert scores_of(results[-1]) == asdict(score(gold, integrate(answers, "intersection")))


def scores_of(row: tables.Evaluation) -> dict:
    return row.model_dump(include={"precision", "recall", "f1", "support", "per_type"})


def kept_by(context, row) -> Predictions:
    return runs_by_id(context.catalog, row.prediction_ids)[0]


def select(context, method: str, experts) -> None:
    record_selections(
        context.catalog,
        tables.Selection(
            target_id=context.target.id, method=method, k=len(experts), ranking=[], chosen=[e.ref for e in experts]
        ),
    )


def merged(context, folder, experts, model: int = 0) -> None:
    """A merge of these experts in the catalog; any model will do for what is told here."""
    seed = sum(int(e.commit) for e in experts)
    (base,) = list_bases(context.catalog)
    inputs = [{"repo": e.repo, "commit": e.commit} for e in experts]
    row = tables.Merge(
        recipe_hash=f"{seed:064d}",
        method="ties",
        recipe={"base": {"repo": base.repo, "commit": base.commit}, "experts": inputs},
        path=str(tiny_models.tiny_base(folder / f"{seed}-{model}", seed=seed + model)),
        weights_sha256=f"{seed + model:064d}",
        seconds=1.0,
    )
    for target in list_targets(context.catalog):
        for method in tables.RankingMethod:
            selection = latest_selection(context.catalog, target.id, method)
            chosen = selection is not None and set(selection.chosen) == row.refs
            row = record_merge(context.catalog, row, selection.id if chosen else None)


def test_sam_is_the_union_of_both_merged_models(context, gold, tmp_path):
    one, two, three = context.experts
    for method, experts in (("similarity", [one, two]), ("sampling", [two, three])):
        select(context, method, experts)
        merged(context, tmp_path, experts)
    systems = sam_systems(context.catalog, context.target)
    assert [s.name for s in systems] == ["merged by similarity", "merged by sampling", "SaM (union)"]
    evaluate(context.catalog, context.target, gold, systems, settings=context.settings)
    last = list_evaluations(context.catalog, context.target.id)[0]
    first, second = runs_by_id(context.catalog, last.prediction_ids)
    plain = [Sentence(s.text) for s in gold]
    said, _ = Predictor(context.catalog, context.target, context.settings).answer(systems[-1], plain)
    assert said == integrate([first.entities, second.entities])


def test_where_both_rankings_agree_one_model_serves_both(context, gold, tmp_path):
    experts = context.experts[:2]
    select(context, "similarity", experts)
    select(context, "sampling", experts[::-1])
    merged(context, tmp_path, experts)
    systems = sam_systems(context.catalog, context.target)
    recorder = Recorder()
    results = evaluate(context.catalog, context.target, gold, systems, settings=context.settings, reporter=recorder)
    assert [(step.what, step.done) for step in recorder.steps] == [
        ("merged by similarity", 1),
        ("merged by similarity", 2),
    ]
    assert len({r.f1 for r in results}) == 1
    assert results[-1].seconds == results[0].seconds


def test_one_merge_is_published_though_the_other_ranking_has_chosen_anew(context, tmp_path):
    select(context, "similarity", context.experts)
    select(context, "sampling", context.experts[:2])
    merged(context, tmp_path, context.experts[:2])
    about = publication_of(context.catalog, context.target, "sampling")
    assert {i["repo"] for i in about.merge.inputs} == {e.repo for e in context.experts[:2]}
    assert about.selection.method == "sampling"
    with pytest.raises(CatalogError, match="similarity chose for town are not merged"):
        publication_of(context.catalog, context.target, "similarity")


def test_selections_that_are_not_merged_yet_say_what_to_do(context):
    with pytest.raises(CatalogError, match="sam-hub select town"):
        sam_systems(context.catalog, context.target)
    select(context, "sampling", context.experts)
    with pytest.raises(CatalogError, match="sam-hub merge town"):
        sam_systems(context.catalog, context.target)
