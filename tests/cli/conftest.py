"""A Hub with a tiny base and three tiny experts, a home of its own, and the command line in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sam_hub.cli import run
from tests.support.hubs import RunningHub, running_hub
from tests.support.tiny_hub import CORPUS, GOLD, fill_hub


@pytest.fixture(scope="session")
def hub_content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a Hub that holds the base and the experts."""
    return fill_hub(tmp_path_factory.mktemp("models"))


@pytest.fixture
def server(hub_content: Path, tmp_path: Path) -> Iterator[RunningHub]:
    """A Hub of this test alone, with a copy of the content."""
    import shutil

    shutil.copytree(hub_content, tmp_path / "hub")
    with running_hub(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture
def home(tmp_path: Path, server: RunningHub, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, with the Hub and the token in the environment."""
    monkeypatch.setenv("SAM_HUB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    monkeypatch.setenv("HF_TOKEN", server.token)
    return tmp_path / "home"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A folder with a corpus and labeled sentences."""
    (tmp_path / "corpus.txt").write_text(CORPUS)
    (tmp_path / "gold.jsonl").write_text(GOLD)
    return tmp_path


@pytest.fixture
def sam_hub(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command with ``--json`` and give what it printed; it must succeed."""

    def call(*arguments: object) -> Any:
        code = run([*map(str, arguments), "--json"])
        shown = capsys.readouterr()
        assert code == 0, shown.err
        return json.loads(shown.out)

    return call


@pytest.fixture
def failing(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run a command that must fail; gives the exit code and the message."""

    def call(*arguments: object) -> tuple[int, str]:
        code = run(list(map(str, arguments)))
        message = capsys.readouterr().err
        assert code != 0
        assert "Traceback" not in message
        return code, message

    return call
