"""A card as the Hub would render it."""

from __future__ import annotations

from textual.widgets import Markdown

from tui.symbols import ASCII, Symbols


class Card(Markdown):
    """Markdown whose links stay closed, with hyphens for bullets where the terminal has ASCII alone."""

    def __init__(self, text: str, symbols: Symbols, *, id: str | None = None) -> None:
        super().__init__(text, id=id, open_links=False)
        if symbols is ASCII:
            self.BULLETS = ["- "] * len(self.BULLETS)
