"""A line (or a few) that is told often what to show, and draws only what has changed."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static


class Line(Static):
    """Text of its own size. The screen is laid out again only when that size changes: at four looks a second at
    the jobs, this is what keeps the keys quick."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self._text = Text()

    def put(self, text: Text | str) -> None:
        """Show a text."""
        new = text if isinstance(text, Text) else Text(text)
        if new == self._text:
            return
        before, self._text = self._text, new
        same_size = (before.cell_len, before.plain.count("\n")) == (new.cell_len, new.plain.count("\n"))
        fixed = (
            self.styles.width is not None
            and not self.styles.width.is_auto
            and "\n" not in before.plain + new.plain
        )
        self.update(new, layout=not (same_size or (fixed and before)))
