"""A merge is validated by votes before it answers: what ruins its experts is rejected, and the best expert answers.

All experts are the base with its MLPs rescaled: `up` times a factor, `down` divided by it. Each alone answers exactly
as the base does, so all agree. The sum or the mean of the deltas of two such experts is another function.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from sam_hub.api import SamHub
from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog, open_catalog
from sam_hub.catalog.experts import add_base, add_expert, get_expert
from sam_hub.catalog.history import latest_selection, merges_of_selection, record_selections, validations_of
from sam_hub.catalog.targets import get_target
from sam_hub.cli import run
from sam_hub.config import Settings, load_settings
from sam_hub.evaluation.validation import Validation
from sam_hub.inference.cached_predict import ask, expert_model
from sam_hub.ner.readers import read_corpus
from sam_hub.progress import Progress
from tests.support.tiny_models import tiny_adapter, tiny_base

NAMES, PLACES = ("Ann", "Bob", "Carl", "Dora", "Eve", "Finn", "Greta", "Hugo"), ("Paris", "Rome", "Oslo", "Bern")
CORPUS = "".join(f"{a} met {b} in {place} .\n" for a, b in zip(NAMES, NAMES[3:], strict=False) for place in PLACES)
FACTORS = {"poison": -1.0, "good": 2.0, "one": 1.001, "two": 0.999}
LABELS = ("person", "place")
Call = Callable[..., Any]


def rescaled(base: Path, folder: Path, factor: float) -> Path:
    """Write an adapter that multiplies each `up` by a factor, and divides each `down` by it."""
    import torch
    from safetensors.torch import load_file, save_file

    tiny_adapter(base, folder, rank=32, labels=LABELS, targets=("up_proj", "down_proj"), lora_alpha=32)
    weights, file = load_file(base / "model.safetensors"), folder / "adapter_model.safetensors"
    pairs = load_file(file)
    for name in [name for name in pairs if name.endswith("lora_A.weight")]:
        module = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        weight, up = weights[f"{module}.weight"], module.endswith("up_proj")
        delta = weight * (factor - 1 if up else 1 / factor - 1)
        b, a = (delta, torch.eye(32)) if up else (torch.eye(32), delta)
        pairs |= {name: a.contiguous(), name.replace("lora_A", "lora_B"): b.contiguous()}
    save_file(pairs, file, metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("rescaled")
    base = tiny_base(folder / "base", seed=3, dtype="float32")
    weights = load_file(base / "model.safetensors")
    larger = {name: weight * 4 if "mlp" in name else weight for name, weight in weights.items()}  # they matter so
    save_file(larger, base / "model.safetensors", metadata={"format": "pt"})
    for name, factor in FACTORS.items():
        rescaled(base, folder / name, factor)
    return folder


@pytest.fixture
def settings(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home whose catalog has the base, the experts, and a target with labeled sentences; no network."""
    for name, value in {"HOME": tmp_path / "home", "OFFLINE": "1", "DEVICE": "cpu", "DTYPE": "float32"}.items():
        monkeypatch.setenv(f"SAM_HUB_{name}", str(value))
    (tmp_path / "home").mkdir()
    settings = load_settings()
    sha = json.loads((models / "good" / "sam_hub.json").read_text())["base_sha256"]
    same = {"commit": "0" * 40, "license": "mit"}
    with open_catalog(settings.catalog_url) as catalog:
        sizes = {"hidden_size": 32, "vocabulary_size": 320, "parameter_count": 1}
        base = tables.Base(repo="me/base", weights_sha256=sha, architecture="LlamaForCausalLM", **same, **sizes)
        base.path = str(models / "base")
        add_base(catalog, base)
        for name in FACTORS:
            about = {"labels": list(LABELS), "kind": "adapter", "base_repo": "me/base", "base_sha256": sha}
            add_expert(catalog, tables.ExpertCreate(repo=f"me/{name}", path=str(models / name), **about, **same))
    (tmp_path / "corpus.txt").write_text(CORPUS)
    gold = {"text": "Ann met Bob in Paris .", "entities": [{"start": 0, "end": 3, "label": "person"}]}
    (tmp_path / "gold.jsonl").write_text(json.dumps(gold))
    labels = ["--labels", ",".join(LABELS), "--gold", str(tmp_path / "gold.jsonl")]
    assert run(["target", "add", "town", str(tmp_path / "corpus.txt"), *labels]) == 0
    assert run(["select", "town", "--by", "sampling", "--k", "2"]) == 0
    assert run(["choose", "town", "me/poison", "me/good", "--by", "sampling"]) == 0
    return settings


