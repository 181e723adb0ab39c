"""A dozen labeled sentences, a recipe, and a tiny base."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sam_hub.ner import Sentence
from sam_hub.ner.readers import to_jsonl
from sam_hub.training.recipe import DataSource, TrainingRecipe
from tests.support import tiny_models

PEOPLE, PLACES = ("Ann", "Bob", "Marie Curie"), ("Rome", "Paris", "Lake Como")
SENTENCES = tuple(
    Sentence(text, (Sentence(text).entity(0, len(who), "PER"), Sentence(text).entity(len(who) + 7, len(text), "LOC")))
    for who in PEOPLE
    for where in PLACES
    for text in (f"{who} is in {where}",)
)
EMPTY = tuple(Sentence(text, ()) for text in ("Nobody came.", "It rained.", "The end."))
RENAME = {"PER": "person", "LOC": "place"}


def recipe(**given) -> TrainingRecipe:
    values = {
        "name": "tiny",
        "domain": "travel",
        "data": (DataSource("travel", rename=RENAME),),
        "examples": 60,
        "pack": 2,
        "learning_rate": 1e-2,
    }
    return TrainingRecipe(**(values | given))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    folder = root / "travel"
    folder.mkdir()
    (folder / "train.jsonl").write_text(to_jsonl([*SENTENCES, *EMPTY]))
    (folder / "test.jsonl").write_text(to_jsonl([*SENTENCES[:3], EMPTY[0]]))
    origin = {"repo": "https://example.org/travel", "commit": "abc"}
    meta = {"dataset": "Travel", "license": "CC BY 4.0 (as published)", "source": origin}
    (folder / "meta.json").write_text(json.dumps(meta))
    return root


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.tiny_base(tmp_path_factory.mktemp("training") / "base")
