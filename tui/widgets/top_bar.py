"""The line at the top: the target, the tabs, and the state of Hub and disk."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal

from tui.actions import TABS
from tui.widgets.line import Line

if TYPE_CHECKING:
    from tui.app import SamHubApp


class TabLabel(Line):
    """A tab's number and name; a click goes there."""

    app: SamHubApp

    def __init__(self, number: int, name: str) -> None:
        super().__init__(id=f"tab-{name}")
        self.number, self.tab_name = number, name

    def show(self, current: bool, active: int) -> None:
        """Draw it; the tab on the screen is marked by brackets as well as by colour."""
        self.set_class(current, "-current")
        count = f"({active})" if self.tab_name == "jobs" and active else ""
        label = f"{self.number} {self.tab_name.capitalize()}{count}"
        self.put(Text(f"[{label}]" if current else f" {label} "))

    async def on_click(self) -> None:
        """Go there."""
        await self.app.go(self.tab_name)


class TopBar(Horizontal):
    """Target, tabs, Hub and disk."""

    app: SamHubApp

    def compose(self) -> ComposeResult:
        yield Line(id="bar-target")
        for number, name in enumerate(TABS, 1):
            yield TabLabel(number, name)
        yield Line(id="bar-state")

    def on_mount(self) -> None:
        self.show()

    def show(self) -> None:
        """Draw what has changed."""
        name = self.app.target.name if self.app.target else "none"
        self.query_one("#bar-target", Line).put(
            Text(f" sam-hub  target: {name}", no_wrap=True, overflow="ellipsis")
        )
        active = sum(view.is_active for view in self.app.jobs)
        current = self.app.switcher.current
        for tab in self.query(TabLabel):
            tab.show(tab.tab_name == current, active)
        self.query_one("#bar-state", Line).put(
            Text(f"{self._hub()} {self.app.symbols.dot} {self._disk()} ", no_wrap=True)
        )

    def _hub(self) -> str:
        settings = self.app.settings
        if settings.offline:
            return "offline"
        return (
            "embedded Hub"
            if settings.endpoint == "embedded"
            else (urlsplit(settings.endpoint).hostname or "")
        )

    def _disk(self) -> str:
        folder = self.app.settings.home
        while not folder.exists():
            folder = folder.parent
        return f"{shutil.disk_usage(folder).free / 1e9:,.0f} GB free"
