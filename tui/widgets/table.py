"""A table of text with a row cursor that shows a window of what there is, drawn line by line.

Textual's own `DataTable` draws every line anew at each move of the cursor and measures every cell: at 31 lines that
takes longer than a key may (tests/benchmarks/tui.py measures it). Here widths are given, and a line that is drawn is
kept until its row changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.reactive import var
from textual.scroll_view import ScrollView
from textual.strip import Strip

HEAD = 1  # lines of the head

Row = tuple[str, Sequence[Text | str]]
"""A row: its key, and its cells."""


@dataclass(frozen=True)
class Column:
    """A column: its key, its head, and its width in cells."""

    key: str
    head: str
    width: int


class Table(ScrollView, can_focus=True):
    """A table of text, never of markup.

    Where there is more than it shows, ``more_above`` and ``more_below`` say so, and a move past an end posts
    `Beyond`: the owner then fills the table with the next window.
    """

    ALLOW_SELECT = False
    BINDINGS: ClassVar = [
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("left,h", "scroll_left", "Left", show=False),
        Binding("right,l", "scroll_right", "Right", show=False),
        Binding("pagedown", "move_page(1)", "Page down", show=False),
        Binding("pageup", "move_page(-1)", "Page up", show=False),
        Binding("g,home,ctrl+home", "first", "First row", show=False),
        Binding("G,end,ctrl+end", "last", "Last row", show=False),
        Binding("enter", "select", "Open", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"table--header", "table--cursor", "table--hover"}
    DEFAULT_CSS = """
    Table {
        background: $surface; color: $foreground; height: auto; max-height: 100%;
        &:focus { background-tint: $foreground 5%; }
        & > .table--header { text-style: bold; background: $panel; color: $foreground; }
        &:ansi > .table--header { background: ansi_bright_blue; color: ansi_default; }
        & > .table--cursor { background: $primary-muted; color: $text-primary; }
        &:focus > .table--cursor { text-style: $block-cursor-text-style; }
        & > .table--hover { background: $block-hover-background; }
    }
    """

    cursor_row: var[int] = var(0, init=False)
    hover_row: var[int] = var(-1, init=False)

    class Event(Message):
        """Something that happened in a table."""

        def __init__(self, table: Table) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> Table:
            """The table."""
            return self.table

    class KeyEvent(Event):
        """Something that happened to the row (or the column) of a key."""

        def __init__(self, table: Table, key: str) -> None:
            super().__init__(table)
            self.key = key

    class RowHighlighted(KeyEvent):
        """The cursor moved to a row, or the rows were replaced."""

    class RowSelected(KeyEvent):
        """Enter was pressed on a row, or it was clicked."""

    class HeaderSelected(KeyEvent):
        """The head of a column was clicked."""

    class Beyond(Event):
        """The cursor leaves what is shown: ``step`` -1 or 1 row, or to the "first" or "last" of all."""

        def __init__(self, table: Table, step: int | str) -> None:
            super().__init__(table)
            self.step = step

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        self.more_above = self.more_below = False
        self.columns: tuple[Column, ...] = ()
        self._keys: list[str] = []
        self._cells: dict[str, list[Text]] = {}
        self._strips: dict[tuple[str, str], Strip] = {}  # drawn lines, by key and component class
        super().__init__(id=id, classes=classes)

    # --- what it holds ---------------------------------------------------------------------------------

    @property
    def row_count(self) -> int:
        """How many rows are shown."""
        return len(self._keys)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all rows."""
        return tuple(self._keys)

    @property
    def key_under_cursor(self) -> str | None:
        """The key of the row under the cursor; None in an empty table."""
        return self._keys[min(self.cursor_row, len(self._keys) - 1)] if self._keys else None

    @property
    def content_width(self) -> int:
        """Cells of a line, without borders and the scrollbar."""
        return self.scrollable_content_region.width

    def row_text(self, key: str) -> str:
        """Return the words of a row; empty where there is no such row."""
        return " ".join(cell.plain.strip() for cell in self._cells.get(key, ()))

    def set_columns(self, columns: Iterable[tuple[str, str, int]]) -> None:
        """Replace the columns (key, head, width in cells); the rows go. One cell is kept free after each."""
        self.columns = tuple(Column(*column) for column in columns)
        self._keys, self._cells = [], {}
        self._changed()

    def fill(self, rows: Iterable[Row], cursor: str | None = None) -> None:
        """Replace the rows; the cursor stays on its row, if that is still there, at its place on the screen.

        Args:
            cursor: the key of the row on which to put the cursor instead.
        """
        key, place = cursor or self.key_under_cursor, self.cursor_row - self.scroll_offset.y
        self._keys, self._cells = [], {}
        self._add(rows)
        if self._keys:
            row = self._keys.index(key) if key in self._cells else min(self.cursor_row, len(self._keys) - 1)
            self.scroll_to(y=max(0, row - place), animate=False, force=True)
            self.set_reactive(Table.cursor_row, row)
            self._show_cursor()
            self.post_message(self.RowHighlighted(self, self._keys[row]))

    def extend(self, rows: Iterable[Row]) -> None:
        """Append rows."""
        self._add(rows, keep=True)

    def update_cell(self, row_key: str, column_key: str, value: Text) -> None:
        """Replace the text of a cell."""
        at = next(i for i, column in enumerate(self.columns) if column.key == column_key)
        self._cells[row_key][at] = value
        self._forget(row_key)
        self.refresh_line(HEAD + self._keys.index(row_key))

    def _add(self, rows: Iterable[Row], keep: bool = False) -> None:
        for key, cells in rows:
            self._keys.append(key)
            self._cells[key] = [cell if isinstance(cell, Text) else Text(cell) for cell in cells]
        self._changed(keep)

    def _changed(self, keep: bool = False) -> None:
        if not keep:
            self._strips.clear()
        width = sum(column.width + 1 for column in self.columns)
        self.virtual_size = Size(width, HEAD + len(self._keys))
        self.refresh(layout=self.styles.auto_dimensions)

    def _forget(self, key: str) -> None:
        for name in ("", *self.COMPONENT_CLASSES):
            self._strips.pop((key, name), None)

    # --- the cursor ------------------------------------------------------------------------------------

    def move_cursor(self, row: int) -> None:
        """Put the cursor on a row, counted from 0 in what is shown."""
        self.cursor_row = row
        self._show_cursor()

    def validate_cursor_row(self, row: int) -> int:
        """Keep the cursor within the rows."""
        return max(0, min(row, len(self._keys) - 1))

    def watch_cursor_row(self, before: int, row: int) -> None:
        """Draw both rows, and tell the owner."""
        self.refresh_line(HEAD + before)
        self.refresh_line(HEAD + row)
        if self._keys:
            self.post_message(self.RowHighlighted(self, self._keys[row]))

    def watch_hover_row(self, before: int, row: int) -> None:
        """Draw both rows."""
        self.refresh_line(HEAD + before)
        self.refresh_line(HEAD + row)

    def _show_cursor(self) -> None:
        top, lines = self.scroll_offset.y, self._lines
        if self.cursor_row < top:
            self.scroll_to(y=self.cursor_row, animate=False, force=True)
        elif self.cursor_row >= top + lines:
            self.scroll_to(y=self.cursor_row - lines + 1, animate=False, force=True)

    @property
    def _lines(self) -> int:
        """Rows that fit."""
        return max(1, self.scrollable_content_region.height - HEAD)

    def action_move(self, step: int) -> None:
        """Move by a row, into the next window if need be."""
        if not self._leaves(step):
            self.move_cursor(self.cursor_row + step)

    def action_move_page(self, direction: int) -> None:
        """Move by a screen."""
        if not self._leaves(direction):
            self.move_cursor(self.cursor_row + direction * self._lines)

    def _leaves(self, step: int) -> bool:
        at_end = self.cursor_row >= self.row_count - 1 if step > 0 else self.cursor_row == 0
        if leaves := at_end and (self.more_below if step > 0 else self.more_above):
            self.post_message(self.Beyond(self, step))
        return leaves

    def action_first(self) -> None:
        """Move to the first row of all."""
        if self.more_above:
            self.post_message(self.Beyond(self, "first"))
        else:
            self.move_cursor(0)

    def action_last(self) -> None:
        """Move to the last row of all."""
        if self.more_below:
            self.post_message(self.Beyond(self, "last"))
        else:
            self.move_cursor(self.row_count - 1)

    def action_select(self) -> None:
        """Open the row under the cursor."""
        if (key := self.key_under_cursor) is not None:
            self.post_message(self.RowSelected(self, key))

    # --- the mouse -------------------------------------------------------------------------------------

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Mark the row under the pointer."""
        self.hover_row = self._row_at(event)

    def on_leave(self) -> None:
        """The pointer left."""
        self.hover_row = -1

    def on_click(self, event: events.Click) -> None:
        """Open a row, or sort by a column."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y < HEAD:
            right = 0
            for column in self.columns:
                right += column.width + 1
                if offset.x + self.scroll_offset.x < right:
                    self.post_message(self.HeaderSelected(self, column.key))
                    return
        elif (row := self._row_at(event)) >= 0:
            self.move_cursor(row)
            self.action_select()

    def _row_at(self, event: events.MouseEvent) -> int:
        offset = event.get_content_offset(self)
        row = -1 if offset is None or offset.y < HEAD else offset.y - HEAD + self.scroll_offset.y
        return row if row < self.row_count else -1

    # --- drawing ---------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self._strips.clear()
        self._show_cursor()

    def notify_style_update(self) -> None:
        """Draw every line anew: colours have changed."""
        self._strips.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """Draw a line of the screen: the head, or a row."""
        left, top = self.scroll_offset
        width = self.content_width
        row = y - HEAD + top
        key, component = "", ""  # below the last row
        if y < HEAD:
            component = "table--header"
        elif row < len(self._keys):
            key = self._keys[row]
            marks = {self.hover_row: "table--hover", self.cursor_row: "table--cursor"}
            component = marks.get(row, "")
        strip = self._strips.get((key, component))
        if strip is None or strip.cell_length < width:
            strip = self._strips[key, component] = self._draw(key, component, width)
        return strip.crop(left, left + width)

    def _style(self, component: str) -> Style:
        return self.rich_style + self.get_component_rich_style(component) if component else self.rich_style

    def _draw(self, key: str, component: str, width: int) -> Strip:
        style, segments = self._style(component), []
        heads = [Text(column.head) for column in self.columns] if component else []
        for column, cell in zip(self.columns, self._cells[key] if key else heads, strict=False):
            own = Style.parse(cell.style) if isinstance(cell.style, str) else cell.style
            segments.append(Segment(set_cell_size(cell.plain, column.width) + " ", style + own))
        return Strip(segments).adjust_cell_length(max(width, self.virtual_size.width), style)
