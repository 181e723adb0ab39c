"""A user sees by what an expert is described, and describes it better, with commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sam_hub.cli import run
from sam_hub.hub.client import Hub
from tests.support.hubs import RunningHub, publish, write_adapter

Call = Callable[..., Any]
PLAIN = "acme/ner-plain"
CARD = "---\nlicense: mit\ndatasets: acme/rulings\n---\nIt finds courts and judges in rulings.\n"


@pytest.fixture
def plain(server: RunningHub, tmp_path: Path) -> Hub:
    """A Hub with an expert more, which has no descriptor; its data set is not there."""
    hub = Hub(server.endpoint, server.token, tmp_path / "cache")
    folder = write_adapter(tmp_path / "plain")
    (folder / "README.md").write_text(CARD)
    publish(hub, folder, PLAIN)
    return hub


def test_adding_says_that_a_card_alone_is_weak_and_what_is_better(
    plain: Hub, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["add", PLAIN]) == 0
    said = capsys.readouterr().err
    assert "described by its card alone (1 sentence, weak)" in said
    assert f"For a better descriptor, run `sam-hub describe {PLAIN} --corpus FILE`" in said
    assert run(["show", PLAIN]) == 0
    assert "its card alone (1 sentence, weak), all-MiniLM-L6-v2 at" in capsys.readouterr().out


def test_describe_looks_again_for_the_data_set_and_a_corpus_replaces_it(plain: Hub, sam_hub: Call, texts: Path) -> None:
    sam_hub("add", PLAIN)
    assert sam_hub("describe", PLAIN)["weak"]
    api = plain.api()
    api.create_repo("acme/rulings", repo_type="dataset")
    rows = b'{"tokens": ["The", "court", "rose", "."]}\n'
    api.upload_file(path_or_fileobj=rows, path_in_repo="train.jsonl", repo_id="acme/rulings", repo_type="dataset")
    again = sam_hub("describe", PLAIN, "--again")
    assert (again["origin"].split("@")[0], again["weak"]) == ("dataset acme/rulings", False)
    given = sam_hub("describe", PLAIN, "--corpus", texts / "corpus.txt")
    assert (given["origin"], given["count"]) == ("corpus", 3)
    [shown] = sam_hub("show", PLAIN)["descriptors"]
    assert {name: given[name] for name in shown} == shown
    assert len(shown["sentences_sha256"]) == 64


def test_an_expert_of_another_embedder_is_left_out_of_the_nearest_with_a_word(
    plain: Hub, home: Path, sam_hub: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"embedder": "e5-small", "revision": "v2", "count": 1, "sentences_sha256": "a" * 64}
    folder = write_adapter(tmp_path / "elsewhere")
    (folder / "README.md").write_text("")
    (folder / "descriptor.json").write_text(json.dumps({**said, "vector": [0.6, 0.8]}))
    publish(plain, folder, "acme/ner-elsewhere")
    sam_hub("add", "acme/ner-law", "acme/ner-elsewhere")
    found = sam_hub("describe", "ner-law")
    assert (list(found["nearest"]), found["left_out"]) == (["acme/ner-law"], ["acme/ner-elsewhere"])
    assert run(["describe", "ner-law"]) == 0
    shown = capsys.readouterr()
    assert "described by its repository (3 sentences), all-MiniLM-L6-v2 at" in shown.out
    assert "acme/ner-elsewhere is described by e5-small at v2, which can't be compared with" in shown.err
    assert "Run `sam-hub describe acme/ner-elsewhere`" in shown.err


def test_what_can_not_be_described_ends_with_what_to_do(
    plain: Hub, tmp_path: Path, failing: Callable[..., tuple[int, str]]
) -> None:
    (tmp_path / "plain" / "README.md").write_text("# Nothing\n")
    publish(plain, tmp_path / "plain", PLAIN)
    assert run(["add", PLAIN]) == 0
    _, message = failing("describe", PLAIN)
    assert f"`sam-hub describe {PLAIN} --corpus FILE`" in message
