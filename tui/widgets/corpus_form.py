"""The form of a new target: its name, its text, its entity types, and labeled sentences if there are any."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.actions import SkipAction
from textual.binding import Binding
from textual.message import Message
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, Static

from sam_hub.tui.widgets.form import Field, Form, TextField, Tick, TickField


@dataclass(frozen=True)
class Corpus:
    """What stands in the form."""

    name: str
    path: str
    labels: tuple[str, ...]
    gold: str
    split: bool


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


class CorpusForm(Form):
    """The fields; Enter goes to the next, and in the last it posts `Form.Submitted`."""

    # With priority: the cursor moves before the next key is looked at, however fast a person (or a paste) types.
    BINDINGS: ClassVar = [Binding("enter", "next_field", "Next field", show=False, priority=True)]
    DEFAULT_CSS = """
    CorpusForm .field Label { width: 10; }
    CorpusForm .field-error { display: none; margin-left: 10; }
    CorpusForm .field-error.-shown { display: block; }
    """

    class CorpusLeft(Message):
        """The field of the text was left with a path in it."""

    def __init__(self) -> None:
        gold_hint = "optional, for the evaluation alone: .conll or .jsonl"
        fields: tuple[Field, ...] = (
            TextField("name", "Name", hint="such as court-2026"),
            TextField(
                "corpus", "Text", hint="a file or a folder; the right arrow completes", suggester=PathSuggester()
            ),
            TickField("split", "cut running text into sentences (space)"),
            TextField("labels", "Types", hint="person, organization, court"),
            TextField("gold", "Labelled", hint=gold_hint, suggester=PathSuggester()),
        )
        super().__init__("target", [[field] for field in fields], id="corpus-form", classes="pane")
        self.border_title = "New target (Tab goes through it, Enter in the last field saves)"

    def below(self, row: Sequence[Field]) -> Iterator[Widget]:
        """Return a line for what is wrong with the field."""
        if isinstance(row[0], TextField):
            yield Static(id=f"fault-{row[0].name}", classes="field-error", markup=False)

    @property
    def corpus(self) -> Corpus:
        """What stands in the form."""
        labels = tuple(x.strip() for x in self.text("labels").split(",") if x.strip())
        split = self.query_one(Tick).value
        return Corpus(self.text("name"), self.text("corpus"), labels, self.text("gold"), split)

    def clear(self) -> None:
        """Empty it."""
        for field in self.query(Input):
            field.value = ""
        self.query_one(Tick).set(False)
        self.show_faults({})

    def show_faults(self, faults: Mapping[str, str], go: bool = False) -> None:
        """Say under each field what is wrong with it; with ``go``, put the cursor into the first."""
        names = [field.name for field in self.fields if isinstance(field, TextField)]
        for name in names:
            self._show_fault(name, faults.get(name, ""))
        wrong = [name for name in names if name in faults]
        if go and wrong:
            self.input(wrong[0]).focus()

    def _show_fault(self, name: str, fault: str) -> None:
        line = self.query_one(f"#fault-{name}", Static)
        line.update(Text(f"! {fault}" if fault else ""))
        line.set_class(bool(fault), "-shown")

    @on(Input.Changed)
    def _corrected(self, event: Input.Changed) -> None:
        """What is being corrected is no fault any more."""
        self._show_fault((event.input.id or "").removeprefix("target-"), "")

    @on(Input.Blurred, "#target-corpus")
    def _left(self, event: Input.Blurred) -> None:
        event.stop()
        if event.value.strip():
            self.post_message(self.CorpusLeft())

    def action_next_field(self) -> None:
        """Go on; in the last field Enter is left to that, which then has all that was typed."""
        if self.input("gold").has_focus:
            raise SkipAction
        self.screen.focus_next()
