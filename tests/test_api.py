"""The Python API, as a notebook uses it, on a Hub with tiny models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import sam_hub as package
from sam_hub import MergedNER, SamHub
from sam_hub.errors import CatalogError, InputError, UnusableModel, UsageError
from tests.cli.conftest import home, hub_content, sam_hub, server, texts
from tests.support.tiny_hub import CORPUS, EXPERTS

__all__ = ["home", "hub_content", "sam_hub", "server", "texts"]
LABELS = ("person", "location")
REPOS = [f"acme/ner-{name}" for name in EXPERTS]
NEW = ["Paris is rainy", "  Ann\tmet Bob in Rome  ", "", "Bob left"]
LOAD = """
import json, sys
from sam_hub import MergedNER
ner = MergedNER.from_pretrained("acme/paris", progress=False)
print(json.dumps({"labels": ner.labels, "answers": ner.predict_entities(json.loads(sys.argv[1]))}))
"""


@pytest.fixture
def hub(home: Path) -> Iterator[SamHub]:
    """The home with all experts pulled."""
    with SamHub(progress=False) as hub:
        hub.add(*REPOS)
        hub.pull(*REPOS)
        yield hub


def as_rows(answers: list[Any]) -> list[list[tuple[int, int, str]]]:
    return [[(e["start"], e["end"], e["label"]) for e in answer] for answer in answers]


def test_the_whole_job_in_a_notebook(hub: SamHub, texts: Path) -> None:
    assert {expert.repo for expert in hub.experts()} == set(REPOS)
    target = hub.create_target("paris", CORPUS.splitlines(), LABELS)
    selection = target.select(k=2, sample=20)
    assert len(selection.by_similarity) == len(selection.by_sampling) == len(EXPERTS)
    assert all(len(chosen) == 2 for chosen in selection.chosen.values())
    assert set(selection.to_frame()["ranking"]) == {"similarity", "sampling"}
    assert selection.by_sampling[0].expert in repr(selection)
    assert "<table>" in selection._repr_html_()
    ner = target.merge(selection)
    one = ner.predict_entities("Ann met Bob in Rome")
    many = ner.predict_entities(NEW, batch_size=2)
    assert [answer.text for answer in many] == NEW
    assert all(text[e["start"] : e["end"]] == e["text"] for text, row in zip(NEW, many, strict=True) for e in row)
    assert ner.predict_entities(["Ann met Bob in Rome"])[0] == one
    assert 0 <= ner.evaluate(texts / "gold.jsonl").f1 <= 1
    assert hub.target("paris").labels == tuple(LABELS)
    assert [each.name for each in hub.targets()] == ["paris"]


@pytest.mark.slow
@pytest.mark.slow
def test_pushed_models_answer_elsewhere_as_the_command_does(
    hub: SamHub, sam_hub: Callable[..., Any], tmp_path: Path, home: Path
) -> None:
    """Both models of SaM, their union, labels and typing: in a process that has no catalog."""
    target = hub.create_target("paris", CORPUS.splitlines(), [*LABELS, "event"])
    target.select(k=2, sample=20)
    target.merge().push_to_hub("acme/paris", force=True)
    file = tmp_path / "new.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in NEW if text))
    predicted = sam_hub("predict", "paris", file)
    elsewhere = {**os.environ, "SAM_HUB_HOME": str(tmp_path / "elsewhere")}
    command = [sys.executable, "-c", LOAD, json.dumps([text for text in NEW if text])]
    loaded = subprocess.run(command, env=elsewhere, capture_output=True, text=True, timeout=300)
    assert loaded.returncode == 0, loaded.stderr
    told = json.loads(loaded.stdout.splitlines()[-1])
    assert told["labels"] == [*LABELS, "event"]
    assert as_rows(told["answers"]) == as_rows([sentence["entities"] for sentence in predicted])
    assert not (tmp_path / "elsewhere" / "catalog.db").exists()


def test_entities_are_shown_in_colour_and_escaped(hub: SamHub) -> None:
    from sam_hub.api import EntityDict, EntityList

    entity = EntityDict(start=4, end=9, text="<b>&x", label="a & b")
    shown = EntityList([entity], "See <b>&x, then")._repr_html_()
    assert "<mark" in shown
    assert "&lt;b&gt;&amp;x" in shown
    assert "a &amp; b" in shown
    assert "<b>&x" not in shown


def test_what_can_not_be_done_is_said(hub: SamHub, tmp_path: Path) -> None:
    target = hub.create_target("paris", CORPUS.splitlines(), LABELS)
    with pytest.raises(UsageError, match="no selection yet"):
        target.selection()
    with pytest.raises(CatalogError, match="no selection yet"):
        target.ner()
    with pytest.raises(UsageError, match="SelectOptions"):
        target.select(samples=20)
    with pytest.raises(CatalogError, match="another"):
        hub.target("another")
    with pytest.raises(InputError):
        hub.create_target("empty", [], LABELS)
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnusableModel, match="has no merged models"):
        MergedNER.from_pretrained(tmp_path / "folder")
    with pytest.raises(AttributeError):
        _ = package.nothing


def test_the_import_is_quick() -> None:
    """Nothing heavy before the first use."""
    code = "import sys, sam_hub; sam_hub.SamHub; heavy = {'torch', 'transformers', 'mergekit', 'sqlmodel', 'pandas'};"
    done = subprocess.run([sys.executable, "-c", f"{code} sys.exit(bool(heavy & set(sys.modules)))"])
    assert done.returncode == 0
