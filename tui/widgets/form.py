"""One form for all that is filled in: fields of text and of choice, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

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
        name: its name in the form.
        label: what stands before it.
        hint: what stands in it while it is empty.
        check: says what is wrong with a value, and nothing where it is right.
        replace: what is typed replaces what stands in the field when the cursor comes there.
    """

    name: str
    label: str
    value: str = ""
    hint: str = ""
    needed: bool = False
    check: Callable[[str], str] | None = None
    replace: bool = True
    suggester: Suggester | None = None

    def problem(self, value: str) -> str:
        """Say what is wrong with a value; empty: nothing."""
        if self.needed and not value:
            return "this is needed."
        return self.check(value) if self.check else ""


@dataclass(frozen=True)
class ChoiceField:
    """A field that offers values, each with the words that stand for it. The first is chosen at the beginning."""

    name: str
    label: str
    choices: Mapping[str, str]


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

    A change posts `Changed`, Enter in a text field `Submitted`. Fields have the ids ``<name>-<field>``, and what is
    wrong stands in ``#<name>-problem``.
    """

    BINDINGS: ClassVar = [LEAVE_FIELDS]
    SCOPED_CSS = False  # the rules for tall terminals begin at the screen
    DEFAULT_CSS = """
    Form { height: auto; }
    Form .field { height: 1; }
    .-tall Form.-airy .field { margin-bottom: 1; }
    Form .field Label { width: 12; }
    Form.-airy .field Label { color: $text-muted; }
    Form .field Select, Form .field Input { width: 1fr; }
    Form.-stacked .field { height: auto; layout: vertical; }
    Form.-stacked .field Label { width: auto; }
    """

    class Changed(Message):
        """A field has another value."""

    class Submitted(Message):
        """Enter was pressed in a text field; ``last``: in the last of them."""

        def __init__(self, last: bool) -> None:
            super().__init__()
            self.last = last

    def __init__(self, name: str, rows: Iterable[Sequence[Field]], *, id: str = "", classes: str = "") -> None:
        super().__init__(id=id or f"{name}-form", classes=classes)
        self.form_name, self.rows = name, [tuple(row) for row in rows]

    def compose(self) -> ComposeResult:
        for row in self.rows:
            with Horizontal(classes="field"):
                yield Label(Text("" if isinstance(row[0], TickField) else row[0].label))
                for field in row:
                    yield self._widget(field)
            yield from self.below(row)
        yield Static(id=f"{self.form_name}-problem", classes="field-error", markup=False)
        yield from self.at_end()

    def _widget(self, field: Field) -> Widget:
        id = f"{self.form_name}-{field.name}"
        if isinstance(field, TickField):
            return Tick(field.label, id=id)
        if isinstance(field, ChoiceField):
            options = [(words, value) for value, words in field.choices.items()]
            return Select(options, value=options[0][1], allow_blank=False, compact=True, id=id)
        return Input(
            field.value,
            placeholder=field.hint,
            suggester=field.suggester,
            select_on_focus=field.replace,
            compact=True,
            id=id,
        )

    def below(self, row: Sequence[Field]) -> ComposeResult:
        """Return what stands below a row."""
        return ()

    def at_end(self) -> ComposeResult:
        """Return what stands below all."""
        return ()

    def on_mount(self) -> None:
        self.show_problem("")

    # --- values ----------------------------------------------------------------------------------------

    @property
    def fields(self) -> list[Field]:
        """All fields."""
        return [field for row in self.rows for field in row]

    def input(self, name: str) -> Input:
        """Return a text field."""
        return self.query_one(f"#{self.form_name}-{name}", Input)

    def select(self, name: str) -> Select[str]:
        """Return a field of choice."""
        return self.query_one(f"#{self.form_name}-{name}", Select)

    def text(self, name: str) -> str:
        """Return the words of a text field."""
        return self.input(name).value.strip()

    def choice(self, name: str) -> str:
        """Return the value chosen in a field of choice."""
        return str(self.select(name).value)

    def offer(self, name: str, choices: Mapping[str, str]) -> None:
        """Replace the choices of a field; the chosen value stays if it is among them."""
        select = self.select(name)
        kept = select.value if select.value in choices else next(iter(choices))
        with self.prevent(Select.Changed):
            select.set_options((words, value) for value, words in choices.items())
            select.value = kept

    def show_problem(self, words: str) -> None:
        """Say what is wrong; empty: nothing is."""
        line = self.query_one(f"#{self.form_name}-problem", Static)
        line.update(Text(words))
        line.display = bool(words) or self.has_class("-roomy")  # keeps its line

    def focus_problem(self) -> bool:
        """Show the first problem of a text field, with the cursor there; False where there is none."""
        for field in self.fields:
            if isinstance(field, TextField) and (problem := field.problem(self.text(field.name))):
                self.show_problem(f"{field.label}: {problem}")
                self.input(field.name).focus()
                return True
        return False

    # --- events ----------------------------------------------------------------------------------------

    @on(Select.Changed)
    @on(Input.Changed)
    def _changed(self, event: Select.Changed | Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed())

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Submitted(event.input is self.query(Input).last()))
