"""Where no expert covers a label, every tab says that the base answers."""

from __future__ import annotations

from pathlib import Path

from sam_hub.config import Settings
from sam_hub.services.context import AppContext
from sam_hub.services.options import SelectOptions, TargetOptions
from sam_hub.services.selection import run_selection
from sam_hub.services.targets import run_create_target
from sam_hub.tui.app import SamHubApp
from tests.support.tiny_hub import CORPUS
from tests.tui.conftest import WIDE, ready, text_of, until


async def test_the_tabs_say_that_the_base_answers(worked: Settings, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(CORPUS)
    with AppContext(worked) as context:
        target = TargetOptions("court", tmp_path / "corpus.txt", ("dish",), replace=True)
        run_create_target(context, target)
        run_selection(context, SelectOptions("court"))
    app = SamHubApp(worked)

    def says(words: str) -> bool:
        return words in " ".join(text_of(app).replace("│", " ").split())

    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        await pilot.press("3")
        await until(pilot, lambda: says("the labels dish: the untuned base acme/base answers. To find"), 30)
        assert says("chosen: none")
        await pilot.press("4")
        await until(pilot, lambda: says("There is nothing to merge. No expert covers any of the labels dish"), 30)
        assert not app.tab.can("merge")
        await pilot.press("5")
        await until(pilot, lambda: says("to name a file") and says("base acme/base answers for court."), 30)
        assert app.tab.can("evaluate")


async def test_a_ranking_without_votes_says_why_and_the_other_one_is_merged(worked: Settings, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(CORPUS)
    with AppContext(worked) as context:
        run_create_target(context, TargetOptions("court", tmp_path / "corpus.txt", ("court",), replace=True))
        run_selection(context, SelectOptions("court"))
    app = SamHubApp(worked)

    def says(words: str) -> bool:
        return words in " ".join(text_of(app).replace("│", " ").split())

    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        await pilot.press("3")
        await until(pilot, lambda: says("No ranking by sampling: Only 1 of "), 30)
        assert says("similarity only: acme/ner-law")
        await pilot.press("4")
        await until(pilot, lambda: app.tab.can("merge"), 30)