@pytest.fixture
def catalog(settings: Settings) -> Iterator[Catalog]:
    with open_catalog(settings.catalog_url) as catalog:
        yield catalog


@pytest.fixture
def as_json(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: object) -> Any:
        capsys.readouterr()
        assert run([*map(str, arguments), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return call


def answers_of(catalog: Catalog, settings: Settings, name: str, corpus: Path) -> list[list[str]]:
    """The entities of an expert alone."""
    model, sentences = expert_model(catalog, get_expert(catalog, name)), read_corpus(corpus)
    rows = ask(catalog, [model], sentences, LABELS, settings=settings)[model.name].entities
    return [[entity.text for entity in row] for row in rows]


def test_a_ruinous_merge_is_rejected_and_the_best_expert_answers(
    as_json: Call, catalog: Catalog, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (made,) = as_json("merge", "town", "--by", "sampling")
    assert len(made["experts"]) == 1
    assert (made["method"], made["weights"], made["problems"]) == ("task_arithmetic", [1.0], [])
    first, second = made["rejected"]
    assert first.startswith("merge 1: ties (density 1.0) of me/good, me/poison: it agrees less with the votes than me/")
    assert second.startswith("merge 2: task_arithmetic (density 1.0) of me/good, me/poison: ")
    assert made["validation"]["merge"]["f1"] == made["validation"]["inputs"][0]["f1"] == 1

    (best,) = (ref.partition("@")[0] for ref in made["experts"])
    corpus = tmp_path / "corpus.txt"
    predicted = as_json("predict", "town", corpus)
    alone = answers_of(catalog, settings, best, corpus)
    assert sum(map(len, alone)) > 20
    assert [[entity["text"] for entity in row["entities"]] for row in predicted] == alone

    selection = latest_selection(catalog, get_target(catalog, "town").id, "sampling")
    recorded = validations_of(catalog, selection.id)
    assert [recorded[number].outcome for number in (1, 2, 3)] == ["rejected", "rejected", "passed"]
    assert Validation.parse(recorded[1].figures).merge.f1 < 0.9
    assert recorded[1].reason in first

    assert run(["merge", "town", "--by", "sampling"]) == 0
    shown = capsys.readouterr()
    assert f"rejected: {first}" in shown.out
    assert "passed validation: F1 1.00 against the votes of 2 experts on 20 sentences" in shown.out
    assert "Next: sam-hub evaluate town" in shown.err
    assert run(["evaluate", "town"]) == 0
    assert "Next: sam-hub push town --by sampling" in capsys.readouterr().err
    assert run(["predict", "town", str(corpus)]) == 0
    assert f"by sampling, merge 3: {best} alone" in capsys.readouterr().err


def test_one_merge_answers_alone_if_it_is_as_good_by_votes_as_both(
    as_json: Call, catalog: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of these experts, and so each of these merges, answers as all others do."""
    assert run(["choose", "town", "me/one", "me/good", "--by", "sampling"]) == 0
    two = {"expert": "me/two", "score": 1.0, "low": 1.0, "high": 1.0}
    ref = get_expert(catalog, "me/two").ref
    record_selections(catalog, tables.Selection(target_id=1, method="similarity", k=1, ranking=[two], chosen=[ref]))
    assert run(["merge", "town", "--method", "task_arithmetic"]) == 0
    told = "The merge by sampling answers alone (F1 against the votes: by similarity 1.00, by sampling 1.00, "
    assert told in capsys.readouterr().out
    names = [row["name"] for row in as_json("evaluate", "town")]
    assert names == ["merged by similarity", "merged by sampling", "SaM (by sampling)"]
    assert run(["predict", "town", str(tmp_path / "corpus.txt")]) == 0
    assert "answer: SaM (by sampling)" in capsys.readouterr().err
    runs = catalog.all(select(tables.PredictionRun).where(col(tables.PredictionRun.merge_id).is_not(None)))
    asked = Counter(run.merge_id for run in runs)
    assert asked[merges_of(catalog, "sampling")] == asked[merges_of(catalog, "similarity")] + 1
    with SamHub(progress=False) as hub:
        assert len(hub.target("town").ner()._models.folders) == 1
    assert run(["predict", "town", str(tmp_path / "corpus.txt"), "--rule", "union"]) == 0
    assert "answer: SaM (union)" in capsys.readouterr().err


def merges_of(catalog: Catalog, method: str) -> int | None:
    (merge,) = merges_of_selection(catalog, latest_selection(catalog, 1, method).id)
    return merge.id


def test_an_expert_that_is_worse_than_the_base_gives_way_to_it(
    as_json: Call, catalog: Catalog, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four experts answer as the base does; a random one does not."""
    good = get_expert(catalog, "me/good")
    odd = good.model_dump(include=set(tables.ExpertCreate.model_fields)) | {"repo": "me/odd"}
    folder = tiny_adapter(models / "base", tmp_path / "odd", labels=LABELS, lora_alpha=400)
    add_expert(catalog, tables.ExpertCreate(**{**odd, "path": str(folder)}))
    as_json("select", "town", "--by", "sampling", "--k", "2")
    as_json("choose", "town", "me/odd", "--by", "sampling")
    (made,) = as_json("merge", "town", "--by", "sampling")
    assert "it agrees less with the votes than the untuned base (F1 " in made["rejected"][0]
    assert Validation(**{**made["validation"], "inputs": ()}).base["f1"] == 1

    assert run(["merge", "town", "--by", "sampling"]) == 0
    shown = capsys.readouterr().err
    assert "No merge can be used: the untuned base me/base answers for town." in shown
    assert "Next: choose other experts" in shown
    predicted = as_json("predict", "town", tmp_path / "corpus.txt")
    assert [[e["text"] for e in row["entities"]] for row in predicted] == answers_of(
        catalog, load_settings(), "me/good", tmp_path / "corpus.txt"
    )


def test_a_search_drops_the_expert_that_ruins_the_merge_and_says_why(
    as_json: Call, catalog: Catalog, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The deltas of all but "poison" can be summed up: good + one + two is the same function as each of them."""
    merge = ("merge", "town", "--by", "sampling", "--method", "task_arithmetic", "--search")
    as_json("select", "town", "--by", "sampling", "--k", "4")
    (plan,) = as_json(*merge, "--dry-run")
    steps = plan["search_plan"]["steps"]
    assert steps[0] == "the merge as asked, task_arithmetic of me/good, me/one, me/poison, me/two"
    assert "alone, and with each next one, unless F1 falls" in steps[1]
    assert not (settings.merges).exists()

    (made,) = as_json(*merge)
    search = made["search"]
    asked = search["candidates"][0]
    (chosen,) = (candidate for candidate in search["candidates"] if candidate["outcome"] == "chosen")
    assert search["halves"] == [10, 10]
    assert "me/poison" in asked["experts"]
    assert asked["first"] < chosen["first"] == 1
    assert asked["second"] < chosen["second"] == 1
    assert "me/poison" not in chosen["experts"]
    assert sorted(chosen["experts"]) == [ref.partition("@")[0] for ref in made["experts"]]
    assert made["validation"]["problems"] == []

    predicted = as_json("predict", "town", tmp_path / "corpus.txt")
    alone = answers_of(catalog, settings, "me/good", tmp_path / "corpus.txt")
    assert [[entity["text"] for entity in row["entities"]] for row in predicted] == alone

    assert run([*merge, "--dry-run"]) == 0
    kept = capsys.readouterr().out.partition("The last search")[2]
    assert kept.count("chosen") == 1
    assert "me/poison" in kept


def test_a_search_needs_votes_and_no_weights(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    for option in (["--weight", "1"], ["--no-validate"], ["--by-score"], ["--expert", "me/good"]):
        assert run(["merge", "town", "--by", "sampling", "--search", *option]) == 2
        assert "--search needs a target, without" in capsys.readouterr().err


def test_a_search_that_is_stopped_leaves_nothing(settings: Settings) -> None:
    from sam_hub.services.context import AppContext
    from sam_hub.services.merges import run_merges
    from sam_hub.services.options import By, MergeOptions
    from tests.support.reporters import Recorder

    def stop(step: Progress) -> None:
        if step.what.startswith("search"):
            assert (step.unit, step.total) == ("sentences", 8 * 20)
            raise KeyboardInterrupt

    with AppContext(settings) as context, pytest.raises(KeyboardInterrupt):
        run_merges(context, MergeOptions("town", by=By.sampling, search=True), Recorder(stop))
    assert not settings.merges.exists()


def test_in_a_notebook_a_search_is_an_option(settings: Settings, tmp_path: Path) -> None:
    """A search that finds one expert better than the merge of two gives it, as an ordinary merge."""
    with SamHub(progress=False) as hub:
        ner = hub.target("town").merge(by="sampling", search=True)
        assert len(ner.predict_entities("Ann met Bob in Paris .")) > 0
    with open_catalog(settings.catalog_url) as catalog:
        (row,) = merges_of_selection(catalog, latest_selection(catalog, 1, "sampling").id)
        assert len(row.inputs) == 1
