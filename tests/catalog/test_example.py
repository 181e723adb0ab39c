"""``catalog.db.example`` is built from the shipped experts, and tells when it no longer agrees with them."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from sam_hub.catalog.descriptors import nearest
from sam_hub.catalog.engine import open_catalog
from sam_hub.catalog.example import build_example
from sam_hub.catalog.experts import get_expert, list_experts
from sam_hub.catalog.queries import ExpertQuery

from .conftest import BASE_SHA256
from .test_history import MINILM


def ship(folder, name: str, vector: list[float]) -> None:
    """An expert's folder, as training writes it."""
    folder.mkdir()
    save_file({"lora_A": torch.zeros(8, 4)}, folder / "adapter_model.safetensors")
    adapter = {"r": 8, "lora_alpha": 16, "target_modules": ["v_proj", "q_proj"]}
    about = {
        "schema": 1,
        "kind": "expert",
        "name": name,
        "domain": name,
        "labels": ["person"],
        "prompt_format": "b2ner",
        "base": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "base_sha256": BASE_SHA256,
        "license": "cc-by-4.0",
        "data": {"name": name},
        "recipe": {"seed": 1},
        "scores": {"f1": 0.64},
    }
    embedder, revision = MINILM
    descriptor = {"embedder": embedder, "revision": revision, "count": 5, "sentences_sha256": "d" * 64}
    for file, content in (
        ("adapter_config.json", adapter),
        ("sam_hub.json", about),
        ("descriptor.json", descriptor | {"vector": [*vector, *[0.0] * 382]}),
    ):
        (folder / file).write_text(json.dumps(content))


@pytest.fixture
def shipped(tmp_path):
    folders = [tmp_path / "news", tmp_path / "tweets"]
    ship(folders[0], "news", [1.0, 0.0])
    ship(folders[1], "tweets", [0.0, 1.0])
    return folders


@pytest.fixture
def example(shipped, tmp_path):
    build_example(shipped, tmp_path / "catalog.db.example")
    return tmp_path / "catalog.db.example"


def edit(file, **changes) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_an_example_copied_into_a_home_is_a_working_catalog(example, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "catalog.db").write_bytes(example.read_bytes())
    with open_catalog(f"sqlite:///{home / 'catalog.db'}") as catalog:
        assert [e.repo for e in list_experts(catalog, ExpertQuery(labels=("person",)))] == [
            "sam-hub/news",
            "sam-hub/tweets",
        ]
        assert nearest(catalog, [0.1, 1.0, *[0.0] * 382], *MINILM)[0][0].repo == "sam-hub/tweets"
        news = get_expert(catalog, "news")
        assert (news.rank, news.alpha, news.target_modules) == (8, 16, ["q_proj", "v_proj"])
        assert news.details == {"data": {"name": "news"}, "recipe": {"seed": 1}, "scores": {"f1": 0.64}}


def test_the_same_experts_give_the_same_bytes_in_one_file(shipped, example, tmp_path):
    before = example.read_bytes()
    build_example(list(reversed(shipped)), example)
    assert example.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["catalog.db.example", "news", "tweets"]


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: (folder / "descriptor.json").unlink(), "descriptor.json"),
        (lambda folder: (folder / "sam_hub.json").write_text("{"), "Expecting"),
        (lambda folder: (folder / "sam_hub.json").write_text('{"schema": 1, "kind": "expert"}'), "'name'"),
        (lambda folder: edit(folder / "descriptor.json", vector=[0, 0]), "vector"),
    ],
)
def test_after_an_incomplete_expert_the_example_stays(shipped, example, break_it, message):
    before = example.read_bytes()
    break_it(shipped[1])
    with pytest.raises((KeyError, ValueError), match=message):
        build_example(shipped, example)
    assert example.read_bytes() == before
