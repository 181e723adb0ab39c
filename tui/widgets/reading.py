"""Panes and lines of text: to read in, to copy from, and to say how things are."""

from __future__ import annotations

from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.widgets import Static


class ReadingPane(VerticalScroll, can_focus=True):
    """A pane of text that may be longer than the screen; it takes the focus, so that its keys scroll."""

    BINDINGS: ClassVar = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("g", "scroll_home", "Top", show=False),
        Binding("G", "scroll_end", "End", show=False),
    ]

    def __init__(self, id: str, title: str = "", text: str = "", *, classes: str = "pane") -> None:
        super().__init__(id=id, classes=classes)
        self.border_title, self._text = Text(title), text

    def compose(self) -> ComposeResult:
        yield Static(Text(self._text), id=f"{self.id}-text", markup=False)

    def show(self, content: RenderableType, title: str | None = None) -> None:
        """Replace what is shown; with a title, that too."""
        if title is not None:
            self.border_title = Text(title)
        self.query_one(f"#{self.id}-text", Static).update(content)


class Copyable(Static, can_focus=True):
    """A text to be copied: whole if it has the focus."""

    DEFAULT_CSS = """
    Copyable { height: auto; margin: 0 0 1 0; padding: 0 1; background: $boost; }
    Copyable:focus { background: $primary-muted; text-style: bold; }
    """

    def __init__(self, id: str) -> None:
        super().__init__(id=id, markup=False)
        self.text = ""

    def show(self, text: str) -> None:
        """Show this text; hide the widget where there is none."""
        self.text, self.display = text, bool(text)
        self.update(Text(text, overflow="fold"))


class Line(Static):
    """A line (or a few) that is often told what to show, and draws only what has changed.

    The screen is laid out again only when the size of the text changes: at four looks a second at the jobs, this is
    what keeps the keys quick.
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self._text = Text()

    def put(self, text: Text) -> None:
        """Show a text."""
        if text == self._text:
            return
        before, self._text = self._text, text
        same_size = (before.cell_len, before.plain.count("\n")) == (text.cell_len, text.plain.count("\n"))
        width = self.styles.width
        fixed = width is not None and not width.is_auto and "\n" not in before.plain + text.plain
        self.update(text, layout=not (same_size or (fixed and before)))


class PlainScrollBarRender(ScrollBarRender):
    """A scrollbar without the half blocks that round its ends, for terminals with ASCII alone."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


def use_plain_scrollbars(plain: bool) -> None:
    """Draw all scrollbars of this process so from now on."""
    ScrollBar.renderer = PlainScrollBarRender if plain else ScrollBarRender
