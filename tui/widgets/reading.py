"""A pane of text that is longer than the screen: it scrolls by arrows, j and k, and g and G."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding
from textual.containers import VerticalScroll


class ReadingPane(VerticalScroll):
    """A pane to read in; it takes the focus, so that its keys work."""

    BINDINGS: ClassVar = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("g", "scroll_home", "Top", show=False),
        Binding("G", "scroll_end", "End", show=False),
    ]

    def __init__(self, *children, id: str | None = None, classes: str | None = "pane") -> None:
        super().__init__(*children, id=id, classes=classes, can_focus=True)
