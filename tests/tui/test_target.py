"""Target: a person makes one of their texts, looks through these before, and goes from one target to another."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from sam_hub.catalog.engine import open_catalog
from sam_hub.catalog.targets import get_target
from sam_hub.config import Settings
from sam_hub.tui.app import SamHubApp
from sam_hub.tui.tabs.target import TargetTab
from sam_hub.tui.widgets.corpus_form import CorpusForm, complete
from sam_hub.tui.widgets.table import Table
from tests.tui.conftest import NARROW, WIDE, ready, text_of, until
from tests.tui.filled import add_target


async def at_target(pilot: Pilot) -> TargetTab:
    """Go to the tab, with its rows there."""
    await ready(pilot)
    await pilot.press("1")
    tab = pilot.app.tab  # type: ignore[attr-defined]
    await until(pilot, lambda: "loading" not in str(tab.table.border_title))
    return tab


def fill_in(app: SamHubApp, **values: str) -> None:
    """Put values into fields of the form, as typing would."""
    for name, value in values.items():
        app.query_one(CorpusForm).input(name).value = value


async def test_a_first_target_is_made_with_tab_enter_and_letters_alone(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("The judge spoke. The court rose.\n")
    app = SamHubApp(settings)
    async with app.run_test(size=NARROW) as pilot:
        await at_target(pilot)
        assert "No target yet" in text_of(app)
        await pilot.press(*"rulings", "enter", *str(tmp_path / "texts"), "enter", "space", "enter")
        await pilot.press(*"judge, court", "enter", "enter")
        await until(pilot, lambda: app.state.target is not None and app.state.target.name == "rulings", 60)
        assert app.state.target is not None
        assert app.state.target.labels == ("judge", "court")
        assert app.state.target.sentence_count == 2  # the line was cut
        await until(pilot, lambda: "No target yet" not in text_of(app))
        assert app.focused is app.query_one("#targets", Table)
        assert app.query_one(CorpusForm).values["name"] == ""


async def test_a_key_after_saving_is_no_part_of_the_form(filled: Settings, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("One.\nTwo.\n")
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        tab = await at_target(pilot)
        fill_in(app, name="new", corpus=str(tmp_path / "new.txt"), labels="person")
        tab.form.input("gold").focus()
        await pilot.press("enter")
        await until(pilot, lambda: app.state.jobs)
        await pilot.press("2")
        await until(pilot, lambda: app.tab.NAME == "experts")


@pytest.mark.slow
async def test_two_presses_of_save_make_one_target(filled: Settings, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("One.\nTwo.\n")
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        await at_target(pilot)
        fill_in(app, name="new", corpus=str(tmp_path / "new.txt"), labels="person")
        await pilot.press("ctrl+t")
        await until(pilot, lambda: app.state.jobs)
        await pilot.press("ctrl+t")
        await until(pilot, lambda: app.state.target is not None and app.state.target.name == "new", 60)
        assert len(app.state.jobs) == 1


async def test_types_that_differ_by_capitals_alone_are_refused(filled: Settings, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("One.\n")
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        await at_target(pilot)
        fill_in(app, name="new", corpus=str(tmp_path / "new.txt"), labels="person, court, Person")
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "person and Person are one type" in text_of(app))
        assert app.state.jobs == []


async def test_a_path_that_leads_nowhere_is_told_when_its_field_is_left(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        tab = await at_target(pilot)
        tab.form.input("corpus").focus()
        await pilot.press(*"/nowhere/texts", "tab")
        await until(pilot, lambda: "There is nothing at this path" in text_of(app))
        tab.form.input("corpus").focus()
        await pilot.press("x")
        await until(pilot, lambda: "There is nothing" not in text_of(app))


async def test_an_unfinished_form_says_at_each_field_what_is_missing(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=WIDE) as pilot:
        tab = await at_target(pilot)
        fill_in(app, name="a/b", gold="gold.pdf")
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "can't have this name" in text_of(app))
        shown = text_of(app)
        assert "Give a file" in shown
        assert "Name at least one" in shown
        assert "There is nothing at this path" in shown
        assert app.focused is tab.form.input("name")
        assert app.state.jobs == []


async def test_a_scan_counts_and_names_what_cannot_be_read(filled: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("[/b] The judge spoke.\nA verdict came.\n")
    (folder / "b.txt").write_bytes(b"\xff\xfe bad")
    (folder / "notes.pdf").write_text("x")
    app = SamHubApp(filled)
    async with app.run_test(size=WIDE) as pilot:
        await at_target(pilot)
        fill_in(app, corpus=str(folder))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "2 sentences in 1 of 2 files" in text_of(app), 40)
        await until(pilot, lambda: "It begins" in text_of(app))
        shown = text_of(app)
        assert "b.txt" in shown
        assert "UTF-8" in shown  # the line may wrap anywhere: paths are long
        assert "can't create the target while files can't be read" in shown
        assert "notes.pdf" in shown
        assert "[/b] The judge spoke." in shown
        assert app.state.target is not None
        assert app.state.target.name == "court"  # nothing was kept


async def test_a_scan_of_nothing_is_refused_at_the_field(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=WIDE) as pilot:
        tab = await at_target(pilot)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "Give a file" in text_of(app))
        assert app.focused is tab.form.input("corpus")
        assert app.state.jobs == []


async def test_a_name_that_is_taken_is_replaced_after_a_question_only(filled: Settings, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("One.\nTwo.\nThree.\n")
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        await at_target(pilot)
        fill_in(app, name="court", corpus=str(tmp_path / "new.txt"), labels="verdict")
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "Replace the target court?" in text_of(app))
        assert "evaluations are deleted" in text_of(app)
        await pilot.press("escape")
        await until(pilot, lambda: "Replace the target" not in text_of(app))
        assert app.state.jobs == []
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "Replace the target court?" in text_of(app))
        await pilot.press("r")
        await until(pilot, lambda: app.state.target is not None and app.state.target.labels == ("verdict",), 60)
    with open_catalog(filled.catalog_url) as catalog:
        assert get_target(catalog, "court").sentence_count == 3


async def test_enter_works_on_another_target_and_the_sign_goes_with_it(filled: Settings, tmp_path: Path) -> None:
    add_target(filled.catalog_url, tmp_path, "hospital", ("[/red]", "disease"))
    app = SamHubApp(filled)
    async with app.run_test(size=WIDE) as pilot:
        tab = await at_target(pilot)
        assert app.state.target is not None
        assert app.state.target.name == "court"
        assert "[/red]" in text_of(app)
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.state.target is not None and app.state.target.name == "hospital")
        signed = f"{app.state.symbols.point}  hospital"
        await until(pilot, lambda: signed in text_of(app))
        assert tab.copied() == "hospital"


async def test_escape_leaves_the_form_so_that_digits_are_tabs_again(settings: Settings) -> None:
    app = SamHubApp(settings)
    async with app.run_test(size=NARROW) as pilot:
        tab = await at_target(pilot)
        await until(pilot, lambda: app.focused is tab.form.input("name"))
        await pilot.press("2")
        assert app.query_one("#target-name", Input).value == "2"
        await pilot.press("escape", "2")
        await until(pilot, lambda: app.tab.NAME == "experts")


def test_a_path_is_completed_by_the_first_name_that_goes_on_so(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "terms.txt").touch()
    assert complete(f"{tmp_path}/te") == f"{tmp_path}/terms.txt"
    assert complete(f"{tmp_path}/tex") == f"{tmp_path}/texts/"
    assert complete(f"{tmp_path}/none") is None
    assert complete("~nobody-of-this-name/x") is None


async def test_a_target_that_could_not_be_made_leaves_the_form_and_says_why(filled: Settings, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n\n")
    app = SamHubApp(filled)
    async with app.run_test(size=WIDE) as pilot:
        tab = await at_target(pilot)
        fill_in(app, name="nothing", corpus=str(tmp_path / "empty.txt"), labels="person")
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "The target was not created" in text_of(app), 40)
        assert "has no sentences" in " ".join(text_of(app).replace("│", " ").split())
        assert tab.form.values["name"] == "nothing"
