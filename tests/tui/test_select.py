"""Select: a person sees both rankings, asks for new ones, and chooses others than the best k."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, Select

from sam_hub.catalog.engine import open_catalog
from sam_hub.catalog.history import latest_selection, record_selections
from sam_hub.catalog.tables import Selection
from sam_hub.catalog.targets import get_target
from sam_hub.config import Settings
from sam_hub.tui.app import SamHubApp
from sam_hub.tui.tabs.select import SelectTab
from sam_hub.tui.widgets.rankings import RankingTable
from tests.tui.conftest import NARROW, WIDE, ready, text_of, until
from tests.tui.decided import decide
from tests.tui.filled import fill


async def at_select(pilot: Pilot, says: str) -> SelectTab:
    """Go to the tab, and wait until it says this."""
    await ready(pilot)
    await pilot.press("3")
    await until(pilot, lambda: says in text_of(pilot.app), 30)
    return pilot.app.tab  # type: ignore[attr-defined]


def rank(settings: Settings, method: str, *rows: dict[str, Any], **changed: Any) -> None:
    """Record a ranking for the target "court"; the first is chosen."""
    whole = [
        {"score": 0.5, "low": 0.4, "high": 0.6, "covers": [], "note": "", "precision": 0.5, "recall": 0.5, **row}
        for row in rows
    ]
    values = {"k": 1, "parameters": {"sentences": 2, "votes": "plain", "threshold": 0.5}, "ranking": whole}
    with open_catalog(settings.catalog_url) as catalog:
        target = get_target(catalog, "court")
        chosen = [f"{whole[0]['expert']}@{'0' * 40}"]
        record_selections(
            catalog, Selection(target_id=target.id, method=method, chosen=chosen, **{**values, **changed})
        )


async def test_without_a_target_it_names_the_step_and_its_key(settings: Settings) -> None:
    app = SamHubApp(settings)
    async with app.run_test(size=NARROW) as pilot:
        await at_select(pilot, "No target yet: press 1")


async def test_after_the_form_of_a_ranking_keys_are_actions(filled: Settings) -> None:
    fill(filled.catalog_url, 0, {"repo": "acme/here", "commit": "a" * 40, "path": "/somewhere"})
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot)
        await pilot.press("1")  # its fields are there now, and hidden
        await at_select(pilot, "No ranking yet")
        await pilot.press("r")
        await until(pilot, lambda: "Rank experts for" in text_of(app))
        await pilot.press("escape", "2")
        await until(pilot, lambda: app.tab.NAME == "experts")


async def test_without_experts_on_disk_it_names_the_step_and_its_keys(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        tab = await at_select(pilot, "No expert on disk yet: press 2, and p there")
        assert not tab.can("rank")
        assert not tab.can("merge")


async def test_without_a_ranking_it_offers_to_rank(filled: Settings) -> None:
    fill(filled.catalog_url, 0, {"repo": "acme/here", "commit": "a" * 40, "path": "/somewhere"})
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        tab = await at_select(pilot, "No ranking yet: press r to rank the 1 expert on disk")
        assert tab.can("rank")
        assert not tab.can("choose")


async def test_both_rankings_stand_side_by_side_with_where_they_agree(worked: Settings) -> None:
    app = SamHubApp(worked)
    async with app.run_test(size=WIDE) as pilot:
        await at_select(pilot, "In both")
        await until(pilot, lambda: "Why acme/" in text_of(app))
        shown = text_of(app)
        assert any("By similarity" in line and "By sampling" in line for line in shown.splitlines())
        assert "chosen: best 2" in shown
        assert "cosine to the target's text" in shown
        assert "similarity only: none" in shown
        await pilot.press("tab")
        await until(pilot, lambda: "voted entities" in text_of(app))


async def test_the_reasons_follow_the_cursor_from_table_to_table(worked: Settings) -> None:
    app = SamHubApp(worked)
    async with app.run_test(size=WIDE) as pilot:
        tab = await at_select(pilot, "In both")
        await until(pilot, lambda: app.focused is app.query_one("#ranking-similarity"))
        await pilot.press("down")
        second = app.query_one("#ranking-similarity", RankingTable).keys[1]
        await until(pilot, lambda: f"Why {second}" in text_of(app))
        await pilot.press("tab")
        first = app.query_one("#ranking-sampling", RankingTable).keys[0]
        await until(pilot, lambda: f"Why {first}" in text_of(app))
        assert tab.copied() == first


async def test_on_a_small_terminal_enter_opens_the_reasons(worked: Settings) -> None:
    app = SamHubApp(worked)
    async with app.run_test(size=NARROW) as pilot:
        await at_select(pilot, "In both")
        await until(pilot, lambda: isinstance(app.focused, RankingTable))
        await pilot.press("enter")
        await until(pilot, lambda: "cosine to the target's text" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: "By sampling" in text_of(app))


async def test_a_person_chooses_others_than_the_best(worked: Settings) -> None:
    app = SamHubApp(worked)
    async with app.run_test(size=NARROW, notifications=True) as pilot:
        tab = await at_select(pilot, "In both")
        await until(pilot, lambda: isinstance(app.focused, RankingTable))
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "First select the experts" in text_of(app))
        await pilot.press("space")
        repo = tab.expert
        assert list(app.state.checked_repos) == [repo]
        await until(pilot, lambda: text_of(app).count("[x]") == 2)  # in both tables
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "Choose this expert by hand?" in text_of(app))
        await pilot.press("v")
        await until(pilot, lambda: "By sampling" in text_of(app) and "chosen by hand" in text_of(app))
        assert "chosen: best 2" in text_of(app)  # the other ranking is as it was
    with open_catalog(worked.catalog_url) as catalog:
        latest = latest_selection(catalog, get_target(catalog, "court").id, "sampling")
        assert latest is not None
        assert [ref.partition("@")[0] for ref in latest.chosen] == [repo]


async def test_ranking_again_shows_the_plan_refuses_nonsense_and_then_runs(worked: Settings) -> None:
    app = SamHubApp(worked)
    async with app.run_test(size=NARROW) as pilot:
        await at_select(pilot, "In both")
        await pilot.press("r")
        await until(pilot, lambda: "all that are on disk (3)" in text_of(app))
        assert "only new experts must predict" in " ".join(text_of(app).replace("│", " ").split())
        assert "Back (Esc)" in text_of(app)  # the whole form has room
        app.screen.query_one("#field-k", Input).value = "none"
        await until(pilot, lambda: "are numbers" in text_of(app))
        app.screen.query_one("#field-k", Input).value = "0"
        await until(pilot, lambda: "Give 1 or more" in text_of(app))
        app.screen.query_one("#field-k", Input).value = "1"
        app.screen.query_one("#field-sample", Input).value = "19"
        await until(pilot, lambda: "Give 20 to 500" in text_of(app))
        app.screen.query_one("#field-sample", Input).value = "20"
        app.screen.query_one("#field-k", Input).focus()
        await pilot.press(*["enter"] * 3)  # through the fields
        await until(pilot, lambda: app.state.jobs and app.state.jobs[0].job.kind == "select")
        await until(pilot, lambda: "best 1" in text_of(app), 90)


async def test_experts_that_are_selected_but_not_on_disk_are_named_before_a_ranking(filled: Settings) -> None:
    fill(filled.catalog_url, 0, {"repo": "acme/here", "commit": "a" * 40, "path": "/somewhere"})
    app = SamHubApp(filled)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        await pilot.press("down", "space", "r")
        await until(pilot, lambda: app.state.failure is not None)
        assert app.state.failure is not None
        assert "Not on disk, or a baseline: acme/" in app.state.failure.title
        assert "Press 2, then p" in app.state.failure.action


@pytest.mark.parametrize("size", [WIDE, NARROW, (60, 16)])
@pytest.mark.parametrize("ascii", [False, True])
async def test_names_and_notes_from_outside_are_shown_as_they_are(
    filled: Settings, size: tuple[int, int], ascii: bool
) -> None:
    names = ("acme/[/foo]", "acme/" + "x" * 300, "acme/[bold]b")
    fill(filled.catalog_url, 0, *[{"repo": name, "path": "/somewhere"} for name in names])
    rows = [{"expert": name, "note": "[red]a note[/red]", "covers": ["[/b]"]} for name in names]
    rank(filled, "sampling", *rows)
    app = SamHubApp(filled.model_copy(update={"ascii": ascii}))
    async with app.run_test(size=size) as pilot:
        await at_select(pilot, "not made yet, press r")
        await until(pilot, lambda: "[/foo]" in text_of(app))
        assert "[bold]b" in text_of(app)
        await pilot.press("space", "down", "enter")
        await pilot.pause(0.3)
        assert not ascii or max(text_of(app)) <= "~"


async def test_a_ranking_that_says_nothing_is_called_so(filled: Settings) -> None:
    rank(filled, "sampling", {"expert": "acme/a", "score": 0.0, "low": 0.0, "high": 0.0})
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        await at_select(pilot, "All scores by sampling are 0")


async def test_as_many_as_the_votes_speak_for_are_chosen(worked: Settings) -> None:
    app = SamHubApp(worked)
    async with app.run_test(size=NARROW) as pilot:
        await at_select(pilot, "In both")
        await pilot.press("r")
        await until(pilot, lambda: "or auto" in text_of(app))
        app.screen.query_one("#field-by", Select).value = "similarity"
        app.screen.query_one("#field-k", Input).value = "auto"
        await until(pilot, lambda: "k=auto needs votes" in text_of(app))
        assert app.screen.query_one("#confirm", Button).disabled
        app.screen.query_one("#field-by", Select).value = "both"
        await until(pilot, lambda: not app.screen.query_one("#confirm", Button).disabled)
        app.screen.query_one("#confirm", Button).press()
        await until(pilot, lambda: "1 (k is auto)" in text_of(app), 90)


FIT = {
    "fits": False,
    "why": "No suitable expert: the untuned base does as well (acme/base: F1 0.400)",
    "base": "acme/base",
}


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_where_no_expert_fits_that_is_the_answer(filled: Settings, size: tuple[int, int]) -> None:
    parameters = {"sentences": 40, "votes": "plain", "threshold": 0.5, "fit": FIT}
    rank(filled, "similarity", {"expert": "acme/a"})
    rank(filled, "sampling", {"expert": "acme/a"}, parameters=parameters)
    app = SamHubApp(filled)
    async with app.run_test(size=size) as pilot:
        await at_select(pilot, "In both")
        await until(pilot, lambda: "No suitable expert: the untuned base does as well" in text_of(app))
        assert "Don't merge these experts" in " ".join(text_of(app).split())
        assert app.tab.can("merge")  # not forbidden


async def test_the_reasons_name_the_sentences_on_which_an_expert_is_alone(settings: Settings, tmp_path: Path) -> None:
    decide(settings, tmp_path)
    app = SamHubApp(settings)
    async with app.run_test(size=WIDE) as pilot:
        await at_select(pilot, "In both")
        await until(pilot, lambda: "Why acme/" in text_of(app))
        await pilot.press("enter", "end")  # into the reasons, and to their end
        await until(pilot, lambda: "votes only: Ada Byron [person]" in text_of(app))
        shown = text_of(app)
        assert "expert only: court of Paris [court]" in shown
        assert "Judge Ada Byron" in shown  # of a long sentence the place in question


async def test_what_no_expert_covers_is_told_under_the_rankings(settings: Settings, tmp_path: Path) -> None:
    from tests.tui.filled import add_target

    fill(settings.catalog_url, 0, {"repo": "acme/a", "labels": ["person"], "path": "/somewhere"})
    add_target(settings.catalog_url, tmp_path, labels=("person", "statute"))
    rank(settings, "similarity", {"expert": "acme/a", "covers": ["person"]})
    app = SamHubApp(settings)
    async with app.run_test(size=WIDE) as pilot:
        await at_select(pilot, "No expert in the catalog covers: statute")
        await until(pilot, lambda: "missing" in text_of(app))
