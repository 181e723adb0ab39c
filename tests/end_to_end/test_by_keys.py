"""A person with a terminal and no mouse: from a folder of text to a merged model on the demo's Hub."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sam_hub.catalog import list_pushes
from sam_hub.demo.stocking import HERE, demo_settings
from sam_hub.hub.embedded import stop_shared_hub
from sam_hub.hub.inspection import inspect
from sam_hub.jobs.place import Place
from sam_hub.settings import load_settings
from tests.end_to_end.by_keys import walk
from tests.tmux import Tmux


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A folder of raw text, and a file of labelled sentences beside it."""
    lines = (HERE / "target" / "corpus.txt").read_text(encoding="utf-8").splitlines()
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "one.txt").write_text("\n".join(lines[40:52]), encoding="utf-8")
    (folder / "two.txt").write_text("\n".join(lines[52:64]), encoding="utf-8")
    gold = (HERE / "target" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "gold.jsonl").write_text("\n".join(gold[:6]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def home(demo_home: Path, outcome: dict[str, Any]) -> Iterator[Path]:
    """The home that the demo left, with a Hub of its own."""
    assert outcome["pushed"]
    yield demo_home / "demo"
    stop_shared_hub(demo_home / "demo" / "hub")


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 36)])
def test_from_a_folder_of_text_to_a_pushed_model(home: Path, texts: Path, columns: int, rows: int) -> None:
    name = f"articles-{columns}"
    with Tmux({"SAM_HUB_HOME": str(home)}, columns, rows) as terminal:
        terminal.wait_for("Experts 7")
        last = walk(terminal, texts, texts.parent / "gold.jsonl", name, f"sam-hub/{name}")
    assert f"/sam-hub/{name}" in last
    with Place(load_settings(home=home, endpoint="embedded")) as place:
        pushed = list_pushes(place.catalog)[0]
        assert pushed.repo == f"sam-hub/{name}"
        there = inspect(place.hub, pushed.repo)
        assert (there.commit, there.verdict) == (pushed.commit, "usable")
        assert there.labels == ("person", "organization", "location")


def test_an_empty_home_gets_the_demos_hub_by_enter(home: Path, tmp_path: Path) -> None:
    base = tmp_path / "home" / "demo" / "base"
    shutil.copytree(home / "base", base)  # it was fetched from PyPI once already
    settings = load_settings(home=tmp_path / "home")
    try:
        with Tmux({"SAM_HUB_HOME": str(settings.home)}) as terminal:
            terminal.wait_for("The catalog is empty")
            terminal.press("Enter")
            terminal.wait_for("The demo's Hub is ready", seconds=120)
            terminal.press("o")
            terminal.wait_for("Experts 7", "target: wikipedia", "embedded Hub")
            terminal.press("s")
            terminal.wait_for("7 models", seconds=30)
    finally:
        stop_shared_hub(demo_settings(settings).hub)
    assert "hf_" not in json.dumps(
        [p.read_text() for p in (settings.home / "jobs").rglob("*") if p.is_file()]
    )
