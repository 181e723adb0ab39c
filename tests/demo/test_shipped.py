"""What ships with the package is whole, small, and what the example catalog says."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sam_hub.catalog.engine import open_catalog
from sam_hub.catalog.example import build_example
from sam_hub.catalog.experts import list_experts
from sam_hub.demo.folding import REPO, SHA256
from sam_hub.demo.setup import HERE, LABELS, expert_folders
from sam_hub.evaluation.systems import read_gold
from sam_hub.ner.readers import read_corpus
from sam_hub.training.recipe import TrainingRecipe, read_recipe

EXAMPLE = Path(__file__).parents[2] / "catalog.db.example"
FOLDERS = expert_folders()
NEXT = sorted(path.parent for path in HERE.glob("experts-next/*/sam_hub.json"))


def about(folder: Path) -> dict:
    return json.loads((folder / "sam_hub.json").read_text(encoding="utf-8"))


def test_twelve_experts_of_twelve_domains_and_two_unified_ones_ship() -> None:
    unified = [folder for folder in FOLDERS if folder.name.startswith("ner-unified")]
    domains = {about(folder)["domain"] for folder in FOLDERS if folder not in unified}
    assert (len(unified), len(domains)) == (2, len(FOLDERS) - 2)
    assert len(domains) >= 12


def test_a_unified_model_saw_as_many_examples_as_one_expert_and_the_other_as_many_as_all() -> None:
    seen = {folder.name: about(folder)["recipe"]["examples"] for folder in FOLDERS}
    both = (seen.pop("ner-unified-small"), seen.pop("ner-unified"))
    assert {both[0]} == set(seen.values())
    assert both[1] == sum(seen.values())


def test_the_shipped_experts_are_small() -> None:
    size = sum(file.stat().st_size for file in (HERE / "experts").rglob("*") if file.is_file())
    assert size <= 75_000_000


@pytest.mark.parametrize("folder", [*FOLDERS, *NEXT], ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_an_expert_carries_all_that_belongs_to_it(folder: Path) -> None:
    names = {file.name for file in folder.iterdir()}
    assert names == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "descriptor.json",
        "sam_hub.json",
        "training.json",
    }
    said = about(folder)
    recipe = {key: value for key, value in said["recipe"].items() if key != "training"}
    file = HERE / folder.parent.name.replace("experts", "recipes") / f"{folder.name}.json"
    assert TrainingRecipe.from_dict(recipe).portable() == read_recipe(file).portable()
    assert all(source["license"] for source in said["data"]["sources"])


@pytest.mark.parametrize("folder", [*FOLDERS, *NEXT], ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_an_expert_beats_the_untuned_base_on_its_own_test_split(folder: Path) -> None:
    for expert, base in about(folder)["scores"].values():
        assert expert["f1"] > base["f1"]


def test_the_next_experts_are_of_the_generalist_base_and_small() -> None:
    assert {(about(folder)["base"], about(folder)["base_sha256"]) for folder in NEXT} == {(REPO, SHA256)}
    sizes = {
        name: sum(file.stat().st_size for file in (HERE / name).rglob("*.safetensors"))
        for name in ("generalist", "experts-next")
    }
    recipes = len(list(HERE.glob("recipes-next/*.json"))) - 1  # the small unified model is not going to be shipped
    assert sizes["generalist"] + sizes["experts-next"] / len(NEXT) * recipes <= 80_000_000  # with all that will follow


@pytest.mark.parametrize("file", sorted(HERE.glob("recipes*/*.json")), ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_a_recipe_can_be_trained(file: Path) -> None:
    recipe = read_recipe(file)
    assert recipe.name == file.stem
    for source in recipe.data:
        called = {label: set(names) for label, names in source.names.items()}
        assert not source.keep or called.keys() <= set(source.keep)
        assert not set(source.distractors) & (called.keys() | set().union(*called.values()))


def test_no_expert_learns_from_data_of_the_generalist() -> None:
    general = {source.folder for source in read_recipe(HERE / "generalist" / "recipe.json").data}
    sources = [source for file in (HERE / "recipes-next").glob("*.json") for source in read_recipe(file).data]
    assert sources
    assert not general & {source.folder for source in sources}
    assert not general & {f"sgd_{source.where['service']}" for source in sources if source.where}


def test_the_target_holds_no_labels_and_shares_no_sentence_with_its_test() -> None:
    corpus = read_corpus(HERE / "target" / "corpus.txt")
    assert all(sentence.entities is None for sentence in corpus)
    assert not {s.text for s in corpus} & {s.text for s in read_gold(HERE / "target" / "test.jsonl", LABELS)}


def contents(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return sorted(connection.iterdump())  # indexes are created in any order


def test_the_example_catalog_is_at_the_current_schema_and_agrees_with_the_experts(tmp_path: Path) -> None:
    build_example(FOLDERS, tmp_path / "again.db")
    assert contents(EXAMPLE) == contents(tmp_path / "again.db")  # else run `sam-hub build-example`
    copy = tmp_path / "catalog.db"
    copy.write_bytes(EXAMPLE.read_bytes())
    with open_catalog(f"sqlite:///{copy}") as catalog:
        assert len(list_experts(catalog)) == len(FOLDERS)
    assert not list(tmp_path.glob("*backup*"))  # nothing had to be upgraded
