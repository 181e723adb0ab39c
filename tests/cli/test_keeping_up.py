"""Experts change on the Hub: what is behind is listed, moved when one says so, and what that makes stale is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sam_hub.cli import run
from sam_hub.services.context import AppContext

Call = Callable[..., Any]


def change(repo: str) -> str:
    """Somebody commits to the repository; the new head."""
    api = AppContext().hub.api()
    return api.upload_file(path_or_fileobj=b"news", path_in_repo="notes.txt", repo_id=repo).oid


def test_an_expert_that_moved_is_listed_then_updated_and_its_choice_is_stale(
    selected: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    assert selected("outdated") == {"outdated": [], "stale": []}
    head = change("acme/ner-law")
    (moved,) = selected("outdated")["outdated"]
    assert (moved["repo"], moved["head"]) == ("acme/ner-law", head)
    done = selected("update")
    assert [one["head"] for one in done["moved"]] == [head]
    assert {choice["target"] for choice in done["stale"]} == {"paris"}
    assert all("acme/ner-law@" in choice["experts"][0] for choice in done["stale"])
    assert selected("outdated")["outdated"] == []
    capsys.readouterr()
    assert run(["outdated"]) == 0
    said = capsys.readouterr().out
    assert "All experts are up to date." in said
    assert "Run `sam-hub select paris` again." in said


def test_one_that_is_gone_or_can_t_serve_any_more_stays_as_it_is(pulled: Call) -> None:
    api = AppContext().hub.api()
    before = {row["repo"]: row["commit"] for row in pulled("list")}
    first, second = sorted(before)[:2]
    api.delete_repo(first)
    api.delete_file("adapter_model.safetensors", second)
    done = pulled("update")
    assert done["moved"] == []
    assert {one["repo"] for one in done["kept"]} == {first, second}
    assert {row["repo"]: row["commit"] for row in pulled("list")} == before


def test_labels_given_by_hand_stay_with_an_expert_that_says_none(pulled: Call, tmp_path: Path) -> None:
    api = AppContext().hub.api()
    api.delete_file("sam_hub.json", "acme/ner-law")
    (added,) = pulled("add", "acme/ner-law", "--label", "verdict")
    assert added["labels"] == ["verdict"]
    head = change("acme/ner-law")
    assert [one["head"] for one in pulled("update", "acme/ner-law")["moved"]] == [head]
    (row,) = (row for row in pulled("list") if row["repo"] == "acme/ner-law")
    assert (row["commit"], row["labels"]) == (head, ["verdict"])
