"""From an empty home to a pushed model: by keys in a terminal, and by a script."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sam_hub.catalog.history import list_pushes
from sam_hub.config import Settings, load_settings
from sam_hub.demo.base import REPO
from sam_hub.demo.setup import HERE, demo_settings
from sam_hub.hub.embedded import stop_shared_hub
from sam_hub.hub.inspection import inspect
from sam_hub.services.context import AppContext
from tests.end_to_end import api_example
from tests.end_to_end.by_keys import walk
from tests.support.hubs import hub_process
from tests.support.tmux import Tmux

EXPERTS = ("sam-hub/ner-news", "sam-hub/ner-social", "sam-hub/ner-wikipedia")


@pytest.fixture(scope="module")
def home(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home that a person gets who starts the UI in an empty one and presses Enter."""
    settings = load_settings(home=tmp_path_factory.mktemp("home"))
    demo = demo_settings(settings)
    shutil.copytree(base, demo.home / "base" / REPO.partition("/")[2], copy_function=os.link)
    try:
        with Tmux({"SAM_HUB_HOME": str(settings.home)}) as terminal:
            terminal.wait_for("The catalog is empty")
            terminal.press("Enter")
            terminal.wait_for("The demo's Hub is ready", seconds=120)
            terminal.press("o")
            terminal.wait_for("Experts 14", "target: politics", "embedded Hub")
            terminal.press("s")
            terminal.wait_for("14 models", seconds=30)
        yield demo.home
    finally:
        stop_shared_hub(demo.hub)


def test_no_job_of_an_empty_home_tells_the_token(home: Path) -> None:
    jobs = [path.read_text() for path in (home.parent / "jobs").rglob("*") if path.is_file()]
    assert jobs
    assert not any("hf_" in text for text in jobs)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A folder of raw text, and a file of labeled sentences beside it."""
    lines = (HERE / "target" / "corpus.txt").read_text(encoding="utf-8").splitlines()
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "one.txt").write_text("\n".join(lines[40:52]), encoding="utf-8")
    (folder / "two.txt").write_text("\n".join(lines[52:64]), encoding="utf-8")
    gold = (HERE / "target" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "gold.jsonl").write_text("\n".join(gold[:3]), encoding="utf-8")
    return folder


def embedded(home: Path) -> Settings:
    return load_settings(home=home, endpoint="embedded")


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 36)])
def test_from_a_folder_of_text_to_a_pushed_model(home: Path, texts: Path, columns: int, rows: int) -> None:
    name = f"articles-{columns}"
    with Tmux({"SAM_HUB_HOME": str(home)}, columns, rows) as terminal:
        terminal.wait_for("Experts 14")
        last = walk(terminal, texts, texts.parent / "gold.jsonl", name, f"sam-hub/{name}")
    assert f"/sam-hub/{name}" in last
    with AppContext(embedded(home)) as context:
        pushed = list_pushes(context.catalog)[0]
        assert pushed.repo == f"sam-hub/{name}"
        there = inspect(context.hub, pushed.repo)
        assert (there.commit, there.verdict) == (pushed.commit, "usable")
        assert there.labels == ("person", "organization", "location")


ELSEWHERE = """
import json, sys
from sam_hub import MergedNER
print(json.dumps(MergedNER.from_pretrained(sys.argv[1], progress=False).predict_entities(json.loads(sys.argv[2]))))
"""


def test_a_script_does_the_whole_job_and_its_models_answer_elsewhere(home: Path, tmp_path: Path) -> None:
    """By the Python API in the demo's home; then from the Hub, in a process without a catalog; then by the command."""
    # In bfloat16, an answer can change with the size of a batch.
    environment = {**os.environ, "SAM_HUB_HOME": str(home), "SAM_HUB_DTYPE": "float32"}
    corpus, gold = HERE / "target" / "corpus.txt", tmp_path / "gold.jsonl"
    lines = (HERE / "target" / "test.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    gold.write_text("".join(lines[:10]), encoding="utf-8")

    def python(*arguments: object, env: dict[str, str]) -> Any:
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    told = python(Path(api_example.__file__), corpus, gold, "sam-hub/by-api", *EXPERTS, env=environment)
    assert all(len(chosen) == 2 for chosen in told["chosen"].values())
    new = tmp_path / "new.jsonl"
    new.write_text("".join(json.dumps({"text": text}) + "\n" for text in api_example.NEW))
    rows = python("-m", "sam_hub", "predict", "by-api", new, "--json", env=environment)
    assert [sentence["entities"] for sentence in rows] == told["entities"]
    with hub_process(home / "hub") as server:
        other = {
            **environment,
            "SAM_HUB_HOME": str(tmp_path / "home"),
            "HF_ENDPOINT": server.endpoint,
            "HF_TOKEN": server.token,
        }
        texts = json.dumps(api_example.NEW)
        loaded = python("-c", ELSEWHERE, "sam-hub/by-api", texts, env=other)
    assert loaded == told["entities"]
    assert not (tmp_path / "home" / "catalog.db").exists()
