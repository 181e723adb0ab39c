"""A person plans a push, reads the card, confirms by typing the name, and takes the address away."""

from __future__ import annotations

import asyncio

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Select, Static

from sam_hub.config import Settings
from sam_hub.tui.app import SamHubApp
from tests.tui.conftest import NARROW, WIDE, ready, text_of, until

REPO = "acme/ner-court"


async def opened(pilot: Pilot) -> SamHubApp:
    """The tab, with its form open and the cursor on the plan."""
    app = pilot.app
    assert isinstance(app, SamHubApp)
    await ready(pilot)
    await pilot.press("6")
    await until(pilot, lambda: "Press u to see" in text_of(app) and app.focused)
    return app


async def planned(pilot: Pilot, repo: str = REPO) -> SamHubApp:
    """A plan for this repository, made by keys only."""
    app = await opened(pilot)
    await pilot.press("u", *repo, "enter")
    await until(pilot, lambda: "Nothing is sent yet" in text_of(app))
    return app


def choose_others(settings: Settings) -> None:
    """A newer selection, whose experts are not merged."""
    from sam_hub.catalog.engine import open_catalog
    from sam_hub.catalog.history import latest_selection, record_selections
    from sam_hub.catalog.targets import get_target

    with open_catalog(settings.catalog_url) as catalog:
        last = latest_selection(catalog, get_target(catalog, "court").id or 0, "sampling")
        assert last is not None
        values = last.model_dump(exclude={"id", "created_at"})
        record_selections(catalog, type(last)(**{**values, "chosen": last.chosen[:1]}))


@pytest.mark.parametrize("size", [pytest.param(WIDE, marks=pytest.mark.slow), NARROW])
async def test_from_the_plan_to_the_address_by_keys_only(worked: Settings, size: tuple[int, int]) -> None:
    async with SamHubApp(worked).run_test(size=size) as pilot:
        app = await planned(pilot)
        shown = text_of(app)
        assert f"Creates {REPO} (private)" in shown
        assert "README.md" in shown
        await until(pilot, lambda: "ner-court" in text_of(app).partition("Card")[2])  # the card, without its head
        assert "library_name" not in text_of(app)
        await pilot.press("u", *REPO[:-1], "enter")
        assert app.state.jobs == []  # not before all of it is typed
        await pilot.press(REPO[-1], "enter")
        await until(pilot, lambda: f"Pushed to {REPO}" in text_of(app), seconds=60)
        assert "from_pretrained" in text_of(app)
        await until(pilot, lambda: app.tab.copied().startswith("http"))
        assert app.tab.copied().endswith(f"/{REPO}")
        await pilot.press("tab", "y")
        assert "HF_ENDPOINT" in app.clipboard.partition("from transformers import")[0]


async def test_without_a_name_the_cursor_goes_to_the_field_before_the_next_key(worked: Settings) -> None:
    async with SamHubApp(worked).run_test(size=WIDE) as pilot:
        app = await opened(pilot)
        app.tab.do_push()
        assert app.query_one("#push-problem", Static).display  # now, and not by a worker later
        await pilot.pause()
        assert app.focused is app.query_one("#push-repo", Input)


async def test_a_second_push_updates_and_says_what_stays_private(worked: Settings) -> None:
    from sam_hub.services.context import AppContext
    from sam_hub.services.options import PushOptions
    from sam_hub.services.push import run_push

    with AppContext(worked) as context:
        run_push(context, PushOptions("court", REPO))
    async with SamHubApp(worked).run_test(size=WIDE) as pilot:
        app = await opened(pilot)
        await pilot.press("u", *REPO, "shift+tab", "down", "down", "enter")  # public
        app.query_one("#push-repo").focus()
        await pilot.press("enter")
        await until(pilot, lambda: f"Updates {REPO} (private)" in text_of(app))
        assert "stays private" in text_of(app)


