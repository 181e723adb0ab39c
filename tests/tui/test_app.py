"""What a person does everywhere in the UI: moves, help, palette, quit, small terminals, an empty home."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from textual.widgets import Input

from sam_hub.config import Settings, load_settings
from sam_hub.errors import SamHubError
from sam_hub.tui.actions import ACTIONS, TABS, doubled_keys
from sam_hub.tui.app import SMALLEST, SamHubApp
from sam_hub.tui.screens.dialogs import Question
from sam_hub.tui.tabs import make_tab
from tests.tui.conftest import NARROW, WIDE, ready, text_of, until


def test_the_ui_starts_without_what_computes() -> None:
    """torch and its like take seconds to import: none of it may come with the UI or any of its tabs."""
    code = (
        "import sys, sam_hub.tui.app, sam_hub.tui.actions\n"
        "from importlib import import_module\n"
        "[import_module(f'sam_hub.tui.tabs.{name}') for name in sam_hub.tui.actions.TABS]\n"
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


async def test_every_tab_is_a_digit_away_and_a_typed_digit_stays_in_its_field(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        for number, name in enumerate(TABS, 1):
            await pilot.press(str(number))
            await until(pilot, lambda name=name: name == app.tab.NAME)
            app.set_focus(None)
        await pilot.press("2", "slash", "3", "q", "question_mark")
        assert app.query_one("#filter", Input).value == "3q?"
        assert app.tab.NAME == "experts"


@pytest.mark.slow
@pytest.mark.slow
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
    async with app.run_test(size=size, notifications=True) as pilot:
        await ready(pilot)
        for number in range(1, 8):
            app.set_focus(None)
            await pilot.press(str(number))
            await pilot.pause(0.3)
            odd = {c for c in text_of(app) if ord(c) > 126}
            assert not odd, f"{TABS[number - 1]}: {odd}\n{text_of(app)}"
        question = Question("Sure?", "It goes.", [("x", "Remove", True), ("b", "Back", False)], typed="acme/x")
        app.push_screen(question)
        app.notify("It ended.", title="Done")
        await until(pilot, lambda: "Type acme/x" in text_of(app) and "It ended" in text_of(app))
        assert not {c for c in text_of(app) if ord(c) > 126}


async def test_what_was_typed_wrong_before_a_push_or_a_delete_is_told(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot)
        app.push_screen(Question("Sure?", "It goes.", [("x", "Remove", True)], typed="acme/x"))
        await until(pilot, lambda: "Type acme/x" in text_of(app))
        await pilot.press(*"acme/y", "enter")
        await until(pilot, lambda: "This is not acme/x" in text_of(app))
        await pilot.press("backspace", "x")
        assert "This is not" not in text_of(app)


# --- the registry ------------------------------------------------------------------------------------------


async def test_every_action_has_a_method_where_it_can_be_done(settings: Settings) -> None:
    app = SamHubApp(settings)
    async with app.run_test():
        assert actions_of(app) | {f"tab_{name}" for name in TABS} == {item.id for item in ACTIONS if item.is_global}
        for name in TABS:
            expected = {item.id for item in ACTIONS if name in item.tabs and item.home in ("", name)}
            assert actions_of(make_tab(name, app.state)) == expected, name


def actions_of(owner: object) -> set[str]:
    """The ids of the actions that an app or a tab does."""
    return {name.removeprefix("do_") for name in dir(owner) if name.startswith("do_")}


def test_every_action_has_a_command_that_does_the_same_without_the_ui() -> None:
    from typer.main import get_command

    from sam_hub.cli.app import app as cli

    for item in ACTIONS:
        command = get_command(cli)
        for word in item.command.split()[1:]:
            assert word in command.commands, f"`{item.command}` is not a command"  # type: ignore[attr-defined]
            command = command.commands[word]  # type: ignore[attr-defined]


def test_no_key_is_bound_that_terminals_keep_for_themselves() -> None:
    kept = {"ctrl+c", "ctrl+h", "ctrl+i", "ctrl+j", "ctrl+m", "ctrl+s", "ctrl+a", "ctrl+b"}
    for item in ACTIONS:
        assert not kept & set(item.keys.split(",")), item.id


def test_no_two_actions_of_a_tab_have_the_same_key(filled: Settings) -> None:
    assert doubled_keys({}) == []
    for keys in ({"filter": "r"}, {"filter": "f5, r"}):
        with pytest.raises(SamHubError, match="key 'r' to two actions, filter and rank"):
            SamHubApp(filled.model_copy(update={"keys": keys}))
    SamHubApp(filled.model_copy(update={"keys": {"filter": "r", "rank": "f6"}}))


async def test_every_action_is_reached_by_its_key_and_by_the_palette(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        for name in TABS:
            await app.go(name)
            await pilot.pause(0.2)
            bound = {b.action for _, b, _, _ in app.active_bindings.values()}
            offered = {command.help for command in app.get_system_commands(app.screen)}
            for item in ACTIONS:
                if (item.is_global or name in item.tabs) and app.check_action("do", (item.id,)):
                    assert f"do('{item.id}')" in bound, (name, item.id)
                    assert item.tooltip in offered, (name, item.id)


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


async def test_a_theme_that_does_not_exist_is_told(filled: Settings) -> None:
    app = SamHubApp(filled.model_copy(update={"theme": "nonsense"}))
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        await until(pilot, lambda: app.state.failure is not None)
        assert app.state.failure.title == "There is no theme 'nonsense'"
        assert "textual-dark" in app.state.failure.action


async def test_a_message_of_an_error_can_be_read_again(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot)
        await pilot.press("s")  # offline: the Hub can't be searched
        await until(pilot, lambda: app.state.failure is not None)
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
    for pause in (0.0, 0.2, 0.4):  # before the facts, before the card, while the processes start
        app = SamHubApp(filled)
        async with app.run_test(size=WIDE) as pilot:
            await ready(pilot)
            await pilot.press("down")
            await pilot.pause(pause)
        assert app.return_code != 1  # what an unhandled error leaves
