"""A card as the Hub would render it. Its parser takes long to import: the first rows do not wait for it."""

from __future__ import annotations

import re

from textual.widgets import Markdown

from sam_hub.tui.symbols import ASCII, Symbols

CARD_LIMIT = 12_000  # characters of a card: it is read beside a table, and a browser shows it whole


class Card(Markdown):
    """Markdown whose links stay closed, with hyphens for bullets where the terminal has ASCII alone."""

    def __init__(self, card: str, symbols: Symbols) -> None:
        super().__init__(_body(card, symbols), open_links=False)
        self._symbols = symbols
        if symbols is ASCII:
            self.BULLETS = ["- "] * len(self.BULLETS)

    async def show(self, card: str) -> None:
        """Render another card."""
        await self.update(_body(card, self._symbols))


def _body(card: str, symbols: Symbols) -> str:
    """Return a card without its metadata block, cut at a line where it is too long to read here."""
    body = re.sub(r"\A---.*?\n---\s*", "", card, flags=re.DOTALL)
    if len(body) > CARD_LIMIT:
        body = body[:CARD_LIMIT].rpartition("\n")[0] + f"\n\n{symbols.cut} The rest is on the Hub."
    return body
