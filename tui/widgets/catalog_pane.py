"""The catalog's experts as a table: filtered, sorted and paged in SQL, a window of them on the screen."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input

from sam_hub.catalog.queries import ExpertQuery, ExpertRow, Page, browse_experts, position_of
from sam_hub.tui.messages import CheckToggled, background, guarded
from sam_hub.tui.state import AppState
from sam_hub.tui.symbols import Symbols, cut, megabytes, number
from sam_hub.tui.widgets.table import Table

# Rows in a new window, and how many of them lie above the cursor that left the last one.
WINDOW, SHIFT = 120, 60
AHEAD, MORE, MOST = 40, 40, 600  # so near to its end a window grows by so many rows, up to a size
TYPING = 0.12  # seconds without a key until a filter is tried
SORTS = ("repo", "domain", "base_repo", "size_bytes", "added_at", "similarity", "sampling")
SORT_WORDS = {"sampling": "probe", "base_repo": "base", "size_bytes": "size", "added_at": "date", "repo": "name"}
WIDE, FREE = 66, 16  # inner cells from which domain and size have room; the least for a name
COLUMN_OF = {"repo": "repo", "domain": "domain", "size_bytes": "size", "similarity": "sim", "sampling": "probe"}


def columns(width: int, symbols: Symbols, query: ExpertQuery) -> list[tuple[str, str, int]]:
    """The columns (key, head, width) that fit into ``width`` cells; the head of the sorted one has an arrow."""
    fixed = [("sim", 4), ("probe", 6 + len(symbols.plus_minus)), ("state", 8 if symbols.done == "✓" else 10)]
    if width >= WIDE:
        fixed = [("domain", 10), *fixed[:2], ("size", 8), fixed[2]]
    room = width - 4 - sum(w + 1 for _, w in fixed)
    name = max(FREE, room * 3 // 5 - 1)
    sizes = {"mark": 3, "repo": name, **dict(fixed[:1] if width >= WIDE else []), "types": max(6, room - name - 2)}
    sizes |= dict(fixed)
    heads = {"mark": "", "repo": "name", "types": "types"}
    arrow = symbols.down if query.descending else symbols.up
    sorted_by = COLUMN_OF.get(query.sort)
    return [(k, heads.get(k, k) + (f" {arrow}" if k == sorted_by else ""), w) for k, w in sizes.items()]


def score_cell(row: ExpertRow, symbols: Symbols) -> str:
    """A sampling score with half the width of its interval: ``.41±.06``."""
    if row.sampling is None or row.sampling_low is None or row.sampling_high is None:
        return number(row.sampling, symbols)
    half = (row.sampling_high - row.sampling_low) / 2
    return f"{number(row.sampling, symbols)}{symbols.plus_minus}{number(half, symbols)}"


class CatalogPane(Vertical):
    """A filter and the table under it. It loads itself; what it shows is a `Page`."""

    DEFAULT_CSS = """
    CatalogPane { height: 1fr; }
    """

    class Loaded(Message):
        """Rows were read and are in the table."""

        def __init__(self, page: Page) -> None:
            super().__init__()
            self.page = page

    class RowChanged(Message):
        """The cursor stands on another expert (None: there is none)."""

        def __init__(self, row: ExpertRow | None) -> None:
            super().__init__()
            self.row = row

    def __init__(self, state: AppState) -> None:
        super().__init__(id="catalog")
        self._state, self._symbols = state, state.symbols
        self.table = Table(id="experts-table", classes="pane")
        self.query_now = ExpertQuery()
        self.page = Page((), 0, 0, 0)
        self.pulling: Mapping[str, float] = {}
        self._width = 0
        self._shown: list[tuple[str, str, int]] = []  # the columns
        self._timer: Timer | None = None
        self._growing = False

    def compose(self) -> ComposeResult:
        field = Input(placeholder="words in name, domain or types; Esc leaves", id="filter", compact=True)
        field.display = False
        yield field
        self.table.border_title = "Experts"
        yield self.table

    @property
    def row(self) -> ExpertRow | None:
        """The expert under the cursor."""
        key = self.table.key_under_cursor
        return next((row for row in self.page.rows if str(row.id) == key), None)

    # --- loading ---------------------------------------------------------------------------------------

    async def load(self, offset: int, cursor: int | None = None) -> None:
        """Read the window at ``offset``, and put the cursor on an expert's id."""
        target = self._state.target
        self.query_now = replace(self.query_now, target_id=target.id if target else None)
        page = await self._read(offset)
        if not page.rows and page.total:  # what was shown is gone from the end
            page = await self._read(max(0, page.total - WINDOW))
        self.page = page
        self.draw(None if cursor is None else str(cursor))
        self.post_message(self.Loaded(page))

    async def _read(self, offset: int, limit: int = WINDOW) -> Page:
        source = self._state.source
        return await source.read(browse_experts, source.path, self.query_now, limit=limit, offset=offset)

    @background(exclusive=False)
    async def _grow(self) -> None:
        """Put the next rows under the window before the cursor comes to its end."""
        page, self._growing = self.page, True
        try:
            more = await self._read(page.offset + len(page.rows), MORE)
        finally:
            self._growing = False
        if self.page is not page:  # another window was loaded meanwhile
            return
        here = {row.id for row in page.rows}  # an expert that was added meanwhile moves those below it
        new = tuple(row for row in more.rows if row.id not in here)
        self.page = replace(page, rows=page.rows + new)
        self.table.extend((str(row.id), self._cells(row, self._shown)) for row in new)
        self.table.more_below = bool(new) and page.offset + len(self.page.rows) < page.total

    async def seek(self, expert_id: int) -> None:
        """Load the window that holds an expert, with the cursor on it."""
        place = await self._state.source.read(position_of, self._state.source.path, self.query_now, expert_id)
        await self.load(0 if place is None else max(0, place - SHIFT), expert_id)

    def again(self, keep: bool = False) -> None:
        """Load anew from the first row, or with the cursor kept on its expert wherever that is now."""
        row = self.row if keep else None
        self._run(self.seek(row.id) if row else self.load(0))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Load in a worker; what is loaded later takes the place of what is still read."""
        self.run_worker(guarded(self, work), exclusive=True, group="catalog")

    def draw(self, cursor: str | None = None) -> None:
        """Put the page into the table."""
        table, page = self.table, self.page
        shown = self._shown = columns(self._inner_width(), self._symbols, self.query_now)
        if [column.head for column in table.columns] != [head for _, head, _ in shown] or (
            self._width != table.size.width
        ):
            cursor = cursor or table.key_under_cursor
            table.set_columns(shown)
            self._width = table.size.width
        table.more_above = page.offset > 0
        table.more_below = page.offset + len(page.rows) < page.total
        table.fill([(str(row.id), self._cells(row, shown)) for row in page.rows], cursor)
        self._title()
        self.post_message(self.RowChanged(self.row))

    def _inner_width(self) -> int:
        return max(50, self.table.scrollable_content_region.width)

    def _cells(self, row: ExpertRow, shown: list[tuple[str, str, int]]) -> list[Text]:
        symbols = self._symbols
        texts = {
            "domain": row.domain or symbols.nothing,
            "types": " ".join(row.labels) or symbols.nothing,
            "sim": number(row.similarity, symbols),
            "probe": score_cell(row, symbols),
            "size": megabytes(row.size_bytes),
        }
        cells = []
        for key, _, width in shown:
            if key in ("mark", "state"):
                cells.append(self._mark(row) if key == "mark" else self._state_of(row))
            else:
                text = row.repo if key == "repo" else texts[key]
                cells.append(Text(cut(text, width, symbols, keep_end=key == "repo")))
        return cells

    def _mark(self, row: ExpertRow) -> Text:
        return Text("[x]", style="bold") if row.id in self._state.checked else Text("[ ]")

    def _state_of(self, row: ExpertRow) -> Text:
        """On disk, being fetched, of another base than those that are selected, or only listed."""
        symbols = self._symbols
        if row.repo in self.pulling:
            return Text(f"{symbols.fetch} {self.pulling[row.repo]:.0%}", style="bold")
        if self._state.base_of_checked not in (None, row.base_sha256):
            return Text(f"{symbols.warning} base", style="bold")
        return Text(f"{symbols.done} local" if row.on_disk else f"{symbols.nothing} on Hub")

    def _title(self) -> None:
        page, query, dot = self.page, self.query_now, self._symbols.dot
        parts = [f"Experts {page.total:,} of {page.catalog_total:,}" if query.text else f"Experts {page.total:,}"]
        if query.text:
            parts.append(f"filter: {cut(query.text, 20, self._symbols)}")
        parts.append(f"by {SORT_WORDS.get(query.sort, query.sort)}{' (down)' if query.descending else ''}")
        if self._state.checked:
            parts.append(f"{len(self._state.checked)} selected")
        self.table.border_title = Text(f" {dot} ".join(parts))  # a Text, so that brackets stay brackets

    # --- what a person does ----------------------------------------------------------------------------

    def toggle(self) -> None:
        """Select or unselect the expert under the cursor."""
        if row := self.row:
            self.post_message(CheckToggled(row))

    def show_checked(self, row: ExpertRow, base_changed: bool) -> None:
        """Draw that an expert was selected or unselected; with another base, that is said of every row."""
        if str(row.id) in self.table.keys:
            self.table.update_cell(str(row.id), "mark", self._mark(row))
        if base_changed:
            for other in self.page.rows:
                self.table.update_cell(str(other.id), "state", self._state_of(other))
        self._title()
        self.post_message(self.RowChanged(self.row))

    def sort_by(self, sort: str, descending: bool | None = None) -> None:
        """Sort; numbers come with the largest first unless said otherwise."""
        largest_first = sort in ("size_bytes", "added_at", "similarity", "sampling")
        way = largest_first if descending is None else descending
        self.query_now = replace(self.query_now, sort=sort, descending=way)
        self.again(keep=True)

    def reverse(self) -> None:
        """Turn the order around."""
        self.sort_by(self.query_now.sort, not self.query_now.descending)

    def next_sort(self) -> None:
        """Sort by the next column; by scores only where there is a target to have them for."""
        sorts = SORTS if self._state.target else SORTS[:-2]
        at = sorts.index(self.query_now.sort) if self.query_now.sort in sorts else -1
        self.sort_by(sorts[(at + 1) % len(sorts)])

    def filter(self) -> None:
        """Show the filter and type into it."""
        field = self.query_one("#filter", Input)
        field.display = True
        self.screen.set_focus(field)  # at once: what is typed after the key shall not go astray

    def leave_filter(self) -> bool:
        """Back to the table; once there, forget the filter. False where there was nothing to leave."""
        field = self.query_one("#filter", Input)
        if field.has_focus:
            self.table.focus()
        elif field.value or self.query_now.text:
            field.value = ""
        else:
            return False
        field.display = bool(field.value)
        return True

    @on(Input.Changed, "#filter")
    def _typed(self, event: Input.Changed) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(TYPING, lambda: self._apply(event.value))

    def _apply(self, text: str) -> None:
        if text.strip() != self.query_now.text:
            self.query_now = replace(self.query_now, text=text.strip())
            self.again()

    @on(Input.Submitted, "#filter")
    def _entered(self) -> None:
        self.table.focus()

    @on(Table.Beyond)
    def _beyond(self, event: Table.Beyond) -> None:
        event.stop()
        self._run(self._move(event.step))

    async def _move(self, step: int | str) -> None:
        page = self.page
        if isinstance(step, str):
            offset = 0 if step == "first" else max(0, page.total - WINDOW)
            await self.load(offset)
            self.table.move_cursor(0 if step == "first" else self.table.row_count - 1)
            return
        if (here := self.row) is not None:
            await self.load(max(0, page.offset + self.table.cursor_row - SHIFT), here.id)
            self.table.move_cursor(self.table.cursor_row + step)

    @on(Table.RowHighlighted)
    def _row_highlighted(self, event: Table.RowHighlighted) -> None:
        event.stop()
        self.post_message(self.RowChanged(self.row))
        left = self.table.row_count - self.table.cursor_row
        room = self.table.row_count + MORE <= MOST
        if self.table.more_below and left < AHEAD and room and not self._growing:
            self._grow()

    @on(Table.HeaderSelected)
    def _header(self, event: Table.HeaderSelected) -> None:
        sort = next((s for s, column in COLUMN_OF.items() if column == event.key), None)
        if sort is not None:
            same = sort == self.query_now.sort
            self.sort_by(sort, not self.query_now.descending if same else None)

    def on_resize(self) -> None:
        """The columns follow the width."""
        if self.table.size.width != self._width and self.page.rows:
            self.call_after_refresh(self.draw)

    def show_pulls(self, pulling: Mapping[str, float]) -> None:
        """Fetches of these repos have come so far (0 to 1); only changed rows are drawn."""
        before, self.pulling = self.pulling, pulling
        changed = {repo for repo in {*before, *pulling} if before.get(repo) != pulling.get(repo)}
        for row in self.page.rows:
            if row.repo in changed:
                self.table.update_cell(str(row.id), "state", self._state_of(row))
