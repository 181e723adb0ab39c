"""A table with the keys of this UI: arrows and hjkl, g and G."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding
from textual.widgets import DataTable

MOST_ROWS = 2_000  # the widget paints a page, never the catalog: 10,000 rows take it over a second


class Table(DataTable[Text]):
    """A table of text, never of markup, with a row cursor."""

    BINDINGS: ClassVar = [
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("h", "scroll_left", "Left", show=False),
        Binding("l", "scroll_right", "Right", show=False),
        Binding("g,home", "scroll_top", "First row", show=False),
        Binding("G,end", "scroll_bottom", "Last row", show=False),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(cursor_type="row", zebra_stripes=False, id=id, classes=classes)

    def fill(self, rows: Sequence[tuple[str, Sequence[Text | str]]]) -> None:
        """Put rows (key, cells) in the place of those shown; the cursor stays on its row if that is there."""
        key = self.key_under_cursor
        at = self.cursor_row
        with self.app.batch_update():
            self.clear()
            for name, cells in rows[:MOST_ROWS]:
                self.add_row(*(c if isinstance(c, Text) else Text(c) for c in cells), key=name)
        keys = [name for name, _ in rows[:MOST_ROWS]]
        if keys:
            self.move_cursor(row=keys.index(key) if key in keys else min(at, len(keys) - 1))

    @property
    def key_under_cursor(self) -> str | None:
        """The key of the row under the cursor; None in an empty table."""
        if not self.row_count:
            return None
        return self.coordinate_to_cell_key((min(self.cursor_row, self.row_count - 1), 0)).row_key.value
