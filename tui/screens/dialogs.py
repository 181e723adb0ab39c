"""Dialogs: a question answered by one key, a form whose plan is shown before it is confirmed, and details to read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Select, Static

from sam_hub.errors import SamHubError
from sam_hub.tui.messages import background
from sam_hub.tui.symbols import Symbols, cut
from sam_hub.tui.widgets.form import NEXT_FIELD, Form, Row
from sam_hub.tui.widgets.reading import ReadingPane

TYPING = 0.4  # seconds without a change until the plan is asked for


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
                yield Static(Text(f"Type {self._typed} to continue:"), markup=False)
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

    BINDINGS: ClassVar = [NEXT_FIELD]


class FormScreen(ModalScreen[Any]):
    """Ask for some values, and return the options that are made of them; Esc gives None.

    Args:
        plan: returns the options made of the form's values (None: something is not filled in yet), and the words
            that say what they lead to. It is asked again after each change. Raises SamHubError where the values make
            no sense.
    """

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "Back")]

    def __init__(
        self,
        title: str,
        rows: Sequence[Row],
        plan: Callable[[dict[str, Any]], Awaitable[tuple[object, str]]],
        confirm: str,
        symbols: Symbols,
    ) -> None:
        super().__init__()
        self._title, self._plan, self._confirm, self._symbols = title, plan, confirm, symbols
        self.form = StackedForm("field", rows, "-stacked")
        self._planned: tuple[dict[str, Any], object] | None = None  # the form's values, and the options made of them

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Text(self._title, style="bold"), classes="dialog-title", markup=False)
            yield self.form
            with VerticalScroll(classes="dialog-body", can_focus=False):
                yield Static("Checking ...", id="plan", markup=False)
            with Horizontal(classes="dialog-buttons"):
                words = Text(f"{self._confirm} (Enter)")
                yield Button(words, id="confirm", variant="primary", compact=True, disabled=True)
                yield Button("Back (Esc)", id="leave", compact=True)

    def on_mount(self) -> None:
        self.set_focus(self.form.query("Input, Select").first())
        self._begin()

    @background()
    async def _begin(self) -> None:
        """Show the plan; where nothing has to be typed first, Enter is then enough."""
        first = self.focused
        if await self._show_plan() and isinstance(first, Select) and self.focused is first and not first.expanded:
            self.query_one("#confirm").focus()

    @on(Form.Changed)
    @background(rest=TYPING)
    async def _changed(self) -> None:
        await self._show_plan()

    async def _show_plan(self) -> bool:
        """Show what the values lead to, or what is wrong with them; return whether they can be confirmed."""
        values = self.form.values
        if self._planned and self._planned[0] == values:
            return True
        self._planned, words, style = None, "", ""
        try:
            options, words = await self._plan(values)
        except SamHubError as error:
            words, style = f"{self._symbols.missing} {error}", "bold"
        else:
            self._planned = (values, options) if options else None
        self.query_one("#plan", Static).update(Text(words, style))
        self.query_one("#confirm", Button).disabled = not self._planned
        return self._planned is not None

    @on(Form.Submitted)
    def _entered(self) -> None:
        self._finish()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "confirm":
            self._finish()
        else:
            self.dismiss(None)

    @background()
    async def _finish(self) -> None:
        if await self._show_plan() and self._planned:
            self.dismiss(self._planned[1])


class DetailsScreen(ModalScreen[None]):
    """Facts and card of an expert; the card is read while the facts are there already."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,enter", "dismiss(None)", "Back")]

    def __init__(self, title: str, facts: Text, symbols: Symbols, card: Awaitable[str] | None = None) -> None:
        super().__init__()
        self._title, self._facts, self._card = title, facts, card
        self._pane = ReadingPane(symbols)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large -full") as dialog:
            room = min(100, self.app.size.width * 95 // 100) - 6
            dialog.border_title = Text(cut(self._title, room, self._pane.symbols, keep_end=True))
            yield self._pane
            yield Static(Text("Esc: back, arrows: scroll", style="italic"), markup=False)

    def on_mount(self) -> None:
        self._pane.show(self._facts)
        self._pane.focus()
        self._load()

    @background()
    async def _load(self) -> None:
        if self._card is not None:
            await self._pane.show_card(await self._card)
