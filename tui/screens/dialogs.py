"""Dialogs: a question answered by one key, a few fields to fill in, and an expert's details on small terminals."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from sam_hub.tui.messages import background
from sam_hub.tui.symbols import Symbols
from sam_hub.tui.widgets.details import Details
from sam_hub.tui.widgets.form import Form, TextField


class Question(ModalScreen[object]):
    """Ask, and return the value of the chosen answer; Esc gives None.

    Args:
        choices: (key, label, value); the first is the one that Enter gives.
        typed: what must be typed before the first choice can be taken (for what can't be undone).
    """

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "Back")]

    def __init__(
        self, title: str, body: str, choices: Sequence[tuple[str, str, object]], typed: str | None = None
    ) -> None:
        super().__init__()
        self._title, self._body, self._choices, self._typed = title, body, choices, typed

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Text(self._title, style="bold"), classes="dialog-title", markup=False)
            with VerticalScroll(classes="dialog-body", can_focus=False):
                yield Static(Text(self._body), markup=False)
            if self._typed is not None:
                yield Static(Text(f"Type {self._typed} to go on:"), markup=False)
                yield Input(id="typed")
                yield Static(id="typed-problem", classes="field-error", markup=False)
            with Horizontal(classes="dialog-buttons"):
                for number, (key, label, _) in enumerate(self._choices):
                    closed = number == 0 and self._typed is not None
                    words = f"{label} ({key})" if self._typed is None else label
                    yield Button(Text(words), id=f"choice-{number}", disabled=closed)

    def on_mount(self) -> None:
        self.query(Input if self._typed is not None else Button).first().focus()

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        """Open the first choice when all is typed."""
        self.query_one("#choice-0", Button).disabled = event.value.strip() != self._typed
        self.query_one("#typed-problem", Static).update("")

    @on(Input.Submitted)
    def _entered(self) -> None:
        """Take the first choice, if that is open."""
        if not self.query_one("#choice-0", Button).disabled:
            self.dismiss(self._choices[0][2])
        else:
            self.query_one("#typed-problem", Static).update(Text(f"This is not {self._typed}."))

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(self._choices[int((event.button.id or "").rpartition("-")[2])][2])

    def on_key(self, event: Key) -> None:
        """Take a choice by its key."""
        if self._typed is None:
            for key, _, value in self._choices:
                if event.key == key:
                    event.stop()
                    self.dismiss(value)
                    return


class StackedForm(Form, inherit_bindings=False):
    """A form in a dialog, where Esc leaves the dialog."""


class FormScreen(ModalScreen[dict[str, str] | None]):
    """Ask for some words; the result has each field's by name, None after Esc."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "Back")]

    def __init__(self, title: str, body: str, fields: Sequence[TextField], confirm: str = "OK") -> None:
        super().__init__()
        self._title, self._body, self._confirm = title, body, confirm
        self._form = StackedForm("field", [[field] for field in fields], classes="-stacked -roomy")

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Text(self._title, style="bold"), classes="dialog-title", markup=False)
            yield Static(Text(self._body), classes="dialog-body", markup=False)
            yield self._form
            with Horizontal(classes="dialog-buttons"):
                yield Button(Text(f"{self._confirm} (Enter)"), id="confirm", variant="primary")
                yield Button(Text("Back (Esc)"), id="leave")

    def on_mount(self) -> None:
        self.query(Input).first().focus()

    @on(Form.Submitted)
    def _entered(self, event: Form.Submitted) -> None:
        """Go to the next field; in the last, confirm."""
        if event.last:
            self._finish()
        else:
            self.focus_next(Input)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "confirm":
            self._finish()
        else:
            self.dismiss(None)

    def _finish(self) -> None:
        if not self._form.focus_problem():
            self.dismiss({field.name: self._form.text(field.name) for field in self._form.fields})


class DetailsScreen(ModalScreen[None]):
    """Facts and card of an expert; the card is read while the facts are there already."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,enter", "dismiss(None)", "Back")]

    def __init__(self, title: str, facts: Text, symbols: Symbols, card: Awaitable[str] | None = None) -> None:
        super().__init__()
        self._title, self._facts, self._card = title, facts, card
        self._details = Details(symbols, classes="-plain")

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large -full"):
            yield self._details
            yield Static(Text("Esc goes back, arrows scroll", style="italic"), markup=False)

    def on_mount(self) -> None:
        self._details.show_facts(self._title, self._facts)
        self._details.focus()
        self._load()

    @background()
    async def _load(self) -> None:
        if self._card is not None:
            await self._details.show_card(await self._card)
