"""Help for the tab on the screen and the part of it that has the focus."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from sam_hub.tui.actions import ACTIONS, KeyNames

MOVES = (
    "Move with the arrows or h j k l, go to the ends with g and G, to the next part with Tab, and to a tab with 1 to 7"
)


class HelpScreen(ModalScreen[None]):
    """What the tab is for, its keys (as they are mapped now) with their ids, and the commands that do the same."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,question_mark,q", "dismiss(None)", "Back")]

    def __init__(self, tab: str, purpose: str, focused: Widget | None, keys: KeyNames) -> None:
        super().__init__()
        self._tab, self._purpose, self._focused, self._keys = tab, purpose, focused, keys

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large"):
            yield Static(Text(f"Help: {self._tab.capitalize()}", style="bold"), classes="dialog-title")
            with VerticalScroll(classes="dialog-body"):
                yield Static(self._text(), markup=False)
            yield Static(Text("Esc closes", style="italic"), markup=False)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def _text(self) -> Text:
        text = Text(f"{self._purpose}\n\n{MOVES}. ctrl+p opens the palette.\n")
        for head, everywhere in (("Here", False), ("Everywhere", True)):
            text.append(f"\n{head}\n", style="bold")
            for item in ACTIONS:
                fits = item.is_global if everywhere else self._tab in item.tabs
                if fits and not item.id.startswith("tab_"):
                    text.append(f"  {self._keys(item.id):<8}", style="bold")
                    text.append(f" {item.tooltip}")
                    text.append(f"  [{': '.join(filter(None, (item.id, item.command)))}]\n", style="italic")
        text.append(self._of_the_focused())
        return text

    def _of_the_focused(self) -> Text:
        """Return the keys that the focused part has for itself."""
        text = Text()
        if self._focused is None:
            return text
        bindings = [b for b in self._focused.BINDINGS if isinstance(b, Binding) and b.description]
        if bindings:
            text.append(f"\nIn this part ({type(self._focused).__name__})\n", style="bold")
        for binding in bindings:
            text.append(f"  {self._keys.of_keys(binding.key):<8}", style="bold")
            text.append(f" {binding.description}\n")
        return text
