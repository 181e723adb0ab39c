"""A removal, of an expert or a target, is planned and carried out whole; history and other people's files stay."""

from __future__ import annotations

import pytest
from sqlmodel import func, select

from sam_hub.catalog.descriptors import get_descriptor, put_descriptor
from sam_hub.catalog.experts import list_experts
from sam_hub.catalog.history import latest_selection, list_evaluations, record_selections
from sam_hub.catalog.predictions import get_run, put_entities, put_new
from sam_hub.catalog.removal import execute_removal, execute_target_removal, plan_removal, plan_target_removal
from sam_hub.catalog.tables import Evaluation, SamplingScore, Selection, Target
from sam_hub.catalog.targets import list_targets, put_target
from sam_hub.errors import CatalogError

from .test_history import ENTITIES, MINILM, descriptor_of, question_of
from .test_predictions import answer_of, asked_of


@pytest.fixture
def models(tmp_path):
    return tmp_path / "home" / "models"


@pytest.fixture
def pulled(models):
    folder = models / "o" / "news"
    (folder / "more").mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_bytes(b"x" * 1000)
    (folder / "more" / "card.md").write_bytes(b"y" * 24)
    return folder


@pytest.fixture
def news(catalog, add, pulled, target):
    """An expert on disk, described, asked and probed."""
    expert = add("o/news", path=str(pulled))
    put_descriptor(catalog, descriptor_of([1, 0], expert_id=expert.id))
    put_new(catalog, [answer_of(asked_of(expert.id), prompt) for prompt in ("Ann", "Bob")])
    put_entities(catalog, question_of("expert", expert.id), ENTITIES, target_id=target.id)
    record_selections(
        catalog,
        Selection(
            target_id=target.id,
            method="sampling",
            k=1,
            ranking=[{"expert": expert.repo, "score": 0.5, "low": 0.4, "high": 0.6}],
            chosen=[expert.ref],
        ),
    )
    return expert


def sampling_scores(catalog) -> int:
    with catalog.session() as session:
        return session.exec(select(func.count()).select_from(SamplingScore)).one()


def test_a_plan_says_what_will_go_and_touches_nothing(catalog, news, models, pulled):
    plan = plan_removal(catalog, "news", models)
    assert (plan.ref, plan.bytes, len(plan.files), plan.kept) == (news.ref, 1024, 2, None)
    assert plan.counts == "1 descriptor, 4 predictions"
    assert pulled.is_dir()
    assert len(list_experts(catalog)) == 1


def test_removing_takes_what_was_computed_along_and_keeps_the_history(catalog, news, models, pulled, target):
    execute_removal(catalog, plan_removal(catalog, "news", models))
    assert len(list_experts(catalog)) == 0
    assert list(pulled.parent.iterdir()) == []
    assert get_descriptor(catalog, *MINILM, expert_id=news.id) is None
    assert get_run(catalog, question_of("expert", news.id)) is None
    assert sampling_scores(catalog) == 0
    assert latest_selection(catalog, target.id, "sampling").chosen == [news.ref]


def test_the_id_of_a_removed_expert_never_names_another(catalog, news, add, models):
    execute_removal(catalog, plan_removal(catalog, news.id, models))
    assert add("o/other").id > news.id


def test_files_outside_of_the_models_folder_stay(catalog, add, models, tmp_path):
    mine = tmp_path / "my-training"
    mine.mkdir()
    (mine / "adapter_model.safetensors").write_bytes(b"x")
    models.mkdir(parents=True)
    (models / "link").symlink_to(mine)
    for name, path in (("direct", mine), ("linked", models / "link"), ("everything", models)):
        add(f"o/{name}", path=str(path))
        plan = plan_removal(catalog, name, models)
        assert (plan.folder, plan.files, plan.bytes) == (None, (), 0)
        assert "outside" in plan.kept
        execute_removal(catalog, plan)
    assert (mine / "adapter_model.safetensors").exists()
    assert models.is_dir()


def test_files_that_another_expert_uses_stay(catalog, news, add, models, pulled):
    add("o/copy", path=str(pulled / "more"))
    plan = plan_removal(catalog, "news", models)
    assert plan.kept == "o/copy uses the same files"
    execute_removal(catalog, plan)
    assert pulled.is_dir()


def test_a_plan_carried_out_twice_says_so_and_deletes_nothing_more(catalog, news, models, pulled):
    plan = plan_removal(catalog, "news", models)
    execute_removal(catalog, plan)
    pulled.mkdir()
    with pytest.raises(CatalogError, match="no longer in the catalog"):
        execute_removal(catalog, plan)
    assert pulled.is_dir()


def test_a_removal_that_the_catalog_refuses_brings_the_files_back(catalog, news, models, pulled):
    plan = plan_removal(catalog, "news", models)
    with catalog.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE keeper (expert_id REFERENCES expert (id) DEFERRABLE INITIALLY DEFERRED)"
        )
        connection.exec_driver_sql(f"INSERT INTO keeper VALUES ({news.id})")
    with pytest.raises(Exception, match="FOREIGN KEY"):  # at commit, when the folder is away already
        execute_removal(catalog, plan)
    assert (pulled / "adapter_model.safetensors").exists()
    assert len(list_experts(catalog)) == 1


@pytest.fixture
def scored(catalog, news, target):
    """The target's corpus is there under a second name; both are scored by one prediction, which court asked for."""
    twin = {"labels": target.labels, "corpus_path": target.corpus_path, "corpus_sha256": target.corpus_sha256}
    other = put_target(catalog, Target(name="tribunal", sentence_count=3, **twin))
    prediction = get_run(catalog, question_of("expert", news.id))
    scores = dict.fromkeys(("precision", "recall", "f1", "seconds"), 0.5)
    for owner in (target, other):
        catalog.add(
            Evaluation(
                target_id=owner.id,
                name="o/news",
                test_sha256="1" * 64,
                support=4,
                parse_failures=0,
                prediction_ids=[prediction.id],
                **scores,
            )
        )
    return other


def test_removing_a_target_takes_its_rankings_and_scores_and_no_answer_that_another_needs(
    catalog, news, target, scored
):
    plan = plan_target_removal(catalog, "court")
    assert plan.counts == "0 descriptors, 1 selection, 1 evaluation"
    assert [t.name for t in list_targets(catalog)] == ["court", "tribunal"]
    execute_target_removal(catalog, plan)
    assert [t.name for t in list_targets(catalog)] == ["tribunal"]
    assert sampling_scores(catalog) == 0
    (left,) = list_evaluations(catalog, scored.id)
    prediction = get_run(catalog, question_of("expert", news.id))
    assert left.prediction_ids == [prediction.id]
    with pytest.raises(CatalogError, match="no longer in the catalog"):
        execute_target_removal(catalog, plan)


def test_answers_that_no_other_target_needs_go_with_the_target(catalog, news, target):
    execute_target_removal(catalog, plan_target_removal(catalog, "court"))
    assert get_run(catalog, question_of("expert", news.id)) is None
