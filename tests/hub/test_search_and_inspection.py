"""A person looks for experts on a Hub and reads what they are before anything large is fetched."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sam_hub.errors import InputError, NotFoundOnHub, UnusableModel, UsageError
from sam_hub.hub.client import Hub
from sam_hub.hub.download import plan_pull, pull
from sam_hub.hub.inspection import inspect
from sam_hub.hub.search import search
from tests.hub.faulty_proxy import faulty_line
from tests.support.hubs import CARD, publish, write_adapter


def test_experts_are_found_by_base_and_labels(hub: Hub, adapter: Path) -> None:
    commit = publish(hub, adapter, "acme/news")
    (adapter / "README.md").write_text("---\nlicense: mit\nbase_model: other/base\n---\n")
    publish(hub, adapter, "acme/elsewhere")
    [found] = search(hub, base="acme/base", labels=["Person"])
    assert (found.repo, found.commit, found.license, found.base) == ("acme/news", commit, "mit", "acme/base")
    assert found.labels == ("person", "location")
    assert [model.repo for model in search(hub, "elsewhere")] == ["acme/elsewhere"]
    assert search(hub, labels=["chemical"]) == []


def test_experts_are_found_by_library_and_license_and_sorted(hub: Hub, adapter: Path) -> None:
    publish(hub, adapter, "acme/first")
    publish(hub, adapter, "acme/second")
    hub.api().hf_hub_download("acme/first", "adapter_config.json", cache_dir=hub.cache_dir)
    found = lambda **filters: [model.repo for model in search(hub, **filters)]  # noqa: E731
    assert found(library="peft", license="mit") == ["acme/second", "acme/first"]
    assert found(library="transformers") == found(license="apache-2.0") == []
    assert found(sort="downloads") == ["acme/first", "acme/second"]
    with pytest.raises(UsageError, match="can't be sorted by 'beauty'"):
        search(hub, sort="beauty")


def test_all_are_found_page_after_page(hub: Hub) -> None:
    for number in range(5):
        hub.api().create_repo(f"acme/model-{number}")
    assert len(search(hub, "model", limit=None)) == 5


def test_a_limit_holds(hub: Hub) -> None:
    for number in range(3):
        hub.api().create_repo(f"acme/model-{number}")
    assert len(search(hub, limit=2)) == 2


def test_an_expert_tells_what_it_is(hub: Hub, adapter: Path) -> None:
    commit = publish(hub, adapter, "acme/news")
    seen = inspect(hub, "acme/news")
    assert (seen.commit, seen.kind, seen.base, seen.rank, seen.alpha) == (commit, "adapter", "acme/base", 2, 4.0)
    assert (seen.labels, seen.prompt_format, seen.domain) == (("person", "location"), "b2ner", "news")
    assert (seen.license, seen.target_modules, seen.verdict) == ("mit", ("q_proj",), "usable")
    assert seen.size == sum(file.stat().st_size for file in adapter.iterdir())


def test_an_adapter_from_elsewhere_is_usable_with_a_warning(hub: Hub, adapter: Path) -> None:
    (adapter / "sam_hub.json").unlink()
    publish(hub, adapter, "acme/plain")
    seen = inspect(hub, "acme/plain")
    assert seen.verdict == "usable with a warning"
    assert "labels and prompt format must be given" in seen.warnings[0]


def test_a_base_given_as_someones_folder_is_read_from_the_card(hub: Hub, tmp_path: Path) -> None:
    publish(hub, write_adapter(tmp_path / "local", base="/home/someone/base"), "acme/local")
    assert inspect(hub, "acme/local").base == "acme/base"


def _break(adapter: Path, how: str) -> None:
    weights, config = adapter / "adapter_model.safetensors", adapter / "adapter_config.json"
    match how:
        case "pickle":
            weights.rename(adapter / "adapter_model.bin")
        case "no weights":
            weights.unlink()
        case "header":
            weights.write_bytes(b"\x10\0\0\0\0\0\0\0not json at all!" + b"\0" * 64)
        case "huge header":
            weights.write_bytes(b"\xff" * 64)
        case "cut off":
            weights.write_bytes(weights.read_bytes()[:-8])
        case "remote code":
            config.unlink()
            (adapter / "config.json").write_text('{"auto_map": {"AutoModel": "evil.Model"}}')
        case "huge numbers":
            config.unlink()
            (adapter / "config.json").write_text('{"hidden_size": 100000000}')
        case "huge file":
            config.write_text(json.dumps({"r": 2, "padding": "x" * 1_100_000}))
        case "not json":
            config.write_text("{")


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("pickle", "pickles only"),
        ("no weights", "no weights in safetensors"),
        ("header", "adapter_model.safetensors is not that of a safetensors file"),
        ("huge header", "adapter_model.safetensors is not that of a safetensors file"),
        ("cut off", "cut off"),
        ("remote code", "auto_map"),
        ("huge numbers", "hidden_size = 100000000"),
        ("huge file", "too large for a configuration"),
        ("not json", "not valid JSON"),
    ],
)
def test_models_that_can_not_serve_say_why(hub: Hub, adapter: Path, how: str, reason: str) -> None:
    _break(adapter, how)
    publish(hub, adapter, "acme/bad")
    seen = inspect(hub, "acme/bad")
    assert seen.verdict == "unusable"
    with pytest.raises(UnusableModel, match=reason):
        seen.require_usable()


def test_an_adapter_with_a_huge_configuration_is_still_an_adapter(hub: Hub, adapter: Path) -> None:
    _break(adapter, "huge file")
    publish(hub, adapter, "acme/bad")
    report = inspect(hub, "acme/bad")
    assert report.kind == "adapter"
    assert report.reasons == ("adapter_config.json is too large for a configuration (1.1 MB)",)


def test_adding_an_expert_asks_for_each_fact_once(hub: Hub, adapter: Path, tmp_path: Path) -> None:
    publish(hub, adapter, "acme/news")
    with faulty_line(hub.endpoint) as line:
        far = replace(hub, endpoint=line.endpoint, cache_dir=tmp_path / "far")
        snapshot = inspect(far, "acme/news").snapshot
        assert (snapshot.card, snapshot.read_json("sam_hub.json")["domain"]) == (CARD, "news")
        pull(far, plan_pull(far, "acme/news", snapshot.commit, tmp_path / "models", snapshot))
        requests = [request.split("?")[0] for request in line.requests if "/resolve/" not in request]
        assert len(requests) == len(set(requests)) == 2
        files = [request for request in line.requests if request.startswith("GET") and request.endswith(".json")]
        assert len(files) == len(set(files)) == 2


def test_a_missing_repository_is_one_clear_message(stranger: Hub) -> None:
    with pytest.raises(NotFoundOnHub, match=r"no repository 'acme/none'.*hf auth login"):
        inspect(stranger, "acme/none")


def test_a_missing_revision_is_one_clear_message(hub: Hub, adapter: Path) -> None:
    publish(hub, adapter, "acme/news")
    with pytest.raises(NotFoundOnHub, match="no such revision"):
        inspect(hub, "acme/news", "v9")


@pytest.mark.parametrize("name", ["", "a b", "a/b/c", "../x", "a--b", "./folder"])
def test_a_name_that_no_repository_can_have(hub: Hub, name: str) -> None:
    with pytest.raises(InputError, match="is not the name of a repository"):
        inspect(hub, name)
