"""The catalog's table: filtered, sorted, walked through, selected from, and quick however long it is."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from textual.pilot import Pilot

from sam_hub.catalog.engine import open_catalog
from sam_hub.catalog.removal import execute_removal, plan_removal
from sam_hub.config import Settings
from sam_hub.jobs.scheduler import Scheduler
from sam_hub.services.context import AppContext
from sam_hub.tui.app import SamHubApp
from sam_hub.tui.widgets import catalog_pane
from sam_hub.tui.widgets.catalog_pane import CatalogPane
from sam_hub.tui.widgets.table import Table
from tests.jobs.busy import Busy
from tests.tui.conftest import NARROW, WIDE, ready, text_of, until
from tests.tui.filled import add_target, fill

ODD_NAMES = (
    "acme/[/foo]",
    "acme/[bold]not bold",
    "acme/法律-专家",
    "acme/🧬-bio",
    "acme/" + "x" * 300,
    "acme/a\tb\x1b[31mred",
)


async def test_the_filter_narrows_the_table_and_escape_brings_all_back(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot)
        table = app.query_one("#experts-table", Table)
        await pilot.press("slash", *"legal")
        await until(pilot, lambda: table.row_count == 2 and "filter: legal" in str(table.border_title))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: table.row_count == 7)


async def test_a_selected_expert_stays_selected_when_it_is_filtered_away(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        await pilot.press("space", "slash", *"news", "enter")
        await until(pilot, lambda: app.query_one("#experts-table", Table).row_count == 1)
        assert "1 selected" in text_of(app)
        assert list(app.state.checked_repos) == ["acme/ner-000000-legal"]


async def test_sorting_turns_the_table_around_and_keeps_the_cursor_on_its_expert(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        table = app.query_one("#experts-table", Table)
        here = table.key_under_cursor
        await pilot.press("O")
        await until(pilot, lambda: table.cursor_row == 6)
        assert table.key_under_cursor == here


@pytest.mark.slow
@pytest.mark.slow
async def test_ten_thousand_experts_are_walked_from_the_first_to_the_last(settings: Settings) -> None:
    fill(settings.catalog_url, 10_000)
    app = SamHubApp(settings)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        table = app.query_one("#experts-table", Table)
        assert len(table.rows) < 2_000
        await pilot.press("G")
        await until(pilot, lambda: "009999" in text_of(app))
        await pilot.press("k", "g")
        await until(pilot, lambda: "000000" in text_of(app))
        for row in range(25, 251, 25):  # past the end of a page, twice
            await pilot.press(*["down"] * 25)
            await until(pilot, lambda row=row: app.tab.copied().startswith(f"acme/ner-{row:06}"))


async def test_pages_come_ahead_of_the_cursor_and_go_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_pane, "MOST", 5)
    fill(settings.catalog_url, 2_000)
    app = SamHubApp(settings)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        table, pane = app.query_one("#experts-table", Table), app.query_one(CatalogPane)
        assert table.row_count == 2_000
        sizes = set()
        while table.cursor_row < 1_000:
            here = table.cursor_row
            await pilot.press("pagedown")
            await until(pilot, lambda here=here: pane.row is not None and table.cursor_row != here)
            await pilot.pause(0.05)
            at = table.cursor_row
            names = [int(table.row_at(place).repo[9:15]) for place in range(at - 5, at + 40)]
            assert names == list(range(at - 5, at + 40))  # none left out, none twice
            sizes.add(len(table.rows))
        assert len(sizes) > 2
        assert max(sizes) <= 720
        here, top = pane.row, table.cursor_row - table.scroll_offset.y
        await app.tab.load()  # as when a job has ended: only what lies around the cursor is read again
        await pilot.pause()
        assert (pane.row, table.cursor_row - table.scroll_offset.y) == (here, top)
        assert len(table.rows) <= 240


async def test_a_mark_and_what_it_says_of_other_rows_is_drawn_at_once(settings: Settings) -> None:
    fill(settings.catalog_url, 5, {"repo": "acme/of-another-base", "base_sha256": "c" * 64})
    app = SamHubApp(settings)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        warning = f"{app.state.symbols.warning} base"
        await pilot.press("space", "down")  # the cursor leaves the row, which is from now on drawn as it is
        assert (text_of(app).count("[x]"), text_of(app).count(warning)) == (1, 1)
        await pilot.press("up", "space", "down")
        assert (text_of(app).count("[x]"), text_of(app).count(warning)) == (0, 0)


async def test_what_a_command_changed_is_there_when_one_comes_back(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        table = app.query_one("#experts-table", Table)
        count, gone = table.row_count, app.tab.copied()
        with open_catalog(filled.catalog_url) as catalog:
            execute_removal(catalog, plan_removal(catalog, gone, filled.models))
        app.set_focus(None)
        await pilot.press("1")
        await until(pilot, lambda: app.tab.NAME == "target")
        app.set_focus(None)
        await pilot.press("2")
        await until(pilot, lambda: table.row_count == count - 1)
        assert gone not in text_of(app)


async def cost_of_down(pilot: Pilot) -> float:
    """The 95th percentile of what ``down`` costs the UI's own thread, until the cursor stands on the next row.

    Processor time, not seconds: it is the UI's, whatever else the machine does.
    """
    table, costs = pilot.app.query_one("#experts-table", Table), []
    for _ in range(60):
        before, row = time.thread_time(), table.key_under_cursor
        pilot.app.simulate_key("down")
        while table.key_under_cursor == row:
            await asyncio.sleep(0)
        costs.append(time.thread_time() - before)
        await pilot.pause(0.03)  # the row is drawn, and now and then the jobs are looked at
    return sorted(costs)[57]


@pytest.mark.parametrize("count", [2_000, pytest.param(100_000, marks=pytest.mark.slow)])
async def test_the_first_rows_and_a_key_cost_little_however_large_the_catalog(settings: Settings, count: int) -> None:
    fill(settings.catalog_url, count)
    first_paints, keys = [], []
    for _ in range(3):  # the first one imports
        started = time.thread_time()
        app = SamHubApp(settings)
        async with app.run_test(size=WIDE) as pilot:
            while not app.query(Table).first().row_count:
                await asyncio.sleep(0.005)
            await pilot.pause(0)
            first_paints.append(time.thread_time() - started)
            await ready(pilot)
            keys.append(await cost_of_down(pilot))
    assert min(first_paints) < 1  # a tenth of what drawing the catalog whole would take; benchmarks/tui.py measures
    assert min(keys) < 0.05


@pytest.mark.slow
async def test_a_job_that_reports_a_thousand_times_a_second_does_not_slow_the_keys(settings: Settings) -> None:
    fill(settings.catalog_url, 2_000)
    with AppContext(settings) as context:
        job = Scheduler(context).submit(Busy(seconds=60, events_per_second=1_000))
        try:
            app = SamHubApp(settings)
            async with app.run_test(size=WIDE) as pilot:
                await until(pilot, lambda: "busy" in text_of(app) and "%" in text_of(app))
                assert min([await cost_of_down(pilot) for _ in range(2)]) < 0.06
        finally:
            Scheduler(context).cancel(job.id or 0)


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_names_from_outside_are_shown_as_they_are(
    settings: Settings, size: tuple[int, int], tmp_path: Path
) -> None:
    fill(settings.catalog_url, 0, *[{"repo": name, "domain": "[red]x", "labels": ["[b]", "人"]} for name in ODD_NAMES])
    add_target(settings.catalog_url, tmp_path, labels=("[/b]", "人"))
    app = SamHubApp(settings)
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        for _ in ODD_NAMES:
            await pilot.press("down")
            await pilot.pause(0.05)
        shown = text_of(app)
        for part in ("[/foo]", "[bold]not bold", "法律", "🧬"):
            assert part in shown
        assert "\x1b" not in shown
        assert "[/b]" in shown  # in the Needs line
