"""What was asked once is answered from the catalog, sentence by sentence; what is new is asked on one loaded base."""

from __future__ import annotations

import gc
import shutil
import weakref
from dataclasses import replace

import pytest

from sam_hub.catalog import tables
from sam_hub.catalog.engine import open_catalog
from sam_hub.catalog.experts import add_base, add_expert, base_of, get_expert
from sam_hub.config import Settings
from sam_hub.errors import InputError
from sam_hub.inference.cached_predict import Model, ask, base_model, expert_model
from sam_hub.inference.prediction import predict
from sam_hub.ner import Sentence
from sam_hub.progress import Progress
from tests.support import tiny_models
from tests.support.passes import counting
from tests.support.reporters import Recorder

SENTENCES = (Sentence("Ann met Bob"), Sentence("Hi"))
LABELS = ("name", "place")
SHA = "b" * 64


def entities(answers):
    return tuple(answer.entities for answer in answers)


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
    row = tables.Base(
        repo="owner/base",
        commit="0" * 40,
        weights_sha256=SHA,
        architecture="LlamaForCausalLM",
        hidden_size=32,
        vocabulary_size=320,
        parameter_count=1,
        path=str(folder),
    )
    return add_base(catalog, row)


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
        return add_expert(catalog, tables.ExpertCreate(**(values | given)))

    return add_one


@pytest.fixture
def asked(catalog, settings):
    """Ask, and tell which models worked for it."""

    def ask_models(*models: Model, **options):
        recorder = Recorder()
        found = ask(catalog, models, SENTENCES, LABELS, settings=settings, reporter=recorder, **options)
        return found, [step.what for step in recorder.steps]

    return ask_models


def test_an_answer_is_the_models_own_and_is_kept(catalog, base, add, asked, settings):
    from sam_hub.inference.models import load_model, with_adapter

    expert = expert_model(catalog, add("one", 1))
    found, _ = asked(base_model(base), expert)
    loaded = load_model(base_model(base).folder, device="cpu", dtype="float32")
    assert found["owner/base"].entities == entities(predict(loaded, SENTENCES, LABELS))
    with with_adapter(loaded, expert.adapter) as ready:
        assert found["owner/one"].entities == entities(predict(ready, SENTENCES, LABELS))
    assert (found["owner/one"].kind, found["owner/one"].model_id) == ("expert", expert.id)
    assert (found["owner/base"].kind, found["owner/base"].model_id) == ("base", base.id)


def test_progress_counts_over_all_models_and_what_is_kept(catalog, base, add, settings, asked):
    one, two = expert_model(catalog, add("one", 1)), expert_model(catalog, add("two", 2))
    asked(one)
    recorder = Recorder()
    ask(catalog, [one, two, base_model(base)], SENTENCES, LABELS, settings=settings, reporter=recorder)
    counts = [step.done for step in recorder.steps]
    assert {step.total for step in recorder.steps} == {3 * len(SENTENCES)}
    assert counts == sorted(counts)
    assert (counts[0] > len(SENTENCES), counts[-1]) == (True, 3 * len(SENTENCES))
    assert {step.what for step in recorder.steps} == {"owner/two", "owner/base"}


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


@pytest.fixture
def questions(catalog, base, add, folder, settings):
    """Ask an expert on the base, and tell how many questions the model was really put."""
    expert = add("one", 1, base_sha256=None)  # its base is found by its name

    def ask_expert(*texts: str, labels=LABELS, number_type="float32", **options) -> int:
        model = expert_model(catalog, get_expert(catalog, expert.id))
        changed = settings.model_copy(update={"dtype": number_type})
        with counting(folder, {"one": model.adapter}) as passes:
            ask(catalog, [model], [Sentence(t) for t in texts], labels, settings=changed, **options)
        return passes.questions.total()

    return ask_expert


def test_of_another_sample_only_the_new_sentences_are_asked(questions):
    assert questions("Ann met Bob", "Hi") == 2
    assert questions("Hi", "Bob left Rome", "Ann met Bob") == 1
    assert questions("Bob left Rome", "Hi") == 0


def test_a_text_that_stands_twice_is_asked_once_and_answered_twice(catalog, base, asked, settings, folder):
    repeated = [*SENTENCES, SENTENCES[0]]
    with counting(folder, {}) as passes:
        found = ask(catalog, [base_model(base)], repeated, LABELS, settings=settings)
    assert passes.questions == {"base": 2}
    first, _, again = found["owner/base"].entities
    assert first == again


