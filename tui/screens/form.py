"""A few fields that stand before the work: what is needed, and why, filled in and confirmed by Enter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static


@dataclass(frozen=True)
class Field:
    """One field: its name in the result, what stands before it, its first value, and a hint inside it.

    ``check`` says what is wrong with a value, nothing where it is right.
    """

    name: str
    label: str
    value: str = ""
    hint: str = ""
    needed: bool = False
    check: Callable[[str], str] | None = None


class Form(ModalScreen[dict[str, str] | None]):
    """Ask for some words; the result has each field's by name, None after Esc."""

    BINDINGS: ClassVar = [("escape", "dismiss(None)", "Back")]

    def __init__(self, title: str, body: str, fields: Sequence[Field], confirm: str = "OK") -> None:
        super().__init__()
        self._title, self._body, self._fields, self._confirm = title, body, fields, confirm

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Text(self._title, style="bold"), classes="dialog-title", markup=False)
            yield Static(Text(self._body), classes="dialog-body", markup=False)
            for field in self._fields:
                yield Label(Text(field.label))
                yield Input(field.value, placeholder=field.hint, id=f"field-{field.name}", compact=True)
            yield Static(id="form-problem", classes="field-error", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Button(Text(f"{self._confirm} (Enter)"), id="confirm", variant="primary")
                yield Button(Text("Back (Esc)"), id="leave")

    def on_mount(self) -> None:
        self.query(Input).first().focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter goes to the next field, and confirms in the last."""
        inputs = list(self.query(Input))
        at = inputs.index(event.input)
        if at + 1 < len(inputs):
            inputs[at + 1].focus()
        else:
            self._finish()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button was pressed."""
        if event.button.id == "confirm":
            self._finish()
        else:
            self.dismiss(None)

    def _finish(self) -> None:
        values = {f.name: self.query_one(f"#field-{f.name}", Input).value.strip() for f in self._fields}
        for field in self._fields:
            value = values[field.name]
            problem = (
                "this is needed." if field.needed and not value else field.check(value) if field.check else ""
            )
            if problem:
                self.query_one("#form-problem", Static).update(f"{field.label}: {problem}")
                self.query_one(f"#field-{field.name}", Input).focus()
                return
        self.dismiss(values)
