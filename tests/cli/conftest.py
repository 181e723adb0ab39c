"""A Hub with a tiny base and three tiny experts, a home of its own, and the command line in this process."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from sam_hub.cli import run
from tests.support.hubs import RunningHub, running_hub
from tests.support.tiny_hub import CORPUS, EXPERTS, GOLD, fill_hub

Call = Callable[..., Any]
NAMES = tuple(f"acme/ner-{name}" for name in sorted(EXPERTS))


@pytest.fixture(scope="session")
def hub_content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a Hub that holds the base and the experts."""
    return fill_hub(tmp_path_factory.mktemp("models"))


@pytest.fixture
def server(hub_content: Path, tmp_path: Path) -> Iterator[RunningHub]:
    """A Hub of this test alone, with a copy of the content."""
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
def sam_hub(home: Path, capsys: pytest.CaptureFixture[str]) -> Call:
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


# --- homes in which commands were run already, once for all tests: a test gets a copy -------------------------------


def home_after(before: Path | None, content: Path, folder: Path, *commands: tuple[object, ...]) -> Path:
    """Return a home below ``folder``: a copy of the one before, after these commands."""
    shutil.copytree(content, folder / "hub")
    if before:
        shutil.copytree(before, folder / "home", symlinks=True)
    with running_hub(folder / "hub") as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAM_HUB_HOME", str(folder / "home"))
        patch.setenv("HF_ENDPOINT", server.endpoint)
        patch.setenv("HF_TOKEN", server.token)
        for command in commands:
            said = io.StringIO()
            with redirect_stdout(said), redirect_stderr(said):
                code = run(list(map(str, command)))
            assert code == 0, said.getvalue()
    return folder / "home"


@pytest.fixture(scope="session")
def home_with_experts(hub_content: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return home_after(None, hub_content, tmp_path_factory.mktemp("experts"), ("add", *NAMES), ("pull", *NAMES))


@pytest.fixture(scope="session")
def home_with_target(hub_content: Path, home_with_experts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("target")
    (work / "corpus.txt").write_text(CORPUS)
    (work / "gold.jsonl").write_text(GOLD)
    options = ("--labels", "person, location", "--gold", work / "gold.jsonl")
    return home_after(home_with_experts, hub_content, work, ("target", "add", "paris", work / "corpus.txt", *options))


@pytest.fixture(scope="session")
def home_with_selection(hub_content: Path, home_with_target: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("selection")
    return home_after(home_with_target, hub_content, work, ("select", "paris", "--k", "2"))


@pytest.fixture
def pulled(home_with_experts: Path, home: Path, sam_hub: Call) -> Call:
    """The command line, where all experts of the Hub were pulled."""
    shutil.copytree(home_with_experts, home, symlinks=True)
    return sam_hub


@pytest.fixture
def with_target(home_with_target: Path, home: Path, sam_hub: Call) -> Call:
    """The same with a target, "paris", and its labeled sentences."""
    shutil.copytree(home_with_target, home, symlinks=True)
    return sam_hub


@pytest.fixture
def selected(home_with_selection: Path, home: Path, sam_hub: Call) -> Call:
    """The same with two experts chosen by each ranking."""
    shutil.copytree(home_with_selection, home, symlinks=True)
    return sam_hub