@pytest.mark.parametrize(
    "changed",
    [
        {"labels": LABELS[::-1]},
        {"labels": ("name, place",)},  # the prompt is the same, what may be answered is not
        {"number_type": "bfloat16"},
        {"free": True},
    ],
    ids=["labels' order", "labels that look alike", "number type", "without the grammar"],
)
def test_what_can_change_an_answer_is_another_question(questions, changed):
    assert questions("Ann met Bob", "Hi") == 2
    assert questions("Ann met Bob", "Hi", **changed) == 2
    assert questions("Ann met Bob", "Hi") == 0  # and takes nothing away
    assert questions("Ann met Bob", "Hi", **changed) == 0


def test_a_number_type_left_to_choice_is_the_one_that_is_chosen(questions):
    from sam_hub.inference.models import choose_dtype

    chosen = str(choose_dtype("auto", "cpu")).removeprefix("torch.")
    assert questions("Ann met Bob", number_type=chosen) == 1
    assert questions("Ann met Bob", number_type="auto") == 0


def test_another_prompt_format_is_another_question(questions, add):
    assert questions("Ann met Bob", "Hi") == 2
    add("one", 1, base_sha256=None, prompt_format="json")
    assert questions("Ann met Bob", "Hi") == 2
    add("one", 1, base_sha256=None)
    assert questions("Ann met Bob", "Hi") == 0


def test_an_expert_is_asked_again_when_its_base_is_another_one_now(questions, catalog, base, add):
    pinned = expert_model(catalog, add("pinned", 2))
    assert questions("Ann met Bob", "Hi") == 2
    newer = base.model_dump(exclude={"id"}) | {"commit": "1" * 40, "weights_sha256": "c" * 64}
    add_base(catalog, tables.Base(**newer))
    assert questions("Ann met Bob", "Hi") == 2
    assert questions("Ann met Bob", "Hi") == 0
    assert expert_model(catalog, get_expert(catalog, "pinned")) == pinned  # by its weights


def test_another_commit_of_an_expert_is_asked_for_itself(asked, catalog, add):
    first, _ = asked(expert_model(catalog, add("one", 1)))
    second, worked = asked(expert_model(catalog, add("one", 1, commit="9" * 40)))
    assert worked
    assert first["owner/one"].id != second["owner/one"].id


def test_a_run_that_is_stopped_keeps_what_was_answered(catalog, base, settings, folder):
    """Ctrl+C after 20 answers of 60."""
    many = [Sentence(f"Ann met Bob{' again' * (n % 9)} {n}") for n in range(60)]

    def stop(step: Progress) -> None:
        if step.done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(catalog, [base_model(base)], many, LABELS, settings=settings, reporter=Recorder(stop))
    recorder = Recorder()
    with counting(folder, {}) as passes:
        ask(catalog, [base_model(base)], many, LABELS, settings=settings, reporter=recorder)
    assert passes.questions == {"base": 40}
    assert recorder.steps[-1] == Progress("owner/base", len(many), len(many), "sentences")


def test_the_format_and_the_counts_of_free_answers_are_kept_whole(catalog, base, settings, folder):
    """Put together from the catalog, a prediction is the one that was computed at once."""
    from sam_hub.inference.models import load_model

    model = base_model(base)
    ask(catalog, [model], SENTENCES[:1], LABELS, settings=settings, free=True)
    kept = ask(catalog, [model], SENTENCES, LABELS, settings=settings, free=True)[model.name]
    loaded = load_model(folder, device="cpu", dtype="float32")
    whole = predict(loaded, SENTENCES, LABELS, free=True)
    assert kept.entities == entities(whole)
    assert kept.parse_failures == sum(answer.parse_failed for answer in whole)
    assert kept.misaligned == {name: sum(answer.misaligned[name] for answer in whole) for name in kept.misaligned}
    assert set(kept.misaligned) == {"out_of_order", "repeated", "invented", "unknown_label"}
    assert kept.seconds > 0


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


def test_a_model_has_left_memory_when_the_next_is_loaded(
    catalog, base, add, folder, settings, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sam_hub.inference import models

    load_model = models.load_model
    second = {"repo": "owner/other", "weights_sha256": "c" * 64, "path": str(tmp_path / "other")}
    shutil.copytree(folder, tmp_path / "other")
    other = base_model(add_base(catalog, tables.Base(**{**base.model_dump(exclude={"id"}), **second})))
    loaded: list[weakref.ref] = []

    def load(*given, **options):
        assert [model() for model in loaded] == [None] * len(loaded)
        found = load_model(*given, **options)
        loaded.append(weakref.ref(found.model))
        return found

    monkeypatch.setattr(models, "load_model", load)
    gc.disable()  # nothing may wait for it
    try:
        ask(
            catalog,
            [base_model(base), expert_model(catalog, add("one", 1)), other],
            SENTENCES,
            LABELS,
            settings=settings,
        )
    finally:
        gc.enable()
    assert len(loaded) == 2
