"""What a person does in Evaluate: compares systems, reads sentences gold against predicted, evaluates by one key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console
from textual.pilot import Pilot
from textual.widgets import Input

from sam_hub.config import Settings
from sam_hub.services.evaluation import ComparedSentence, Mark
from sam_hub.tui.app import SamHubApp
from sam_hub.tui.screens.dialogs import FormScreen
from sam_hub.tui.symbols import ASCII, UNICODE, Symbols
from sam_hub.tui.tabs.evaluate import EvaluateTab
from sam_hub.tui.widgets.scores import Marker
from tests.support.tiny_hub import GOLD
from tests.tui.conftest import NARROW, WIDE, ready, text_of, until
from tests.tui.filled import add_target, fill

TEXT = "Marie Curie heard the court of Paris ."
PERSON, COURT, SHORT = (0, 11, "person"), (22, 36, "court"), (0, 5, "person")
COUNT = 120


def answers(number: int) -> list[tuple[int, int, str]]:
    """Of four sentences: all right, the court missed, the person cut short, a judge invented."""
    return [[PERSON, COURT], [PERSON], [SHORT, COURT], [PERSON, (12, 17, "judge"), COURT]][number % 4]


@pytest.fixture
def scored(settings: Settings, tmp_path: Path) -> Settings:
    """A target with labeled sentences and the scores of two systems on them."""
    from sam_hub.catalog.engine import open_catalog
    from sam_hub.catalog.experts import list_experts
    from sam_hub.catalog.predictions import put_entities
    from sam_hub.catalog.tables import PredictionRun
    from sam_hub.catalog.targets import get_target, set_gold
    from sam_hub.evaluation.systems import System, evaluate, read_gold
    from sam_hub.inference.cached_predict import Model, task_of

    fill(settings.catalog_url, 2)
    add_target(settings.catalog_url, tmp_path, labels=("person", "court", "judge"))
    gold = tmp_path / "gold.jsonl"
    entities = [{"start": s, "end": e, "label": label} for s, e, label in (PERSON, COURT)]
    gold.write_text("".join(json.dumps({"text": TEXT, "entities": entities}) + "\n" for _ in range(COUNT)))
    with open_catalog(settings.catalog_url) as catalog:
        target = get_target(catalog, "court")
        set_gold(catalog, target.id, gold)
        sentences = read_gold(gold, target.labels)
        models = [Model(e.repo, "expert", e.id, tmp_path) for e in list_experts(catalog)]
        for at, model in enumerate(models):
            question = task_of(model, sentences, target.labels, settings).question
            found = tuple(tuple(s.entity(*mark) for mark in answers(n if at else 1)) for n, s in enumerate(sentences))
            run = put_entities(catalog, question, found, seconds=1.5, target_id=target.id)
            with catalog.writing() as session:
                session.get_one(PredictionRun, run.id).parse_failures = at
        systems = [System(model.name, (model,)) for model in models]
        evaluate(catalog, target, sentences, systems, settings=settings)
    return settings


async def open_evaluate(pilot: Pilot) -> EvaluateTab:
    """Go to the tab."""
    app = pilot.app
    assert isinstance(app, SamHubApp)
    await ready(pilot)
    await pilot.press("5")
    await until(pilot, lambda: app.tab.NAME == "evaluate")
    assert isinstance(app.tab, EvaluateTab)
    await until(pilot, lambda: "Loading" not in text_of(app), 60)
    return app.tab


async def test_the_best_system_comes_first_with_its_types_and_its_sentences(scored: Settings) -> None:
    app = SamHubApp(scored)
    async with app.run_test(size=NARROW) as pilot:
        tab = await open_evaluate(pilot)
        await until(pilot, lambda: "Sentences 1-50 of 120" in text_of(app), 30)
        lines = text_of(app).splitlines()
        assert sum("▲ best" in line for line in lines) == 1
        await until(pilot, lambda: "[heard ? judge]" in text_of(app), 30)
        shown = text_of(app)
        assert "[Marie Curie ✓ person]" in shown
        assert "[court of Paris ✗ court]" in shown
        assert tab.system is not None
        assert tab.system.per_type["person"].recall == 0.75
        assert "predicted instead: [Marie ? person]" in shown


async def test_pages_of_sentences_are_turned_and_can_be_narrowed_to_errors(scored: Settings) -> None:
    app = SamHubApp(scored)
    async with app.run_test(size=WIDE) as pilot:
        tab = await open_evaluate(pilot)
        await until(pilot, lambda: "predicted instead" in text_of(app), 30)
        assert not tab.can("previous_page")
        await pilot.press("n", "n")
        await until(pilot, lambda: "Sentences 101-120 of 120" in text_of(app), 30)
        assert not tab.can("next_page")
        await pilot.press("N")
        await until(pilot, lambda: "Sentences 51-100 of 120" in text_of(app), 30)
        await pilot.press("w")
        await until(pilot, lambda: "Sentences with errors, 1-50 of 90" in text_of(app), 30)
        await pilot.press("enter", "G", "g", "escape", "w")
        await until(pilot, lambda: "Sentences 1-50 of 120" in text_of(app), 30)


async def test_evaluation_says_what_it_takes_then_runs_and_shows_its_scores(worked: Settings) -> None:
    app = SamHubApp(worked)
    async with app.run_test(size=NARROW) as pilot:
        tab = await open_evaluate(pilot)
        await until(pilot, lambda: "SaM (union)" in tab.copied(), 30)
        await pilot.press("e")
        await until(pilot, lambda: "Systems: 7, of" in text_of(app), 30)
        assert "Labeled sentences: 1" in text_of(app)
        await pilot.press("shift+tab", "enter", "i", "enter", "tab")
        await until(pilot, lambda: "intersection: found by both" in text_of(app), 30)
        app.screen.query_one("#confirm").focus()
        await pilot.press("enter")
        await until(pilot, lambda: "SaM (intersection)" in tab.copied(), 90)
        assert app.state.failure is None


async def test_a_target_without_labelled_sentences_asks_for_a_file(worked: Settings, tmp_path: Path) -> None:
    from sam_hub.catalog import tables
    from sam_hub.catalog.engine import open_catalog
    from sam_hub.catalog.targets import get_target

    with open_catalog(worked.catalog_url) as catalog, catalog.writing() as session:
        session.get_one(tables.Target, get_target(catalog, "court").id).gold_path = None
    gold = tmp_path / "g.jsonl"
    gold.write_text(GOLD)
    app = SamHubApp(worked)
    async with app.run_test(size=NARROW) as pilot:
        await open_evaluate(pilot)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, FormScreen))
        await until(pilot, lambda: "Name a file" in text_of(app))
        await pilot.press(*"nowhere")
        await until(pilot, lambda: "✗" in text_of(app), 30)
        app.screen.query_one(Input).value = str(gold)
        await until(pilot, lambda: "Systems: 7" in text_of(app), 30)
        await pilot.press("enter")
        await until(pilot, lambda: app.state.target is not None and app.state.target.gold_path == str(gold), 90)


async def test_before_anything_is_merged_the_tab_names_the_step_and_its_key(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        tab = await open_evaluate(pilot)
        assert "court has no selection yet: press 3, then r" in text_of(app)
        assert not tab.can("evaluate")


async def test_without_a_target_the_tab_names_the_key_that_makes_one(settings: Settings) -> None:
    fill(settings.catalog_url, 1)
    app = SamHubApp(settings)
    async with app.run_test(size=NARROW) as pilot:
        await open_evaluate(pilot)
        assert "No target yet: press 1" in text_of(app)


def drawn(row: ComparedSentence, symbols: Symbols) -> str:
    """A sentence as lines of text, without any colour."""
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(Marker(symbols, {}).page([row]))
    return capture.get()


def test_marks_are_told_apart_without_colour_and_outside_text_is_never_markup() -> None:
    marks = (Mark(0, 6, "[/x]", "hit"), Mark(7, 9, "city", "missed"), Mark(7, 9, "river", "invented"))
    row = ComparedSentence(3, "[bold] Po\x1b[31m", marks)
    shown = drawn(row, ASCII)
    assert "3 [[bold] ok [/x]] [Po - city] [31m" in shown
    assert "predicted instead: [Po ? river]" in shown
    assert shown.isascii()
    assert "[Po ✗ city]" in drawn(row, UNICODE)
