"""Bad input gets one clear message that ends in what to do, a stable exit code, and loses nothing."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sam_hub.hub.client import Hub
from sam_hub.hub.upload import plan_push, push
from tests.support.hubs import RunningHub
from tests.support.tiny_hub import adapt
from tests.support.tiny_models import tiny_adapter, tiny_base

Failing = Callable[..., tuple[int, str]]


@pytest.fixture
def owner(server: RunningHub, tmp_path: Path) -> Hub:
    return Hub(server.endpoint, server.token, tmp_path / "cache")


def publish(hub: Hub, folder: Path, repo: str) -> None:
    push(hub, plan_push(hub, folder, repo, private=False), "Publish")


def test_a_repository_that_does_not_exist(failing: Failing) -> None:
    code, message = failing("add", "acme/nothing")
    assert code == 1
    assert "acme/nothing" in message


def test_a_gated_repository_names_the_page_to_ask(
    failing: Failing, owner: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.api().update_repo_settings("acme/ner-law", gated="manual")
    monkeypatch.delenv("HF_TOKEN")
    code, message = failing("add", "acme/ner-law")
    assert code == 1
    assert f"{owner.endpoint}/acme/ner-law" in message


def test_no_network_is_worth_a_retry(failing: Failing, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    code, message = failing("search", "legal")
    assert code == 3
    assert "network" in message


def test_offline_says_how_to_go_online(failing: Failing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, message = failing("search", "legal")
    assert code == 3
    assert "HF_HUB_OFFLINE" in message


def test_pickles_are_refused(failing: Failing, owner: Hub, tmp_path: Path) -> None:
    owner.api().create_repo("acme/pickled")
    owner.api().upload_file(path_or_fileobj=b"weights", path_in_repo="pytorch_model.bin", repo_id="acme/pickled")
    code, message = failing("add", "acme/pickled")
    assert code == 1
    assert "pickle" in message


def test_an_adapter_of_another_base_is_not_pulled_as_one_of_this(
    failing: Failing, sam_hub: Any, owner: Hub, tmp_path: Path
) -> None:
    other = tiny_base(tmp_path / "other", seed=7)
    stray = tiny_adapter(other, tmp_path / "stray")
    adapt(stray, domain="stray", labels=["person"])
    publish(owner, stray, "acme/ner-stray")
    sam_hub("add", "acme/ner-stray")
    code, message = failing("pull", "acme/ner-stray")
    assert code == 1
    assert "other weights" in message


def test_a_base_that_is_not_on_the_hub_is_named_as_the_base(failing: Failing, sam_hub: Any) -> None:
    sam_hub("add", "acme/ner-law", "--base", "acme/gone")
    code, message = failing("pull", "ner-law")
    assert code == 1
    assert "acme/gone, the base of acme/ner-law, is not on" in message


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "no sentence"), (b"\n \n", "no sentence"), (b"caf\xe9", "not UTF-8")]
)
def test_an_unusable_corpus(failing: Failing, tmp_path: Path, content: bytes, said: str) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_bytes(content)
    code, message = failing("target", "add", "x", corpus, "--labels", "person")
    assert code == 1
    assert said in message


def test_a_corpus_that_is_not_there(failing: Failing, tmp_path: Path) -> None:
    code, message = failing("target", "add", "x", tmp_path / "nothing.txt", "--labels", "person")
    assert code == 1
    assert "nothing.txt" in message


def test_steps_out_of_order_name_the_missing_one(failing: Failing, sam_hub: Any, texts: Path) -> None:
    sam_hub("target", "add", "paris", texts / "corpus.txt", "--labels", "person")
    assert "sam-hub select paris" in failing("merge", "paris")[1]
    assert "sam-hub select paris" in failing("predict", "paris", texts / "corpus.txt")[1]
    assert "--gold" in failing("evaluate", "paris")[1]
    assert "sam-hub search" in failing("select", "paris")[1]


def test_a_corrupt_catalog_is_named_and_left_alone(failing: Failing, home: Path) -> None:
    home.mkdir(parents=True)
    (home / "catalog.db").write_bytes(b"not a database" * 100)
    code, message = failing("list")
    assert code == 1
    assert "catalog.db" in message
    assert (home / "catalog.db").read_bytes() == b"not a database" * 100


def test_a_setting_that_makes_no_sense(failing: Failing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAM_HUB_THREADS", "many")
    code, message = failing("list")
    assert code == 2
    assert "threads" in message


def test_a_taken_port(failing: Failing, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, message = failing("hub-serve", tmp_path / "root", "--port", taken.getsockname()[1])
    assert code == 1
    assert "port" in message.lower()


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("pull",),
        ("select", "x", "--k", "0"),
        ("select", "x", "--k", "many"),
        ("select", "x", "--k", "auto", "--by", "similarity"),
        ("select", "x", "--sample", "19"),
        ("select", "x", "--sample", "501", "--background"),
        ("select", "x", "--weights", "loud"),
        ("merge",),
        ("train", "--out", "x", "--base", "y", "--rename", "z"),
    ],
)
def test_wrong_usage_is_exit_code_2(failing: Failing, words: tuple[str, ...]) -> None:
    assert failing(*words)[0] == 2


def test_a_merge_method_that_does_not_exist(failing: Failing, sam_hub: Any) -> None:
    sam_hub("add", "acme/ner-news")
    sam_hub("pull", "ner-news")
    code, message = failing("merge", "--expert", "ner-news", "--method", "magic")
    assert code == 2
    assert "ties" in message


@pytest.mark.parametrize("how", [(), ("--dry-run",)])
def test_training_data_that_is_not_there(failing: Failing, tmp_path: Path, how: tuple[str, ...]) -> None:
    base = tiny_base(tmp_path / "base")
    out = tmp_path / "out"
    code, message = failing("train", "--data", tmp_path / "none", "--base", base, "--out", out, *how)
    assert code == 1
    assert "train.jsonl" in message
    assert not out.exists()


@pytest.mark.parametrize(
    "option",
    [
        ("--data", "d"),
        ("--name", "n"),
        ("--domain", "law"),
        ("--rename", "a=b"),
        ("--keep", "a"),
        ("--named-only",),
        ("--set", "rank=16"),
    ],
)
def test_a_recipe_excludes_the_options_it_replaces(failing: Failing, tmp_path: Path, option: tuple[str, ...]) -> None:
    code, message = failing("train", "--recipe", tmp_path / "r.json", "--base", "b", "--out", tmp_path / "out", *option)
    assert code == 2
    assert f"--recipe can't be combined with {option[0]}" in message


def test_a_queue_in_which_one_recipe_is_wrong(failing: Failing, tmp_path: Path) -> None:
    base, queue, out = tiny_base(tmp_path / "base"), tmp_path / "queue", tmp_path / "out"
    queue.mkdir()
    (queue / "bad.json").write_text("{}")
    for dry_run in ((), ("--dry-run",)):
        code, message = failing("train", "--queue", queue, "--base", base, "--out", out, *dry_run)
        assert code == 1
        assert "1 of 1 experts failed: bad" in message
    assert not out.exists()


def test_remove_with_json_does_not_ask(failing: Failing, sam_hub: Any) -> None:
    sam_hub("add", "acme/ner-news")
    assert failing("remove", "ner-news", "--json")[0] == 2
    assert json.loads(json.dumps(sam_hub("list")))[0]["repo"] == "acme/ner-news"
