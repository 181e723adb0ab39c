"""One form for all that is filled in: fields of text and of choice, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.events import Key
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Label, Select, Static

from sam_hub.tui.actions import LEAVE_FIELDS

# With priority: the cursor moves before the next key is looked at, however fast a person (or a paste) types.
NEXT_FIELD = Binding("enter", "next_field", "Next field", show=False, priority=True)
Row = Sequence[Any]  # of a form: the label, and its fields


def text(name: str, value: str = "", hint: str = "", **options: Any) -> Input:
    """Return a field for words; ``hint`` stands in it while it is empty."""
    return Input(value, placeholder=hint, compact=True, name=name, **options)


def choice(name: str, choices: Mapping[Any, str], value: Any = None) -> Select[Any]:
    """Return a field that offers values, each with the words for it. The first is chosen, unless one is named."""
    value = next(iter(choices)) if value is None else value
    options = [(words, value) for value, words in choices.items()]
    return Select(options, value=value, allow_blank=False, compact=True, name=name)


class Tick(Static, can_focus=True):
    """Yes or no in one line, in words that any terminal shows: ``[x] cut running text``."""

    DEFAULT_CSS = """
    Tick { width: 1fr; height: 1; }
    Tick:focus { text-style: reverse; }
    """

    def __init__(self, name: str, label: str) -> None:
        super().__init__(name=name, markup=False)
        self._label, self.value = label, False

    def on_mount(self) -> None:
        self.set(False)

    def set(self, value: bool) -> None:
        """Replace the value."""
        self.value = value
        self.update(Text(f"[{'x' if value else ' '}] {self._label}"))

    def key_space(self, event: Key) -> None:
        """Turn the value. No binding: that would be looked up where the cursor is by then."""
        event.stop()
        self.set(not self.value)

    def on_click(self) -> None:
        """Do as space does."""
        self.set(not self.value)


class Form(VerticalScroll, can_focus=False):
    """Rows of fields, each behind its label (or under it, with the class ``-stacked``).

    A change posts `Changed`. Enter goes to the next field of text, and in the last posts `Submitted`. Fields have the
    ids ``<form>-<field>``; what is wrong stands in ``#<form>-problem``, what is said of them in ``#<form>-hint``.
    """

    BINDINGS: ClassVar = [LEAVE_FIELDS, NEXT_FIELD]

    class Changed(Message):
        """A field has another value."""

    class Submitted(Message):
        """Enter was pressed in the last field of text."""

    def __init__(self, name: str, rows: Iterable[Row], classes: str = "", buttons: Iterable[Widget] = ()) -> None:
        super().__init__(id=f"{name}-form", classes=classes)
        self.form_name, self.rows, self._buttons = name, tuple(rows), buttons
        self.fields: dict[str, Any] = {field.name: field for _, *fields in self.rows for field in fields}
        for field_name, field in self.fields.items():
            field.id = f"{name}-{field_name}"

    def compose(self) -> ComposeResult:
        for label, *fields in self.rows:
            with Horizontal(classes="field"):
                yield Label(Text(label))
                yield from fields
            yield self._line(f"{fields[0].name}-problem")
        yield self._line("problem")
        yield self._line("hint", "hint")
        yield from self._buttons

    def _line(self, name: str, classes: str = "field-error") -> Static:
        line = Static(id=f"{self.form_name}-{name}", classes=classes, markup=False)
        line.display = False
        return line

    @property
    def values(self) -> dict[str, Any]:
        """The value of every field by its name; words without blanks around them."""
        values = {name: field.value for name, field in self.fields.items()}
        return {name: value.strip() if type(value) is str else value for name, value in values.items()}

    def input(self, name: str) -> Input:
        """Return a text field."""
        return self.fields[name]

    def offer(self, name: str, choices: Mapping[Any, str]) -> None:
        """Replace the choices of a field; the chosen value stays if it is among them."""
        select = self.fields[name]
        kept = select.value if select.value in choices else next(iter(choices))
        with self.prevent(Select.Changed):
            select.set_options((words, value) for value, words in choices.items())
            select.value = kept

    def show_problem(self, words: str, field: str = "") -> None:
        """Say what is wrong, with a field (under it) or with all; empty: nothing is."""
        self._say(f"{field}-problem" if field else "problem", words)

    def show_hint(self, words: str) -> None:
        """Say what the fields take."""
        self._say("hint", words)

    def _say(self, place: str, words: str) -> None:
        line = self.query_one(f"#{self.form_name}-{place}", Static)
        line.update(Text(words))
        line.display = bool(words)

    @on(Select.Changed)
    @on(Input.Changed)
    def _changed(self, event: Select.Changed | Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed())

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Submitted())

    def action_next_field(self) -> None:
        """Go on; in the last field Enter is left to that, which then has all that was typed."""
        focused = self.screen.focused
        if not isinstance(focused, Input | Tick) or focused is self.query(Input).last():
            raise SkipAction
        self.screen.focus_next("Input, Tick")
