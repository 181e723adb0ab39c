"""A home that was moved to another folder works on, and nothing that leaves it names a folder of either place."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sam_hub.hub.client import connect
from sam_hub.hub.download import plan_pull, pull
from sam_hub.services.context import AppContext

Call = Callable[..., Any]
NAMES = ("acme/ner-law", "acme/ner-medicine", "acme/ner-news")


@pytest.mark.slow
@pytest.mark.slow
def test_a_moved_home_works_on(sam_hub: Call, home: Path, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    gold = home / "gold.jsonl"  # in the home, as the corpus's copy is
    shutil.copyfile(texts / "gold.jsonl", gold)
    sam_hub("add", *NAMES)
    sam_hub("pull", *NAMES)
    job = sam_hub("pull", NAMES[0], "--background")
    assert sam_hub("jobs", "logs", "-f", job["job"])["state"] == "done"
    sam_hub("target", "add", "paris", texts / "corpus.txt", "--labels", "person, location", "--gold", gold)
    selected = sam_hub("select", "paris", "--k", "2")
    sam_hub("merge", "paris", "--as-adapter")
    scores = [row["f1"] for row in sam_hub("evaluate", "paris", "--singles")]
    answer = sam_hub("predict", "paris", gold)

    moved = home.with_name("moved") / "home"
    moved.parent.mkdir()
    home.rename(moved)
    monkeypatch.setenv("SAM_HUB_HOME", str(moved))

    experts, bases = sam_hub("list"), sam_hub("list", "--bases")
    assert all(Path(row["path"]).is_relative_to(moved) and Path(row["path"]).is_dir() for row in (*experts, *bases))
    assert Path(sam_hub("jobs", "logs", "-f", job["job"])["result"]["path"]).is_relative_to(moved)
    assert sam_hub("select", "paris", "--k", "2") == selected
    assert sam_hub("predict", "paris", moved / "gold.jsonl") == answer
    assert [row["f1"] for row in sam_hub("evaluate", "paris", "--singles")] == scores
    merges = sam_hub("merge", "paris")  # those that are there
    assert all(merge["reused"] and Path(merge["path"]).is_relative_to(moved) for merge in merges)
    assert all(str(home) not in Path(merge["path"], "mergekit_config.yml").read_text() for merge in merges)
    for options in ((), ("--adapter",)):
        pushed = sam_hub("push", "paris", "--repo", f"acme/paris{len(options)}", *options)
        with AppContext() as context:
            hub = connect(context.settings)
            folder = pull(hub, plan_pull(hub, pushed["repo"], pushed["commit"], texts / "pulled"))
        for file in folder.rglob("*"):
            if file.is_file():
                assert str(texts).encode() not in file.read_bytes(), file
    assert not sam_hub("merge", "paris", "--set", "density=0.5")[0]["reused"]
    sam_hub("target", "remove", "paris", "--yes")
    assert list((moved / "targets").iterdir()) == []
    assert sam_hub("remove", "ner-medicine", "--yes")["removed"]
    assert list((moved / "models" / "acme--ner-medicine").iterdir()) == []
