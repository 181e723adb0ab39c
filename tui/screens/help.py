"""Help for the tab on the screen and the part of it that has the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from tui.actions import ACTIONS

if TYPE_CHECKING:
    from tui.app import SamHubApp
    from tui.tabs.tab import BaseTab

MOVES = "arrows or h j k l move, g and G go to the ends, Tab goes to the next part, 1 to 7 to a tab"


class HelpScreen(ModalScreen[None]):
    """What the tab is for, its keys (as they are mapped now) with their ids, and the commands that do the same."""

    BINDINGS: ClassVar = [("escape,question_mark,q", "dismiss(None)", "Back")]
    app: SamHubApp

    def __init__(self, tab: BaseTab, focused: Widget | None) -> None:
        super().__init__()
        self._tab, self._focused = tab, focused

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large"):
            yield Static(Text(f"Help: {self._tab.NAME.capitalize()}", style="bold"), classes="dialog-title")
            with VerticalScroll(classes="dialog-body"):
                yield Static(self._text(), markup=False)
            yield Static(Text("Esc closes", style="italic"), markup=False)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def _text(self) -> Text:
        text = Text(f"{self._tab.HELP}\n\n{MOVES}; ctrl+p opens the palette.\n")
        for head, some in (("Here", False), ("Everywhere", True)):
            text.append(f"\n{head}\n", style="bold")
            for item in ACTIONS:
                fits = item.is_global if some else self._tab.NAME in item.tabs
                if fits and not item.id.startswith("tab_"):
                    text.append(f"  {self.app.keys_of(item.id):<8}", style="bold")
                    text.append(f" {item.tooltip}")
                    text.append(f"  [{': '.join(filter(None, (item.id, item.command)))}]\n", style="italic")
        text.append(self._of_the_focused())
        return text

    def _of_the_focused(self) -> Text:
        """The keys that the focused part has for itself."""
        text = Text()
        widget = self._focused
        bindings = getattr(type(widget), "BINDINGS", []) if widget is not None else []
        rows = [b for b in bindings if not isinstance(b, tuple) and b.description]
        if rows:
            text.append(f"\nIn this part ({type(widget).__name__})\n", style="bold")
            for binding in rows:
                keys = " ".join(self.app.key_name(key) for key in binding.key.split(","))
                text.append(f"  {keys:<8}", style="bold")
                text.append(f" {binding.description}\n")
        return text
