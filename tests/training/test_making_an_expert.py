"""From a recipe to a folder that can be pushed: adapter, descriptor, metadata, measured scores, card."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sam_hub.catalog.descriptors import read_descriptor
from sam_hub.errors import InputError
from sam_hub.hub.weights import weights_sha256
from sam_hub.training.expert import make_expert, spdx
from sam_hub.training.recipe import DataSource
from sam_hub.training.trainer import WEIGHTS
from tests.training.conftest import SENTENCES, recipe


def test_an_expert_carries_all_that_others_need_to_know_of_it(base, data, tmp_path):
    out = tmp_path / "expert"
    options = {"data_root": data, "device": "cpu"}
    about = make_expert(recipe(examples=4), base, "owner/base", out, repo="owner/tiny", **options)
    assert json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"] == "owner/base"
    assert json.loads((out / "sam_hub.json").read_text()) == json.loads(json.dumps(about))
    assert about["base_sha256"] == weights_sha256(base)
    assert about["labels"] == ["person", "place"]
    assert about["role"] == "expert"
    assert about["license"] == "cc-by-4.0"
    assert [row["name"] for row in about["scores"]["Travel"]] == ["tiny", "base, untuned"]
    descriptor = read_descriptor(json.loads((out / "descriptor.json").read_text()))
    assert descriptor.count == len(SENTENCES) + 3
    card = (out / "README.md").read_text()
    for told in ("owner/tiny", "owner/base", "Travel", "travel", "person", "base, untuned"):
        assert told in card
    before = (out / WEIGHTS).stat().st_mtime_ns
    with pytest.raises(InputError, match="already has a finished expert"):
        make_expert(recipe(examples=4), base, "owner/base", out, **options)
    (out / "sam_hub.json").unlink()  # stopped before its end: the adapter need not be trained again
    (data / "travel" / "test.jsonl").rename(tmp_path / "test.jsonl")
    try:
        again = make_expert(recipe(examples=4, role="baseline"), base, "owner/base", out, **options)
        assert again["role"] == "baseline"  # the same adapter, used otherwise
    finally:
        (tmp_path / "test.jsonl").rename(data / "travel" / "test.jsonl")
    assert again["scores"] == {}  # without a test split nothing is measured
    assert (out / WEIGHTS).stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("said", "name"), [("CC BY 4.0 (as redistributed)", "cc-by-4.0"), ("MIT", "mit"), ("Apache-2.0 / CC", "apache-2.0")]
)
def test_licenses_are_called_as_the_hub_calls_them(said, name):
    assert spdx(said) == name


def test_an_expert_that_rehearses_names_that_data_too_and_keeps_its_own_labels(base, data, tmp_path):
    (data / "general").mkdir()
    (data / "general" / "train.jsonl").write_text((data / "travel" / "train.jsonl").read_text().replace("PER", "being"))
    (data / "general" / "meta.json").write_text(json.dumps({"dataset": "General", "licence": "MIT"}))
    own = recipe(examples=16)
    general = replace(own, data=(DataSource("general"),))
    (tmp_path / "general.json").write_text(json.dumps(general.as_dict()))
    rehearsing = replace(own, rehearsal=str(tmp_path / "general.json"))
    about = make_expert(rehearsing, base, "owner/base", tmp_path / "expert", data_root=data, device="cpu")
    assert about["labels"] == ["person", "place"]
    assert [source["name"] for source in about["data"]["sources"]] == ["Travel", "General"]
    assert list(about["scores"]) == ["Travel"]
    assert str(tmp_path) not in (tmp_path / "expert" / "README.md").read_text()
