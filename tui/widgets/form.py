"""One form for all that is filled in: fields of text and of choice, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.events import Key
from textual.message import Message
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, Label, Select, Static

from sam_hub.tui.actions import LEAVE_FIELDS


@dataclass(frozen=True)
class TextField:
    """A field for words.

    Args:
        name: its name in the form, and in the options made of it.
        label: what stands before it.
        hint: what stands in it while it is empty.
        replace: what is typed replaces what stands in the field when the cursor comes there.
    """

    name: str
    label: str
    value: str = ""
    hint: str = ""
    replace: bool = True
    suggester: Suggester | None = None


@dataclass(frozen=True)
class ChoiceField:
    """A field that offers values, each with the words that stand for it. The first is chosen, unless one is named."""

    name: str
    label: str
    choices: Mapping[Any, str]
    value: Any = None


@dataclass(frozen=True)
class TickField:
    """A field for yes or no."""

    name: str
    label: str


Field = TextField | ChoiceField | TickField


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

    A change posts `Changed`, Enter in a text field `Submitted`. Fields have the ids ``<form>-<field>``; what is wrong
    stands in ``#<form>-problem``, what is said of the fields in ``#<form>-hint``.
    """

    BINDINGS: ClassVar = [LEAVE_FIELDS]

    class Changed(Message):
        """A field has another value."""

    @dataclass
    class Submitted(Message):
        """Enter was pressed in a text field; ``last``: in the last of them."""

        last: bool

    def __init__(self, name: str, rows: Iterable[Sequence[Field]], classes: str = "", buttons: Iterable[Widget] = ()):
        super().__init__(id=f"{name}-form", classes=classes)
        self.form_name, self.rows, self._buttons = name, [tuple(row) for row in rows], buttons

    def compose(self) -> ComposeResult:
        for row in self.rows:
            with Horizontal(classes="field"):
                yield Label(Text("" if isinstance(row[0], TickField) else row[0].label))
                for field in row:
                    yield self._widget(field)
            yield Static(id=f"{self.form_name}-{row[0].name}-problem", classes="field-error", markup=False)
        yield Static(id=f"{self.form_name}-problem", classes="field-error", markup=False)
        yield Static(id=f"{self.form_name}-hint", classes="hint", markup=False)
        yield from self._buttons

    def _widget(self, field: Field) -> Widget:
        id = f"{self.form_name}-{field.name}"
        if isinstance(field, TickField):
            return Tick(field.label, id=id)
        if isinstance(field, ChoiceField):
            options = [(words, value) for value, words in field.choices.items()]
            value = options[0][1] if field.value is None else field.value
            return Select(options, value=value, allow_blank=False, compact=True, id=id)
        return Input(
            field.value,
            placeholder=field.hint,
            suggester=field.suggester,
            select_on_focus=field.replace,
            compact=True,
            id=id,
        )

    def on_mount(self) -> None:
        self.show_problem("")
        self.show_hint("")
        for row in self.rows:
            self.show_problem("", row[0].name)

    @property
    def values(self) -> dict[str, Any]:
        """The value of every field by its name; words without blanks around them."""
        widgets = ((field, self.query_one(f"#{self.form_name}-{field.name}")) for row in self.rows for field in row)
        values = ((field.name, getattr(widget, "value", None)) for field, widget in widgets)
        return {name: value.strip() if type(value) is str else value for name, value in values}

    def input(self, name: str) -> Input:
        """Return a text field."""
        return self.query_one(f"#{self.form_name}-{name}", Input)

    def select(self, name: str) -> Select[Any]:
        """Return a field of choice."""
        return self.query_one(f"#{self.form_name}-{name}", Select)

    def offer(self, name: str, choices: Mapping[Any, str]) -> None:
        """Replace the choices of a field; the chosen value stays if it is among them."""
        select = self.select(name)
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
        self.post_message(self.Submitted(event.input is self.query(Input).last()))
