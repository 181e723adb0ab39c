"""The line at the top: the target, the tabs, and the state of Hub and disk."""

from __future__ import annotations

import shutil

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal

from sam_hub.tui.actions import TABS
from sam_hub.tui.messages import TabRequested
from sam_hub.tui.state import AppState
from sam_hub.tui.widgets.reading import Line


class TabLabel(Line):
    """A tab's number and name; a click goes there."""

    def __init__(self, number: int, name: str) -> None:
        super().__init__(id=f"tab-{name}")
        self.number, self.tab_name = number, name

    def show(self, current: bool, active: int) -> None:
        """Draw it; the tab on the screen is marked by brackets as well as by colour."""
        self.set_class(current, "-current")
        count = f"({active})" if self.tab_name == "jobs" and active else ""
        label = f"{self.number} {self.tab_name.capitalize()}{count}"
        self.put(Text(f"[{label}]" if current else f" {label} "))

    def on_click(self) -> None:
        """Go there."""
        self.post_message(TabRequested(self.tab_name))


class TopBar(Horizontal):
    """Target, tabs, Hub and disk."""

    def compose(self) -> ComposeResult:
        yield Line(id="bar-target")
        for number, name in enumerate(TABS, 1):
            yield TabLabel(number, name)
        yield Line(id="bar-state")

    def show(self, state: AppState, current: str) -> None:
        """Draw what has changed; ``current`` is the tab on the screen."""
        name = state.target.name if state.target else "none"
        target = Text(f" sam-hub  target: {name}", no_wrap=True, overflow="ellipsis")
        self.query_one("#bar-target", Line).put(target)
        for label in self.query(TabLabel):
            label.show(label.tab_name == current, len(state.active_jobs))
        hub = "offline" if state.settings.offline else state.hub_name.removeprefix("the ")
        words = f"{hub} {state.symbols.dot} {_disk(state)} "
        self.query_one("#bar-state", Line).put(Text(words, no_wrap=True))


def _disk(state: AppState) -> str:
    folder = state.settings.home
    while not folder.exists():
        folder = folder.parent
    return f"{shutil.disk_usage(folder).free / 1e9:,.0f} GB free"
