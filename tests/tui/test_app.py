"""What a person does everywhere in the UI: moves, help, palette, quit, small terminals, odd names."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from sam_hub.catalog import open_catalog
from sam_hub.errors import SamHubError
from sam_hub.jobs.queue import cancel, submit
from sam_hub.settings import Settings, load_settings
from tests.jobs.busy import Busy
from tests.tui.conftest import NARROW, WIDE, ready, text_of, until
from tests.tui.filled import add_target, fill
from tui.actions import ACTIONS, STAGES
from tui.app import SMALLEST, SamHubApp
from tui.widgets.catalog_pane import CatalogPane
from tui.widgets.table import Table

ODD_NAMES = (
    "acme/[/foo]",
    "acme/[bold]not bold",
    "acme/法律-专家",
    "acme/🧬-bio",
    "acme/" + "x" * 300,
    "acme/a\tb\x1b[31mred",
)


def test_the_ui_starts_without_what_computes() -> None:
    """torch and its like take seconds to import: none of it may come with the UI or any of its stages."""
    code = (
        "import sys, tui.app\n"
        "from tui import stages\n"
        "[stages.make(name) for name in tui.actions.STAGES]\n"
        "heavy = {'torch', 'transformers', 'peft', 'mergekit', 'huggingface_hub', 'sqlmodel', 'sqlalchemy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


async def test_a_home_whose_catalog_cannot_be_read_is_told_instead_of_opened(settings: Settings) -> None:
    (settings.home / "catalog.db").write_bytes(b"this is no catalog" * 300)
    app = SamHubApp(settings)
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: app.return_value is not None)
    assert isinstance(app.return_value, SamHubError)
    assert "catalog.db" in str(app.return_value)


async def test_every_stage_is_a_digit_away_and_a_typed_digit_stays_in_its_field(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        for number, name in enumerate(STAGES, 1):
            await pilot.press(str(number))
            await until(pilot, lambda name=name: name == app.stage.NAME)
            app.set_focus(None)
        await pilot.press("2", "slash", "3", "q", "question_mark")
        assert app.query_one("#filter", Input).value == "3q?"
        assert app.stage.NAME == "experts"


async def test_the_filter_narrows_the_table_and_escape_brings_all_back(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot)
        table = app.query_one("#experts-table", Table)
        await pilot.press("slash", *"legal")
        await until(pilot, lambda: table.row_count == 2)
        assert "filter: legal" in str(table.border_title)
        await pilot.press("escape", "escape")
        await until(pilot, lambda: table.row_count == 7)


async def test_a_selected_expert_stays_selected_when_it_is_filtered_away(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        await pilot.press("space", "slash", *"news", "enter")
        await until(pilot, lambda: app.query_one("#experts-table", Table).row_count == 1)
        assert "1 selected" in text_of(app)
        assert list(app.checked.values()) == ["acme/ner-000000-legal"]


async def test_sorting_turns_the_table_around_and_keeps_the_cursor_on_its_expert(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        table = app.query_one("#experts-table", Table)
        here = table.key_under_cursor
        await pilot.press("O")
        await until(pilot, lambda: table.cursor_row == 6)
        assert table.key_under_cursor == here


async def test_ten_thousand_experts_are_walked_from_the_first_to_the_last(settings: Settings) -> None:
    fill(settings.catalog_url, 10_000)
    app = SamHubApp(settings)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        table = app.query_one("#experts-table", Table)
        assert table.row_count < 2_000
        await pilot.press("G")
        await until(pilot, lambda: "009999" in text_of(app))
        await pilot.press("k", "g")
        await until(pilot, lambda: "000000" in text_of(app))
        for row in range(1, 190):  # past the end of the window, twice
            await pilot.press("down")
            await until(pilot, lambda row=row: app.stage.copied().startswith(f"acme/ner-{row:06}"))


async def test_the_window_grows_ahead_of_the_cursor_and_moves_on_when_it_is_large(settings: Settings) -> None:
    fill(settings.catalog_url, 2_000)
    app = SamHubApp(settings)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        table, pane = app.query_one("#experts-table", Table), app.query_one(CatalogPane)
        sizes, starts = set(), set()
        while pane.page.offset + table.cursor_row < 1_000:
            here = pane.row
            await pilot.press("pagedown")
            await until(pilot, lambda here=here: pane.row != here)
            await pilot.pause(0.05)
            page = pane.page
            names = [int(row.repo[9:15]) for row in page.rows]
            assert names == list(range(page.offset, page.offset + len(names)))  # none left out, none twice
            assert [table.key_of(row) for row in range(table.row_count)] == [str(row.id) for row in page.rows]
            sizes.add(len(names))
            starts.add(page.offset)
        assert len(sizes) > 2
        assert max(sizes) <= 600
        assert len(starts) > 1
        here, top = pane.row, table.cursor_row - table.scroll_offset.y
        await pane.load()  # as when a job has ended: only what lies around the cursor is read again
        await pilot.pause()
        assert (pane.row, table.cursor_row - table.scroll_offset.y) == (here, top)
        assert table.row_count == 120


async def test_a_mark_and_what_it_says_of_other_rows_is_drawn_at_once(settings: Settings) -> None:
    fill(settings.catalog_url, 5, {"repo": "acme/of-another-base", "base_sha256": "c" * 64})
    app = SamHubApp(settings)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        warning = f"{app.symbols.warning} base"
        await pilot.press("space", "down")  # the cursor leaves the row, which is from now on drawn as it is
        assert (text_of(app).count("[x]"), text_of(app).count(warning)) == (1, 1)
        await pilot.press("up", "space", "down")
        assert (text_of(app).count("[x]"), text_of(app).count(warning)) == (0, 0)


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


@pytest.mark.parametrize("count", [2_000, 100_000])
async def test_the_first_rows_and_a_key_cost_little_however_large_the_catalog(
    settings: Settings, count: int
) -> None:
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
    assert min(first_paints) < 0.4
    assert min(keys) < 0.05


async def test_a_job_that_reports_a_thousand_times_a_second_does_not_slow_the_keys(
    settings: Settings,
) -> None:
    fill(settings.catalog_url, 2_000)
    with open_catalog(settings.catalog_url) as catalog:
        job = submit(catalog, settings, Busy(seconds=60, events_per_second=1_000))
        try:
            app = SamHubApp(settings)
            async with app.run_test(size=WIDE) as pilot:
                await until(pilot, lambda: "busy" in text_of(app) and "%" in text_of(app))
                assert min([await cost_of_down(pilot) for _ in range(2)]) < 0.06
        finally:
            cancel(catalog, settings, job.id or 0)


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_names_from_outside_are_shown_as_they_are(
    settings: Settings, size: tuple[int, int], tmp_path: Path
) -> None:
    fill(
        settings.catalog_url,
        0,
        *[{"repo": name, "domain": "[red]x", "labels": ["[b]", "人"]} for name in ODD_NAMES],
    )
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


async def test_a_hundred_resizes_leave_a_screen_that_works(filled: Settings) -> None:
    chance = random.Random(0)
    app = SamHubApp(filled)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        for number in range(100):
            await pilot.resize_terminal(chance.randint(20, 200), chance.randint(5, 60))
            if number % 4 == 0:
                await pilot.press(chance.choice(["down", "up", "2", "7", "1", "tab"]))
        await pilot.resize_terminal(*WIDE)
        await pilot.press("escape", "2")
        await until(pilot, lambda: "000000-legal" in text_of(app))


async def test_a_terminal_that_is_too_small_says_what_it_needs(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=(59, 15)) as pilot:
        await ready(pilot)
        assert SMALLEST in text_of(app)
        await pilot.resize_terminal(60, 16)
        await until(pilot, lambda: SMALLEST not in text_of(app))
        await until(pilot, lambda: "000000-legal" in text_of(app))


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_ascii_has_no_other_characters(filled: Settings, size: tuple[int, int]) -> None:
    app = SamHubApp(filled.model_copy(update={"ascii": True}))
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        for number in range(1, 8):
            app.set_focus(None)
            await pilot.press(str(number))
            await pilot.pause(0.3)
            odd = {c for c in text_of(app) if ord(c) > 126}
            assert not odd, f"{STAGES[number - 1]}: {odd}\n{text_of(app)}"


# --- the registry ------------------------------------------------------------------------------------------


def test_every_action_has_its_method_and_its_command() -> None:
    """One registry: a method where it is done, and a command that does the same without the UI."""
    from typer.main import get_command

    from sam_hub.cli.app import app as cli
    from tui import stages

    known = get_command(cli)
    for item in ACTIONS:
        if item.id.startswith("stage_"):
            continue
        owners = [SamHubApp] if item.is_global else [type(stages.make(name)) for name in item.stages]
        for owner in owners:
            assert callable(getattr(owner, f"do_{item.id}", None)), f"{owner.__name__} has no do_{item.id}"
        command = known
        for word in item.command.split()[1:]:
            assert word in command.commands, f"`{item.command}` is no command"  # type: ignore[attr-defined]
            command = command.commands[word]  # type: ignore[attr-defined]


def test_no_key_is_bound_that_terminals_keep_for_themselves() -> None:
    kept = {"ctrl+c", "ctrl+h", "ctrl+i", "ctrl+j", "ctrl+m", "ctrl+s", "ctrl+a", "ctrl+b"}
    for item in ACTIONS:
        assert not kept & set(item.keys.split(",")), item.id


def test_no_two_actions_of_a_stage_have_the_same_key() -> None:
    for name in STAGES:
        keys = [k for item in ACTIONS if item.is_global or name in item.stages for k in item.keys.split(",")]
        assert len(keys) == len(set(keys)), name


@pytest.mark.parametrize("name", STAGES)
async def test_every_action_is_reached_by_its_key_and_by_the_palette(filled: Settings, name: str) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        await app.go(name)
        await pilot.pause(0.2)
        bound = {b.action for _, b, _, _ in app.active_bindings.values()}
        offered = {command.help for command in app.get_system_commands(app.screen)}
        for item in ACTIONS:
            if (item.is_global or name in item.stages) and app.check_action("do", (item.id,)):
                assert f"do('{item.id}')" in bound, item.id
                assert item.tooltip in offered, item.id


async def test_a_remapped_key_works_and_shows_in_footer_help_and_palette(filled: Settings) -> None:
    app = SamHubApp(filled.model_copy(update={"keys": {"filter": "f5"}}))
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        footer = text_of(app).splitlines()[-1].lower()
        assert "f5 filter" in footer
        assert any(command.title == "Filter (f5)" for command in app.get_system_commands(app.screen))
        await pilot.press("question_mark")
        await pilot.pause()
        assert any(line.split()[:2] == ["│", "f5"] or "f5 " in line for line in text_of(app).splitlines())
        await pilot.press("escape", "f5")
        await pilot.pause()
        assert app.query_one("#filter", Input).has_focus


def test_a_key_for_an_unknown_action_is_refused(settings: Settings) -> None:
    from sam_hub.errors import UsageError

    (settings.home / "settings.toml").write_text('[keys]\nfliter = "f5"\n')
    with pytest.raises(UsageError, match="fliter"):
        SamHubApp(load_settings())


async def test_a_message_of_an_error_can_be_read_again(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot)
        await pilot.press("s")  # offline: the Hub can't be searched
        await until(pilot, lambda: app.failure is not None)
        await pilot.press("exclamation_mark")
        await until(pilot, lambda: "The last error" in text_of(app))
        assert "Unset HF_HUB_OFFLINE" in text_of(app)


async def test_an_empty_catalog_offers_two_ways_to_begin(settings: Settings) -> None:
    app = SamHubApp(settings)
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot)
        shown = text_of(app)
        assert "The catalog is empty" in shown
        assert "Try it with the demo's Hub" in shown
        assert "Search huggingface.co" in shown


async def test_leaving_while_an_answer_is_on_its_way_shows_no_traceback(filled: Settings) -> None:
    for pause in (0.0, 0.2, 0.4):  # before the facts, before the card, while the clerk starts
        app = SamHubApp(filled)
        async with app.run_test(size=WIDE) as pilot:
            await ready(pilot)
            await pilot.press("down")
            await pilot.pause(pause)
        assert app.return_code != 1  # what an unhandled error leaves
