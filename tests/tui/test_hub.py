"""Experts on the Hub, in the UI: found with filters and page after page, and kept up with when they change."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sam_hub.config import Settings
from sam_hub.local_hub.storage import Entry, Storage
from sam_hub.services.options import SearchOptions
from sam_hub.tui.app import SamHubApp
from sam_hub.tui.messages import JobsChanged
from sam_hub.tui.widgets.hub_pane import PAGE, HubPane, search_options
from tests.tui.conftest import WIDE, ready, text_of, until


@pytest.mark.parametrize(
    ("typed", "terms"),
    [
        ("ner law", {"text": "ner law"}),
        ("label:person label:law x", {"text": "x", "labels": ("person", "law")}),
        ("author:acme library:peft", {"author": "acme", "library": "peft"}),
        ("license:mit sort:downloads", {"license": "mit", "sort": "downloads"}),
        ("base:a/b odd:x base:", {"text": "odd:x base:", "base": "a/b"}),
    ],
)
def test_a_search_is_words_and_filters(typed: str, terms: dict[str, Any]) -> None:
    assert search_options(typed) == SearchOptions(**terms, limit=PAGE)


def publish_many(root: Path, count: int) -> None:
    """So many models, put into the Hub's folder as it keeps them."""
    storage = Storage(root)
    card = storage.keep("README.md", b"---\nlicense: mit\n---\n")
    for number in range(count):
        repository = storage.create("models", f"many/ner-{number:03}", private=False)

        def add(files: dict[str, Entry]) -> None:
            files["README.md"] = card

        repository.commit("main", add, title="Card")


async def test_the_last_row_brings_the_next_page(worked: Settings) -> None:
    await asyncio.to_thread(publish_many, worked.hub, 230)
    async with SamHubApp(worked).run_test(size=WIDE) as pilot:
        app = pilot.app
        assert isinstance(app, SamHubApp)
        await ready(pilot)
        await pilot.press("s")
        await until(pilot, lambda: "100 models, the newest first. Go to the last row for more" in text_of(app))
        for count in (200, 233):
            await pilot.press("G")
            await until(pilot, lambda count=count: app.query_one(HubPane).table.row_count == count, seconds=30)
        await until(pilot, lambda: "Go to the last row for more" not in text_of(app))
        repos = [found.repo for found in app.query_one(HubPane).table.rows]
        assert len(set(repos)) == 233


async def test_experts_that_changed_on_the_hub_are_moved_after_a_look(
    worked: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the jobs are looked at anew while the end of the update is reported."""
    from sam_hub.services.context import AppContext

    renew = SamHubApp._renew_target

    async def slowly(self: SamHubApp, *names: str | None) -> None:
        self.post_message(JobsChanged())
        await asyncio.sleep(0.3)
        await renew(self, *names)

    with AppContext(worked) as context:
        api = context.hub.api()
        change = {"path_or_fileobj": b"news", "path_in_repo": "notes.txt"}
        head = api.upload_file(repo_id="acme/ner-law", **change).oid
    async with SamHubApp(worked).run_test(size=WIDE) as pilot:
        app = pilot.app
        assert isinstance(app, SamHubApp)
        await ready(pilot)
        await pilot.press("U")
        await until(pilot, lambda: "Update 1 expert?" in text_of(app))
        assert f"to {head[:8]}" in text_of(app)
        assert "court's choice by similarity" in text_of(app)
        monkeypatch.setattr(SamHubApp, "_renew_target", slowly)
        await pilot.press("u")
        await until(pilot, lambda: any(view.job.state == "done" for view in app.state.jobs), seconds=60)
        await until(pilot, lambda: f"revision {head[:12]}" in text_of(app))
