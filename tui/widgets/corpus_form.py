"""The form of a new target: its name, its text, its entity types, and labelled sentences if there are any."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.events import Key
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Label, Static

from tui.actions import LEAVE_FIELDS

# Each field: its name, what stands before it, and a hint inside it.
FIELDS = (
    ("name", "Name", "such as court-2026"),
    ("corpus", "Text", "a file or a folder; the right arrow completes"),
    ("labels", "Types", "person, organization, court"),
    ("gold", "Labelled", "optional, for the evaluation alone: .conll or .jsonl"),
)
LAST = "gold"
SPLIT = "cut running text into sentences (space)"


class PathSuggester(Suggester):
    """Completes a path with the first name that goes on so, folders with a slash behind."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """The whole path, or None."""
        return await asyncio.to_thread(complete, value)


def complete(value: str) -> str | None:
    """What was typed of a path, completed; None where nothing goes on so."""
    head, slash, start = value.rpartition("/")
    if value in ("", "~") or not start:
        return None
    try:
        folder = Path(f"{head}{slash}" or ".").expanduser()
        names = sorted(f for f in folder.iterdir() if f.name.startswith(start) and f.name.isprintable())
        return f"{head}{slash}{names[0].name}{'/' if names[0].is_dir() else ''}" if names else None
    except (OSError, RuntimeError, ValueError):
        return None


class Tick(Static, can_focus=True):
    """Yes or no in one line, in words that any terminal shows: ``[x] cut running text``."""

    DEFAULT_CSS = """
    Tick { width: 1fr; height: 1; }
    Tick:focus { text-style: reverse; }
    """

    def __init__(self, label: str, *, id: str) -> None:
        super().__init__(id=id, markup=False)
        self._label, self.value = label, False

    def on_mount(self) -> None:
        self.set(False)

    def set(self, value: bool) -> None:
        """Put a value in the place of the one shown."""
        self.value = value
        self.update(Text(f"[{'x' if value else ' '}] {self._label}"))

    def key_space(self, event: Key) -> None:
        """The other value. No binding: that would be looked up where the cursor is by then."""
        event.stop()
        self.set(not self.value)

    def on_click(self) -> None:
        """As space does."""
        self.set(not self.value)


@dataclass(frozen=True)
class Filled:
    """What stands in the form."""

    name: str
    corpus: str
    labels: tuple[str, ...]
    gold: str
    split: bool


class CorpusForm(VerticalScroll):
    """The fields; Enter goes to the next, and in the last it posts `Finished`."""

    # With priority: the cursor moves before the next key is looked at, however fast a person (or a paste) types.
    BINDINGS: ClassVar = [
        Binding("enter", "next_field", "Next field", show=False, priority=True),
        LEAVE_FIELDS,
    ]
    DEFAULT_CSS = """
    CorpusForm .field { height: 1; }
    CorpusForm .field Label { width: 10; }
    CorpusForm .field Input { width: 1fr; }
    CorpusForm .field-error { display: none; margin-left: 10; }
    CorpusForm .field-error.-shown { display: block; }
    """

    class Finished(Message):
        """Enter was pressed in the last field."""

    class CorpusLeft(Message):
        """The field of the text was left with a path in it."""

    def __init__(self) -> None:
        super().__init__(id="corpus-form", classes="pane", can_focus=False)
        self.border_title = "New target (Tab goes through it, Enter in the last field saves)"

    def compose(self) -> ComposeResult:
        for name, label, hint in FIELDS:
            suggester = PathSuggester() if name in ("corpus", "gold") else None
            with Horizontal(classes="field"):
                yield Label(label)
                yield Input(placeholder=hint, id=f"target-{name}", compact=True, suggester=suggester)
            yield Static(id=f"fault-{name}", classes="field-error", markup=False)
            if name == "corpus":
                with Horizontal(classes="field"):
                    yield Label("")
                    yield Tick(SPLIT, id="target-split")

    def field(self, name: str) -> Input:
        """The input of this name."""
        return self.query_one(f"#target-{name}", Input)

    @property
    def filled(self) -> Filled:
        """What stands in the form."""
        text = {name: self.field(name).value.strip() for name, _, _ in FIELDS}
        labels = tuple(x.strip() for x in text["labels"].split(",") if x.strip())
        return Filled(text["name"], text["corpus"], labels, text["gold"], self.query_one(Tick).value)

    def clear(self) -> None:
        """Empty it."""
        for name, _, _ in FIELDS:
            self.field(name).value = ""
        self.query_one(Tick).set(False)
        self.show_faults({})

    def show_faults(self, faults: Mapping[str, str], go: bool = False) -> None:
        """Say under each field what is wrong with it; with ``go``, put the cursor into the first."""
        for name, _, _ in FIELDS:
            self._show_fault(name, faults.get(name, ""))
        wrong = [name for name, _, _ in FIELDS if name in faults]
        if go and wrong:
            self.field(wrong[0]).focus()

    def _show_fault(self, name: str, fault: str) -> None:
        line = self.query_one(f"#fault-{name}", Static)
        line.update(Text(f"! {fault}" if fault else ""))
        line.set_class(bool(fault), "-shown")

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        """What is being corrected is no fault any more."""
        event.stop()
        self._show_fault((event.input.id or "").removeprefix("target-"), "")

    @on(Input.Blurred, "#target-corpus")
    def _left(self, event: Input.Blurred) -> None:
        event.stop()
        if event.value.strip():
            self.post_message(self.CorpusLeft())

    def action_next_field(self) -> None:
        """Go on; in the last field Enter is left to that, which then has all that was typed."""
        if self.field(LAST).has_focus:
            raise SkipAction
        self.screen.focus_next()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Finished())
