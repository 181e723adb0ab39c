"""Where no expert covers a label, the base answers, and every command says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sam_hub.api import SamHub
from sam_hub.cli import run

Call = Callable[..., Any]
NAMES = ("acme/ner-law", "acme/ner-news")
BASE_ANSWERS = "No expert covers any of the labels dish, price: the untuned base acme/base answers"


@pytest.fixture
def menu(sam_hub: Call, texts: Path) -> Call:
    """A target that is about other things than all experts."""
    sam_hub("add", *NAMES)
    sam_hub("pull", *NAMES)
    gold = texts / "menu.jsonl"
    gold.write_text('{"text": "Soup in Paris .", "entities": [{"start": 0, "end": 4, "label": "dish"}]}\n')
    made = sam_hub("target", "add", "menu", texts / "corpus.txt", "--labels", "dish,price", "--gold", gold)
    assert made["uncovered"] == ["dish", "price"]
    return sam_hub


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: object, code: int = 0) -> str:
        capsys.readouterr()
        assert run(list(map(str, arguments))) == code
        shown = capsys.readouterr()
        return shown.out + shown.err

    return call


def test_the_base_answers_from_select_to_predict_and_there_is_nothing_to_push(
    menu: Call, said: Call, texts: Path
) -> None:
    shown = said("select", "menu")
    assert f"{BASE_ANSWERS}. To find an expert that covers them, run `sam-hub search --label 'dish'`." in shown
    assert "Next: sam-hub predict menu FILE, or sam-hub search" in shown
    selected = menu("select", "menu")
    assert [selected[by]["chosen"] for by in ("similarity", "sampling")] == [[], []]
    assert {row["expert"] for row in selected["sampling"]["ranking"]["rows"]} == set(NAMES)

    for more in ((), ("--dry-run",)):
        assert f"There is nothing to merge. {BASE_ANSWERS} for menu." in said("merge", "menu", *more)
    assert menu("merge", "menu") == []

    assert f"{BASE_ANSWERS} for menu." in said("predict", "menu", texts / "corpus.txt")
    rows = menu("predict", "menu", texts / "corpus.txt")
    labels = {entity["label"] for row in rows for entity in row["entities"]}
    assert labels
    assert labels <= {"dish", "price"}

    (score,) = menu("evaluate", "menu")
    assert score["name"] == "SaM (the untuned base)"
    shown = said("evaluate", "menu")
    assert f"{BASE_ANSWERS} for menu." in shown
    assert "Next: sam-hub search" in shown

    shown = said("push", "menu", "--repo", "me/menu", code=2)
    assert f"There is nothing to push. {BASE_ANSWERS} for menu. Find and pull experts that fit" in shown


def test_the_only_expert_that_covers_a_label_is_chosen_by_similarity_alone(menu: Call, said: Call, texts: Path) -> None:
    menu("target", "add", "trials", texts / "corpus.txt", "--labels", "court")
    for more in ((), ("--explain",)):
        shown = " ".join(said("select", "trials", *more).split())
        assert "No ranking by sampling: Only 1 of 2 experts cover any of the labels court. Votes need at least" in shown
        assert "Next: sam-hub merge trials" in shown
    selected = menu("select", "trials")
    assert [selected[by]["chosen"] for by in ("similarity", "sampling")] == [["acme/ner-law"], []]
    assert "not validated: there are no votes for trials" in said("merge", "trials")
    assert "answer: merged by similarity" in said("predict", "trials", texts / "corpus.txt")
    assert "Votes need at least two experts" in said("select", "trials", "--by", "sampling", code=1)


def test_experts_that_are_chosen_by_hand_are_merged_all_the_same(menu: Call, said: Call) -> None:
    menu("select", "menu")
    menu("choose", "menu", *NAMES)
    assert "not validated: there are no votes for menu" in said("merge", "menu")


def test_in_a_notebook_the_base_answers_with_a_warning(menu: Call, texts: Path) -> None:
    with SamHub(progress=False) as hub:
        target = hub.target("menu")
        assert target.select().chosen == {"similarity": (), "sampling": ()}
        with pytest.warns(UserWarning, match="There is nothing to merge. No expert covers any of the labels"):
            ner = target.merge()
        expected = menu("predict", "menu", texts / "corpus.txt")
        answers = [ner.predict_entities(row["text"]) for row in expected]
        assert [[e["text"] for e in answer] for answer in answers] == [
            [e["text"] for e in row["entities"]] for row in expected
        ]
        assert 0 <= ner.evaluate(texts / "menu.jsonl").f1 <= 1
