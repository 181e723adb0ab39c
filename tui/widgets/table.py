"""A table with the keys of this UI (arrows and hjkl, g and G) that shows a window of what there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.binding import Binding
from textual.cache import LRUCache
from textual.coordinate import Coordinate
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widgets import DataTable
from textual.widgets.data_table import ColumnKey, RowKey

MOST_ROWS = 2_000  # the widget paints a window, never the catalog: 10,000 rows take it over a second


class Table(DataTable[Text]):
    """A table of text, never of markup, with a row cursor.

    Where there is more than it shows, ``more_above`` and ``more_below`` say so, and a move past an end posts
    `Beyond` instead: the owner then fills the table with the next window.
    """

    BINDINGS: ClassVar = [
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("h", "scroll_left", "Left", show=False),
        Binding("l", "scroll_right", "Right", show=False),
        Binding("g,home", "scroll_top", "First row", show=False),
        Binding("G,end", "scroll_bottom", "Last row", show=False),
    ]

    class Beyond(Message):
        """The cursor wants to go past what is shown: ``step`` -1 or 1 row, or to the "first" or "last" of all."""

        def __init__(self, table: Table, step: int | str) -> None:
            super().__init__()
            self.table, self.step = table, step

        @property
        def control(self) -> Table:
            """The table."""
            return self.table

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        self._still_lines: LRUCache[tuple[object, ...], Strip] = LRUCache(1000)
        self._style_now: Style | None = None
        self._changes: Counter[str] = Counter()  # how often cells of a row were changed in place
        super().__init__(cursor_type="row", zebra_stripes=False, cell_padding=0, id=id, classes=classes)
        self.more_above = self.more_below = False

    # --- drawing: Textual's own table draws every line anew at each move of the cursor and with each row that is
    # added, and at 31 lines that takes longer than a key may. What neither touches stays as it is, and cells
    # are not measured, since widths are given; benchmarks/tui.py measures both.

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw lines; the style under all of them is worked out once."""
        self._style_now = super().rich_style
        try:
            return super().render_lines(crop)
        finally:
            self._style_now = None

    @property
    def rich_style(self) -> Style:
        """The style under the text."""
        return self._style_now or super().rich_style

    def _render_line(self, y: int, x1: int, x2: int, base_style: Style) -> Strip:
        row = y - self.header_height
        here = (self.cursor_coordinate.row, self.hover_coordinate.row)
        if row < 0 or row in here or not self.is_valid_row_index(row):
            return super()._render_line(y, x1, x2, base_style)
        changes = self._changes[self.key_of(row)] if self._changes else 0
        key = (y, x1, x2, self.size.width, base_style, changes, self._pseudo_class_state)
        if (line := self._still_lines.get(key)) is None:
            line = self._still_lines[key] = super()._render_line(y, x1, x2, base_style)
        return line

    def _update_dimensions(self, new_rows: Iterable[RowKey]) -> None:
        super()._update_dimensions(())  # rows of one line in columns of a given width: nothing to measure

    def _clear_caches(self) -> None:
        super()._clear_caches()
        self._still_lines.clear()

    def notify_style_update(self) -> None:
        """Other colours: every line is drawn anew."""
        self._still_lines.clear()
        super().notify_style_update()

    # --- filling ----------------------------------------------------------------------------------------

    def set_columns(self, columns: Sequence[tuple[str, str, int]]) -> None:
        """Put columns (key, head, width in cells) in the place of those there are; the rows go.

        A head may be the mark of the sort order, so keys tell columns apart. One cell of room is kept
        between two columns.
        """
        self.clear(columns=True)
        for key, head, width in columns:
            self.add_column(Text(head, no_wrap=True), key=key, width=width + 1)

    def fill(self, rows: Sequence[tuple[str, Sequence[Text | str]]], cursor: str | None = None) -> None:
        """Put rows (key, cells) in the place of those shown; the cursor stays on its row if that is there.

        Args:
            cursor: the key of the row on which to put the cursor instead.
        """
        key = cursor or self.key_under_cursor
        at, top = self.cursor_row, self.scroll_offset.y
        rows = rows[:MOST_ROWS]
        with self.app.batch_update():
            self.clear()
            self._changes.clear()
            self.extend(rows)
            keys = [name for name, _ in rows]
            if not keys:
                return
            row = keys.index(key) if key in keys else min(at, len(keys) - 1)
            # The row keeps its place on the screen, wherever the window moved to.
            self.scroll_to(y=max(0, row - (at - top)), animate=False, force=True)
            self.move_cursor(row=row, animate=False)

    def extend(self, rows: Iterable[tuple[str, Sequence[Text | str]]]) -> None:
        """Put rows (key, cells) under those shown."""
        for name, cells in rows:
            self.add_row(*(c if isinstance(c, Text) else Text(c) for c in cells), key=name)

    def update_cell(
        self, row_key: RowKey | str, column_key: ColumnKey | str, value: Text, *, update_width: bool = False
    ) -> None:
        """Put another text into a cell; its line is drawn anew."""
        self._changes[str(row_key.value if isinstance(row_key, RowKey) else row_key)] += 1
        super().update_cell(row_key, column_key, value, update_width=update_width)

    def key_of(self, row: int) -> str:
        """The key of a row, counted from 0 in what is shown."""
        return str(self.coordinate_to_cell_key(Coordinate(row, 0)).row_key.value)

    @property
    def key_under_cursor(self) -> str | None:
        """The key of the row under the cursor; None in an empty table."""
        if not self.row_count:
            return None
        return self.key_of(min(self.cursor_row, self.row_count - 1))

    def action_cursor_down(self) -> None:
        """One row down, into the next window if need be."""
        if self.more_below and self.cursor_row >= self.row_count - 1:
            self.post_message(self.Beyond(self, 1))
        else:
            super().action_cursor_down()

    def action_cursor_up(self) -> None:
        """One row up, into the window before if need be."""
        if self.more_above and self.cursor_row == 0:
            self.post_message(self.Beyond(self, -1))
        else:
            super().action_cursor_up()

    def action_page_down(self) -> None:
        """One screen down."""
        if self.more_below and self.cursor_row >= self.row_count - 1:
            self.post_message(self.Beyond(self, 1))
        else:
            super().action_page_down()

    def action_page_up(self) -> None:
        """One screen up."""
        if self.more_above and self.cursor_row == 0:
            self.post_message(self.Beyond(self, -1))
        else:
            super().action_page_up()

    def action_scroll_top(self) -> None:
        """The first row of all."""
        if self.more_above:
            self.post_message(self.Beyond(self, "first"))
        else:
            self.move_cursor(row=0, animate=False)

    def action_scroll_bottom(self) -> None:
        """The last row of all."""
        if self.more_below:
            self.post_message(self.Beyond(self, "last"))
        else:
            self.move_cursor(row=self.row_count - 1, animate=False)
