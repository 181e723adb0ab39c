"""A question that stands before the work: what happened, why, what to do; answered by one key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static


class Question(ModalScreen[object]):
    """Ask, and return the value of the chosen answer; Esc gives None.

    Args:
        choices: (key, label, value); the first is the one that Enter gives.
        typed: what must be typed before the first choice can be taken (for what can't be undone).
    """

    BINDINGS: ClassVar = [("escape", "dismiss(None)", "Back")]

    def __init__(
        self,
        title: str,
        body: str | Text,
        choices: Sequence[tuple[str, str, object]],
        typed: str | None = None,
    ) -> None:
        super().__init__()
        self._title, self._body, self._choices, self._typed = title, body, choices, typed

    def compose(self) -> ComposeResult:
        body = self._body if isinstance(self._body, Text) else Text(self._body)
        with Vertical(classes="dialog"):
            yield Static(Text(self._title, style="bold"), classes="dialog-title", markup=False)
            with VerticalScroll(classes="dialog-body", can_focus=False):
                yield Static(body, markup=False)
            if self._typed is not None:
                yield Static(Text(f"Type {self._typed} to go on:"), markup=False)
                yield Input(id="typed")
                yield Static(id="typed-problem", classes="field-error", markup=False)
            with Horizontal(classes="dialog-buttons"):
                for number, (key, label, _) in enumerate(self._choices):
                    shown = f"{label} ({key})" if self._typed is None else label
                    yield Button(
                        Text(shown), id=f"choice-{number}", disabled=number == 0 and self._typed is not None
                    )

    def on_mount(self) -> None:
        self.query(Input if self._typed is not None else Button).first().focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """The first choice opens when all is typed."""
        self.query_one("#choice-0", Button).disabled = event.value.strip() != self._typed
        self.query_one("#typed-problem", Static).update("")

    def on_input_submitted(self) -> None:
        """Enter takes the first choice, if that is open."""
        if not self.query_one("#choice-0", Button).disabled:
            self.dismiss(self._choices[0][2])
        else:
            self.query_one("#typed-problem", Static).update(Text(f"This is not {self._typed}."))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button was pressed."""
        self.dismiss(self._choices[int((event.button.id or "").rpartition("-")[2])][2])

    def on_key(self, event: Key) -> None:
        """A choice by its key."""
        if self._typed is None:
            for key, _, value in self._choices:
                if event.key == key:
                    event.stop()
                    self.dismiss(value)
                    return
