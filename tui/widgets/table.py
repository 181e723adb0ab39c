"""A table of text with a row cursor, drawn line by line as it is looked at.

Textual's own `DataTable` draws every line anew at each move of the cursor and measures every cell: at 31 lines that
takes longer than a key may (tests/benchmarks/tui.py measures it). Here widths are given, a row's cells are made when
it comes into sight, and a line that is drawn is kept until its row changes. Of a long table, rows may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Generic, TypeVar

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

from sam_hub.tui.symbols import Symbols, cut

HEAD = 1  # lines of the head
LEAST = 40  # cells that the columns share at least
R = TypeVar("R")


@dataclass(frozen=True)
class Column(Generic[R]):
    """A column. One cell is kept free after each.

    Args:
        cell: what it says of a row.
        width: in terminal cells; 0: its ``share`` of the room that is left, ``least`` at least.
        keep_end: cut the beginning of what is too long.
    """

    key: str
    head: str
    cell: Callable[[R], str | Text]
    width: int = 0
    share: int = 1
    least: int = 6
    keep_end: bool = False
    right: bool = False


def fit(columns: Sequence[Column[R]], width: int) -> tuple[Column[R], ...]:
    """Give every column a width, so that all fill ``width`` cells."""
    room = width - sum(column.width + 1 for column in columns)
    shares = sum(column.share for column in columns if not column.width)
    fitted = []
    for column in columns:
        if not column.width:
            cells = room * column.share // shares
            room, shares = room - cells, shares - column.share
            column = replace(column, width=max(column.least, cells))
        fitted.append(column)
    return tuple(fitted)


class Table(Generic[R], ScrollView, can_focus=True):
    """A table of text, never of markup.

    Args:
        key: what tells a row from the others.
        columns: the columns that a width has room for.
        style: the style of a row.
    """

    ALLOW_SELECT = False
    BINDINGS: ClassVar = [
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("left,h", "scroll_left", "Left", show=False),
        Binding("right,l", "scroll_right", "Right", show=False),
        Binding("pagedown", "move_page(1)", "Page down", show=False),
        Binding("pageup", "move_page(-1)", "Page up", show=False),
        Binding("g,home,ctrl+home", "go(0)", "First row", show=False),
        Binding("G,end,ctrl+end", "go(-1)", "Last row", show=False),
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

    @dataclass
    class RowHighlighted(Message):
        """The cursor moved to a row, or the rows were replaced."""

        table: Table

    @dataclass
    class RowSelected(Message):
        """Enter was pressed on a row, or it was clicked."""

        table: Table

    @dataclass
    class HeaderSelected(Message):
        """The head of a column was clicked."""

        key: str

    def __init__(
        self,
        symbols: Symbols,
        key: Callable[[R], str],
        columns: Callable[[int], Sequence[Column[R]]],
        *,
        id: str,
        style: Callable[[R], str] = lambda row: "",
    ) -> None:
        self.symbols, self.columns = symbols, ()
        self._key, self._columns_for, self._row_style = key, columns, style
        self._rows: list[R | None] = []
        self._places: dict[str, int] = {}
        self._strips: dict[tuple[int, str], Strip] = {}  # drawn lines, by row (-1: the head) and component class
        super().__init__(id=id, classes="pane")

    # --- what it holds ---------------------------------------------------------------------------------

    columns: tuple[Column[R], ...]

    @property
    def row_count(self) -> int:
        """How many rows there are, missing ones included."""
        return len(self._rows)

    @property
    def rows(self) -> list[R]:
        """The rows that are there."""
        return [row for place in self._places.values() if (row := self._rows[place]) is not None]

    @property
    def keys(self) -> list[str]:
        """The keys of the rows that are there."""
        return list(self._places)

    def row_at(self, place: int) -> R | None:
        """Return the row at a place; None where it is missing, or there is none."""
        return self._rows[place] if 0 <= place < len(self._rows) else None

    @property
    def row(self) -> R | None:
        """The row under the cursor."""
        return self.row_at(self.cursor_row)

    @property
    def key_under_cursor(self) -> str | None:
        """The key of the row under the cursor."""
        return None if self.row is None else self._key(self.row)

    @property
    def content_width(self) -> int:
        """Cells of a line, without borders and the scrollbar."""
        return self.scrollable_content_region.width

    def row_text(self, key: str) -> str:
        """Return the words of a row; empty where there is no such row."""
        row = self.row_at(self._places.get(key, -1))
        return "" if row is None else " ".join(str(column.cell(row)).strip() for column in self.columns)

    def fill(self, rows: Sequence[R], cursor: str | None = None, *, offset: int = 0, total: int | None = None) -> None:
        """Replace the rows; the cursor stays on its row, if that is still there, at its place on the screen.

        Args:
            cursor: the key of the row on which to put the cursor instead.
            offset: the place of the first of these rows, among ``total``; the others are missing.
        """
        key, line = cursor or self.key_under_cursor, self.cursor_row - self.scroll_offset.y
        self._rows, self._places = [None] * (len(rows) if total is None else total), {}
        self._put(rows, offset)
        self.redraw()
        row = self.validate_cursor_row(self._places.get(key or "", self.cursor_row))
        self.set_reactive(Table.cursor_row, row)
        if self._rows:
            self.scroll_to(y=max(0, row - line), animate=False, force=True)
            self._show_cursor()
            self.post_message(self.RowHighlighted(self))

    def add(self, rows: Sequence[R], offset: int) -> None:
        """Put missing rows in their places."""
        self._put(rows, offset)
        self.redraw()
        if offset <= self.cursor_row < offset + len(rows):
            self.post_message(self.RowHighlighted(self))

    def _put(self, rows: Sequence[R], offset: int) -> None:
        self._rows[offset : offset + len(rows)] = rows
        self._places |= {self._key(row): place for place, row in enumerate(rows, offset)}

    def redraw(self, *keys: str) -> None:
        """Draw anew the rows of these keys, or all."""
        for key in keys:
            if (place := self._places.get(key)) is not None:
                for component in ("", *self.COMPONENT_CLASSES):
                    self._strips.pop((place, component), None)
                self.refresh_line(HEAD + place)
        if not keys:
            self._strips.clear()
            self.columns = fit(self._columns_for(width := max(LEAST, self.content_width)), width)
            self.virtual_size = Size(sum(column.width + 1 for column in self.columns), HEAD + len(self._rows))
            self.refresh(layout=self.styles.auto_dimensions)

    # --- the cursor ------------------------------------------------------------------------------------

    def move_cursor(self, row: int) -> None:
        """Put the cursor on a row."""
        self.cursor_row = row
        self._show_cursor()

    def validate_cursor_row(self, row: int) -> int:
        """Keep the cursor within the rows."""
        return max(0, min(row, len(self._rows) - 1))

    def watch_cursor_row(self, before: int, row: int) -> None:
        """Draw both rows, and tell the owner."""
        self.watch_hover_row(before, row)
        if self._rows:
            self.post_message(self.RowHighlighted(self))

    def watch_hover_row(self, before: int, row: int) -> None:
        """Draw both rows."""
        self.refresh_line(HEAD + before)
        self.refresh_line(HEAD + row)

    def _show_cursor(self) -> None:
        top, lines = self.scroll_offset.y, self._lines
        if not top <= self.cursor_row < top + lines:
            above = self.cursor_row < top
            self.scroll_to(y=self.cursor_row - (0 if above else lines - 1), animate=False, force=True)

    @property
    def _lines(self) -> int:
        """Rows that fit."""
        return max(1, self.scrollable_content_region.height - HEAD)

    def action_move(self, step: int) -> None:
        self.move_cursor(self.cursor_row + step)

    def action_move_page(self, direction: int) -> None:
        self.move_cursor(self.cursor_row + direction * self._lines)

    def action_go(self, row: int) -> None:
        self.move_cursor(row % max(1, self.row_count))

    def action_select(self) -> None:
        if self.row is not None:
            self.post_message(self.RowSelected(self))

    # --- the mouse -------------------------------------------------------------------------------------

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Mark the row under the pointer."""
        self.hover_row = self._row_under(event)

    def on_leave(self) -> None:
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
                    self.post_message(self.HeaderSelected(column.key))
                    return
        elif (row := self._row_under(event)) >= 0:
            self.move_cursor(row)
            self.action_select()

    def _row_under(self, event: events.MouseEvent) -> int:
        offset = event.get_content_offset(self)
        row = -1 if offset is None or offset.y < HEAD else offset.y - HEAD + self.scroll_offset.y
        return row if row < self.row_count else -1

    # --- drawing ---------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Fit the columns to the width, and keep the cursor in sight."""
        self.redraw()
        self._show_cursor()

    def notify_style_update(self) -> None:
        """Draw every line anew: colours have changed."""
        self._strips.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """Draw a line of the screen: the head, or a row."""
        left, top = self.scroll_offset
        width, place = self.content_width, y - HEAD + top
        if y < HEAD:
            place, component = -1, "table--header"
        else:
            component = {self.hover_row: "table--hover", self.cursor_row: "table--cursor"}.get(place, "")
        strip = self._strips.get((place, component))
        if strip is None or strip.cell_length < width:
            strip = self._strips[place, component] = self._draw(place, component, width)
        return strip.crop(left, left + width)

    def _draw(self, place: int, component: str, width: int) -> Strip:
        style, row, cells = self.rich_style, self.row_at(place), []
        if component:
            style += self.get_component_rich_style(component)
        if place < 0:
            cells = [Text(column.head) for column in self.columns]
        elif row is not None:
            style += Style.parse(self._row_style(row))
            cells = [self._cell(column, row) for column in self.columns]
        segments = []
        for column, cell in zip(self.columns, cells, strict=False):
            own = Style.parse(cell.style) if isinstance(cell.style, str) else cell.style
            segments.append(Segment(set_cell_size(cell.plain, column.width) + " ", style + own))
        return Strip(segments).adjust_cell_length(max(width, self.virtual_size.width), style)

    def _cell(self, column: Column[R], row: R) -> Text:
        """Return the words of a cell, in the column's width."""
        cell = column.cell(row)
        words = cut(str(cell), column.width, self.symbols, column.keep_end)
        return Text(words.rjust(column.width) if column.right else words, cell.style if isinstance(cell, Text) else "")
