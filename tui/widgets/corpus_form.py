"""The form of a new target: its name, its text, its entity types, and labeled sentences if there are any."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.actions import SkipAction
from textual.binding import Binding
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from sam_hub.tui.widgets.form import Form, TextField, Tick, TickField


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


CORPUS_HINT = "a file or a folder; the right arrow completes"
GOLD_HINT = "optional, for the evaluation alone: .conll or .jsonl"
FIELDS = (
    TextField("name", "Name", hint="such as court-2026"),
    TextField("corpus", "Text", hint=CORPUS_HINT, suggester=PathSuggester()),
    TickField("split", "cut running text into sentences (space)"),
    TextField("labels", "Types", hint="person, organization, court"),
    TextField("gold", "Labeled", hint=GOLD_HINT, suggester=PathSuggester()),
)


class CorpusForm(Form):
    """The fields; Enter goes to the next, and in the last it posts `Form.Submitted`."""

    # With priority: the cursor moves before the next key is looked at, however fast a person (or a paste) types.
    BINDINGS: ClassVar = [Binding("enter", "next_field", "Next field", show=False, priority=True)]

    class CorpusLeft(Message):
        """The field of the text was left with a path in it."""

    def __init__(self) -> None:
        super().__init__("target", [[field] for field in FIELDS], "pane")
        self.border_title = "New target (Tab goes through it, Enter in the last field saves)"

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
        for field in FIELDS:
            self.show_problem(f"! {faults[field.name]}" if field.name in faults else "", field.name)
        if go and faults:
            self.input(next(field.name for field in FIELDS if field.name in faults)).focus()

    @on(Input.Changed)
    def _corrected(self, event: Input.Changed) -> None:
        """What is being corrected is no fault any more."""
        self.show_problem("", (event.input.id or "").removeprefix("target-"))

    @on(Input.Blurred, "#target-corpus")
    def _left(self, event: Input.Blurred) -> None:
        if event.value.strip():
            self.post_message(self.CorpusLeft())

    def action_next_field(self) -> None:
        """Go on; in the last field Enter is left to that, which then has all that was typed."""
        if self.query(Input).last().has_focus:
            raise SkipAction
        self.screen.focus_next()
