"""Without a network: what lies on disk serves, what needs the Hub says so at once, and nobody is asked."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sam_hub.cli import run

Call = Callable[..., Any]


@pytest.fixture
def cut_off(with_target: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Experts and a target are there, and then the network is switched off: any connection is an error."""

    def refuse(*_: object) -> None:
        raise AssertionError("somebody was asked")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return with_target


def test_the_whole_of_sam_needs_no_network(cut_off: Call, texts: Path) -> None:
    assert len(cut_off("list")) == 3
    assert cut_off("show", "acme/ner-law")["repo"] == "acme/ner-law"
    chosen = cut_off("select", "paris", "--k", "2")
    assert {"similarity", "sampling"} <= chosen.keys()
    assert all(Path(merge["path"]).is_dir() for merge in cut_off("merge", "paris"))
    assert cut_off("evaluate", "paris")
    assert cut_off("predict", "paris", texts / "corpus.txt")


def test_a_pull_of_what_is_on_disk_says_why_the_hub_was_not_asked(
    cut_off: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["pull", "acme/ner-law"]) == 0
    assert "acme/ner-law is served from disk: Offline mode is on" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ("search", "ner"),
        ("add", "acme/ner-law"),
        ("outdated",),
        ("update",),
        ("push", "paris", "--repo", "acme/ner-paris"),
    ],
    ids=lambda command: command[0],
)
def test_what_needs_the_hub_says_so_and_how_to_reach_it(
    cut_off: Call, failing: Callable[..., tuple[int, str]], command: tuple[str, ...]
) -> None:
    if command[0] == "push":
        cut_off("select", "paris", "--k", "1")
        cut_off("merge", "paris")
    _, message = failing(*command)
    assert "Offline mode is on" in message
    assert "Unset SAM_HUB_OFFLINE and HF_HUB_OFFLINE." in message
