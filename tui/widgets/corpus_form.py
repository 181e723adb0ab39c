"""The form of a new target: its name, its text, its entity types, and labeled sentences if there are any."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textual import on
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from sam_hub.tui.widgets.form import Form, Tick, text


class PathSuggester(Suggester):
    """Completes a path with the first name that goes on so, folders with a slash behind."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """Return the whole path, or None."""
        return await asyncio.to_thread(complete, value)


def complete(value: str) -> str | None:
    """Complete what was typed of a path; None where nothing goes on so."""
    head, slash, start = value.rpartition("/")
    if value in ("", "~") or not start:
        return None
    try:
        folder = Path(f"{head}{slash}" or ".").expanduser()
        names = sorted(f for f in folder.iterdir() if f.name.startswith(start) and f.name.isprintable())
        return f"{head}{slash}{names[0].name}{'/' if names[0].is_dir() else ''}" if names else None
    except (OSError, RuntimeError, ValueError):
        return None


CORPUS_HINT = "a file or a folder. The right arrow completes it"
GOLD_HINT = "optional, only for evaluation: .conll or .jsonl"


class CorpusForm(Form):
    """The fields, and what is wrong with each."""

    class CorpusLeft(Message):
        """The field of the text was left with a path in it."""

    def __init__(self) -> None:
        rows = (
            ("Name", text("name", hint="such as court-2026")),
            ("Text", text("corpus", hint=CORPUS_HINT, suggester=PathSuggester())),
            ("", Tick("split", "split running text into sentences (space)")),
            ("Types", text("labels", hint="person, organization, court")),
            ("Labeled", text("gold", hint=GOLD_HINT, suggester=PathSuggester())),
        )
        super().__init__("target", rows, "pane")
        self.border_title = "New target (Tab: next field. Enter in the last one: save)"

    @property
    def values(self) -> dict[str, Any]:
        """What stands in the form: name, corpus, split, labels (a tuple), and gold."""
        values = super().values
        return {**values, "labels": tuple(x.strip() for x in values["labels"].split(",") if x.strip())}

    def clear(self) -> None:
        """Empty it."""
        for field in self.query(Input):
            field.value = ""
        self.query_one(Tick).set(False)
        self.show_faults({})

    def show_faults(self, faults: Mapping[str, str], go: bool = False) -> None:
        """Say under each field what is wrong with it; with ``go``, put the cursor into the first."""
        for name in self.fields:
            self.show_problem(f"! {faults[name]}" if name in faults else "", name)
        if go and faults:
            self.input(next(name for name in self.fields if name in faults)).focus()

    @on(Input.Changed)
    def _corrected(self, event: Input.Changed) -> None:
        """What is being corrected is no fault any more."""
        self.show_problem("", event.input.name or "")

    @on(Input.Blurred, "#target-corpus")
    def _left(self, event: Input.Blurred) -> None:
        if event.value.strip():
            self.post_message(self.CorpusLeft())
