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

from sam_hub.tui.symbols import Symbols, cut


class ReadingPane(VerticalScroll, can_focus=True):
    """A pane of text that may be longer than the screen; it takes the focus, so that its keys scroll."""

    BINDINGS: ClassVar = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("g", "scroll_home", "Top", show=False),
        Binding("G", "scroll_end", "End", show=False),
    ]

    def __init__(
        self, symbols: Symbols, id: str | None = None, title: str = "", text: str = "", least: int = 0
    ) -> None:
        super().__init__(id=id, classes="pane")
        self.symbols, self.border_title = symbols, Text(title)
        self.text = Static(Text(text), classes="text", markup=False)
        self.text.styles.min_height = self._least = least  # lines, so that nothing moves from one text to the next
        self._card: str | None = None

    def compose(self) -> ComposeResult:
        yield self.text

    @property
    def room(self) -> int:
        """Cells of a line; as on a screen of its own before it has a size."""
        return self.text.size.width or min(100, self.app.size.width * 95 // 100) - 5

    def show(self, content: RenderableType, title: str | None = None) -> None:
        """Replace what is shown; with a title, that too."""
        if title is not None:
            self.border_title = Text(cut(title, (self.size.width or 100) - 6, self.symbols, keep_end=True))
        # To lay the whole screen out again takes longer than all else that a key does.
        lines = len(content.wrap(self.app.console, self.text.size.width or 1)) if isinstance(content, Text) else 0
        self.text.update(content, layout=max(self._least, lines) != self.text.size.height)

    async def show_card(self, card: str | None) -> None:
        """Render a card (Markdown) under the text; None removes the one that is shown."""
        if card == self._card:
            return
        from sam_hub.tui.widgets.card import Card  # a parser, which the first rows shall not wait for

        self._card = card
        if self.query(Card):
            await self.query_one(Card).show(card or "")
        elif card:
            await self.mount(Card(card, self.symbols))


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