async def test_a_bad_name_is_an_error_beside_its_field(worked: Settings) -> None:
    async with SamHubApp(worked).run_test(size=NARROW) as pilot:
        app = await opened(pilot)
        await pilot.press("u", *"acme/[x] y", "enter")
        await until(pilot, lambda: "is not the name of a repository" in text_of(app))
        assert isinstance(app.focused, Input)
        await pilot.press("backspace")
        await until(pilot, lambda: "is not the name" not in text_of(app))


async def test_a_changed_field_takes_the_plan_back(worked: Settings) -> None:
    async with SamHubApp(worked).run_test(size=WIDE) as pilot:
        app = await planned(pilot)
        app.query_one("#push-repo").focus()
        await pilot.press("end", "2")
        await until(pilot, lambda: "Nothing is sent yet" not in text_of(app))
        await pilot.press("escape", "u")
        await until(pilot, lambda: f"Creates {REPO}2" in text_of(app))


async def test_without_a_target_the_tab_names_the_step(settings: Settings) -> None:
    app = SamHubApp(settings)
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot)
        await pilot.press("6")
        await until(pilot, lambda: "No target yet: press 1" in text_of(app))
        assert app.check_action("do", ("push",)) is None


async def test_without_a_ranking_the_tab_names_the_step(filled: Settings) -> None:
    app = SamHubApp(filled.model_copy(update={"offline": False, "endpoint": "embedded"}))
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        await pilot.press("6")
        await until(pilot, lambda: "Nothing to push for court yet: press 3" in text_of(app))


async def test_without_a_merge_the_plan_names_the_step(worked: Settings) -> None:
    choose_others(worked)
    async with SamHubApp(worked).run_test(size=NARROW) as pilot:
        app = await opened(pilot)
        await pilot.press("u", *REPO, "enter")
        await until(pilot, lambda: "not merged yet: press 4" in " ".join(text_of(app).split()))


async def test_a_push_that_fails_says_why_where_it_was_begun(worked: Settings) -> None:
    async with SamHubApp(worked).run_test(size=NARROW) as pilot:
        app = await planned(pilot)
        choose_others(worked)  # elsewhere, in the meantime
        await pilot.press("u", *REPO, "enter")
        problem = app.query_one("#push-problem", Static)
        await until(pilot, lambda: "are not merged yet" in str(problem.content), seconds=60)
        assert app.check_action("do", ("push",)) is True


async def test_offline_says_so_before_anything_is_filled_in(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot)
        await pilot.press("6")
        await until(pilot, lambda: "Offline is set: nothing can be pushed" in text_of(app))


async def test_who_is_not_logged_in_is_told_how(worked: Settings) -> None:
    from sam_hub.hub.embedded import shared_hub

    endpoint, _ = await asyncio.to_thread(shared_hub, worked.hub)
    app = SamHubApp(worked.model_copy(update={"endpoint": endpoint, "token": None}))
    async with app.run_test(size=NARROW) as pilot:
        await opened(pilot)
        await pilot.press("u", *REPO, "enter")
        await until(pilot, lambda: "Not logged in" in text_of(app))
        assert "hf auth login" in " ".join(text_of(app).split())


@pytest.mark.slow
async def test_the_one_adapter_goes_as_a_pull_request(worked: Settings) -> None:
    from sam_hub.services.context import AppContext
    from sam_hub.services.merges import run_merges
    from sam_hub.services.options import MergeOptions, PushOptions
    from sam_hub.services.push import run_push

    with AppContext(worked) as context:
        run_push(context, PushOptions("court", REPO))
        run_merges(context, MergeOptions("court", as_adapter=True, validate=False))
    async with SamHubApp(worked).run_test(size=WIDE) as pilot:
        app = await opened(pilot)
        app.query_one("#push-adapter", Select).value = True
        app.query_one("#push-pull_request", Select).value = True
        await pilot.press("u", *REPO, "enter")
        await until(pilot, lambda: f"Opens a pull request in {REPO}" in text_of(app))
        assert "adapter_model.safetensors" in text_of(app)
        assert "part of the current model" in text_of(app)
        await pilot.press("u", *REPO, "enter")
        await until(pilot, lambda: app.tab.copied().endswith("/discussions/1"), seconds=60)
        assert "refs/pr/1" in text_of(app)
