"""What was asked once is answered from the catalog; what is new is asked on one loaded base."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from sam_hub import catalog as records
from sam_hub.catalog import open_catalog
from sam_hub.errors import InputError
from sam_hub.inference.asking import Model, ask, base_model, base_of, expert_model, sample_key
from sam_hub.inference.prediction import predict
from sam_hub.ner import Sentence
from sam_hub.settings import Settings
from tests import tiny_models

SENTENCES = (Sentence("Ann met Bob"), Sentence("Hi"))
LABELS = ("name", "place")
SHA = "b" * 64


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path, device="cpu", dtype="float32")


@pytest.fixture
def catalog(settings):
    with open_catalog(settings.catalog_url) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path):
    return tiny_models.tiny_base(tmp_path / "base")


@pytest.fixture
def base(catalog, folder):
    row = records.Base(
        repo="owner/base",
        commit="0" * 40,
        weights_sha256=SHA,
        architecture="LlamaForCausalLM",
        hidden_size=32,
        vocabulary_size=320,
        parameter_count=1,
        path=str(folder),
    )
    return records.add_base(catalog, row)


@pytest.fixture
def add(catalog, base, folder, tmp_path):
    def add_one(name: str, seed: int, **given):
        path = tiny_models.tiny_adapter(folder, tmp_path / name, seed=seed)
        values = {
            "repo": f"owner/{name}",
            "commit": f"{seed:040d}",
            "kind": "adapter",
            "base_repo": base.repo,
            "base_sha256": SHA,
            "path": str(path),
        }
        return records.add_expert(catalog, records.ExpertCreate(**(values | given)))

    return add_one


@pytest.fixture
def asked(catalog, settings):
    """Ask, and tell which models worked for it."""

    def ask_models(*models: Model, **options):
        worked = []
        found = ask(
            catalog,
            models,
            SENTENCES,
            LABELS,
            settings=settings,
            on_progress=lambda name, done, total: worked.append(name),
            **options,
        )
        return found, worked

    return ask_models


def test_an_answer_is_the_models_own_and_is_kept(catalog, base, add, asked, settings):
    from sam_hub.inference.models import load_model, with_adapter

    expert = expert_model(catalog, add("one", 1))
    found, _ = asked(base_model(base), expert)
    loaded = load_model(base_model(base).folder, device="cpu", dtype="float32")
    assert records.entities_of(found["owner/base"]) == predict(loaded, SENTENCES, LABELS).entities
    with with_adapter(loaded, expert.adapter) as ready:
        assert records.entities_of(found["owner/one"]) == predict(ready, SENTENCES, LABELS).entities
    assert found["owner/one"].expert_id == expert.id
    assert found["owner/base"].base_id == base.id


def test_progress_counts_over_all_models_and_what_is_kept(catalog, base, add, settings, asked):
    one, two = expert_model(catalog, add("one", 1)), expert_model(catalog, add("two", 2))
    asked(one)
    told = []
    ask(
        catalog,
        [one, two, base_model(base)],
        SENTENCES,
        LABELS,
        settings=settings,
        on_progress=lambda name, done, total: told.append((name, done, total)),
    )
    counts = [done for _, done, _ in told]
    assert {total for _, _, total in told} == {3 * len(SENTENCES)}
    assert counts == sorted(counts)
    assert (counts[0] > len(SENTENCES), counts[-1]) == (True, 3 * len(SENTENCES))
    assert {name for name, _, _ in told} == {"owner/two", "owner/base"}


def test_a_second_time_no_model_is_needed(catalog, base, add, asked, folder):
    models = [base_model(base), expert_model(catalog, add("one", 1))]
    first, _ = asked(*models)
    shutil.rmtree(folder)
    shutil.rmtree(models[1].adapter)
    second, _ = asked(*models)
    assert {name: row.id for name, row in second.items()} == {name: row.id for name, row in first.items()}


def test_an_expert_that_is_added_costs_its_own_pass_alone(catalog, base, add, asked):
    one = expert_model(catalog, add("one", 1))
    first, _ = asked(one)
    shutil.rmtree(one.adapter)  # it could not be run again
    second, _ = asked(one, expert_model(catalog, add("two", 2)))
    assert second["owner/one"].id == first["owner/one"].id
    assert second["owner/two"].id != first["owner/one"].id


def test_a_model_that_goes_by_two_names_is_run_once(base, asked):
    model = base_model(base)
    found, worked = asked(model, replace(model, name="also known as"))
    assert found["owner/base"].id == found["also known as"].id
    assert set(worked) == {"owner/base"}


def test_other_labels_or_free_decoding_are_another_question(base, asked, catalog, settings):
    model = base_model(base)
    held, _ = asked(model)
    free, _ = asked(model, free=True)
    turned = ask(catalog, [model], SENTENCES, LABELS[::-1], settings=settings)
    assert len({held[model.name].id, free[model.name].id, turned[model.name].id}) == 3
    assert free[model.name].parse_failures == len(SENTENCES)


def test_what_was_answered_before_a_failure_is_kept(catalog, base, add, asked, settings):
    good, bad = expert_model(catalog, add("good", 1)), expert_model(catalog, add("worse", 2))
    (bad.adapter / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(Exception, match="is damaged"):
        asked(good, bad)
    shutil.rmtree(good.folder)
    asked(good)


def test_a_base_is_found_by_its_weights_first(catalog, base, add):
    assert base_of(catalog, add("one", 1)).id == base.id
    assert base_of(catalog, add("two", 2, base_sha256=None)).id == base.id
    with pytest.raises(InputError, match="is not in the catalog"):
        base_of(catalog, add("three", 3, base_sha256="c" * 64))


def test_an_expert_that_is_not_on_disk_says_how_to_get_it(catalog, add):
    expert = add("one", 1)
    shutil.rmtree(expert.path)
    with pytest.raises(InputError, match="sam-hub pull owner/one"):
        expert_model(catalog, expert)


def test_a_sample_is_known_by_its_sentences_and_the_labels_in_order():
    assert sample_key(SENTENCES, LABELS) == sample_key(list(SENTENCES), list(LABELS))
    assert sample_key(SENTENCES, LABELS) != sample_key(SENTENCES, LABELS[::-1])
