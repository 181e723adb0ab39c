"""The catalog's experts as a table: filtered and sorted in SQL, read page by page as the table is walked through."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from humanize import naturalsize
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from sam_hub.catalog.queries import ExpertQuery, ExpertRow, Page, browse_experts, position_of
from sam_hub.tui.messages import background, guarded
from sam_hub.tui.state import AppState
from sam_hub.tui.symbols import Symbols, cut, number
from sam_hub.tui.widgets.table import Column, Table

PAGE, AHEAD = 120, 40  # rows that are read at once, and how many around the cursor are always there
MOST = 40  # pages that are kept
TYPING = 0.12  # seconds without a key until a filter is tried
SORTS = ("repo", "domain", "base_repo", "size_bytes", "added_at", "similarity", "sampling")
LARGEST_FIRST = SORTS[3:]
SORT_WORDS = {"sampling": "votes", "base_repo": "base", "size_bytes": "size", "added_at": "date", "repo": "name"}
WIDE = 66  # cells from which domain and size have room


def score_cell(row: ExpertRow, symbols: Symbols) -> str:
    """Return a sampling score with half the width of its interval: ``.41±.06``."""
    if row.sampling is None or row.sampling_low is None or row.sampling_high is None:
        return number(row.sampling, symbols)
    half = (row.sampling_high - row.sampling_low) / 2
    return f"{number(row.sampling, symbols)}{symbols.plus_minus}{number(half, symbols)}"


class CatalogPane(Vertical):
    """A filter and the table under it. It loads itself."""

    @dataclass
    class Loaded(Message):
        """Rows were read and are in the table."""

        page: Page

    class RowChanged(Message):
        """The cursor stands on another expert, or what is shown of it has changed."""

    def __init__(self, state: AppState) -> None:
        super().__init__(id="catalog")
        self._state, self._symbols = state, state.symbols
        self.table: Table[ExpertRow] = Table(self._symbols, lambda row: str(row.id), self._columns, id="experts-table")
        self.query_now = ExpertQuery()
        self._pages: set[int] = set()  # those that were asked for, by number
        self.catalog_total = 0
        self._pulling: Mapping[str, float] = {}

    def compose(self) -> ComposeResult:
        field = Input(
            placeholder="words in the name, domain, or types. Esc closes the filter", id="filter", compact=True
        )
        field.display = False
        yield field
        self.table.border_title = "Experts"
        yield self.table

    @property
    def row(self) -> ExpertRow | None:
        """The expert under the cursor."""
        return self.table.row

    def _columns(self, width: int) -> Sequence[Column[ExpertRow]]:
        """Return the columns that have room; the head of the sorted one has an arrow."""
        signs, query = self._symbols, self.query_now
        nothing, arrow = signs.nothing, signs.down if query.descending else signs.up
        state_width = 8 if signs.done == "✓" else 10
        columns: list[Column[ExpertRow]] = [
            Column("mark", "", self._mark, 3),
            Column("repo", "name", _name, share=3, least=16, keep_end=True),
            Column("domain", "domain", lambda row: row.domain or nothing, 10),
            Column("types", "types", lambda row: " ".join(row.labels) or nothing, share=2),
            Column("similarity", "sim", lambda row: number(row.similarity, signs), 4),
            Column("sampling", "votes", lambda row: score_cell(row, signs), 6 + len(signs.plus_minus)),
            Column("size_bytes", "size", lambda row: naturalsize(row.size_bytes), 8),
            Column("state", "state", self._state_of, state_width),
        ]
        shown = [column for column in columns if width >= WIDE or column.key not in ("domain", "size_bytes")]
        return [replace(c, head=f"{c.head} {arrow}") if c.key == query.sort else c for c in shown]

    def _mark(self, row: ExpertRow) -> Text:
        return Text("[x]", style="bold") if row.id in self._state.checked else Text("[ ]")

    def _state_of(self, row: ExpertRow) -> Text:
        """On disk, being fetched, of another base than those that are selected, or only listed."""
        signs = self._symbols
        if row.repo in self._pulling:
            return Text(f"{signs.fetch} {self._pulling[row.repo]:.0%}", style="bold")
        if self._state.base_of_checked not in (None, row.base_sha256):
            return Text(f"{signs.warning} base", style="bold")
        return Text(f"{signs.done} local" if row.on_disk else f"{signs.nothing} on Hub")

    async def load(self, expert_id: int | None = None) -> None:
        """Read the pages around an expert, and put the cursor on it; else the first page."""
        source, target = self._state.source, self._state.target
        query = self.query_now = replace(self.query_now, target_id=target.id if target else None)
        place = await source.read(position_of, source.path, query, expert_id) if expert_id else None
        first, last = (max(0, (place or 0) - AHEAD) // PAGE, ((place or 0) + AHEAD) // PAGE)
        page = await self._read(first, last)
        self._pages, self.catalog_total = set(range(first, last + 1)), page.catalog_total
        if self.row not in page.rows:
            self.table.move_cursor(0)
        cursor = None if place is None else str(expert_id)
        self.table.fill(page.rows, cursor, offset=page.offset, total=page.total)
        self._title()
        self.post_message(self.RowChanged())
        self.post_message(self.Loaded(page))

    async def _read(self, first: int, last: int) -> Page:
        source, limit = self._state.source, PAGE * (last - first + 1)
        return await source.read(browse_experts, source.path, self.query_now, limit=limit, offset=PAGE * first)

    @background(exclusive=False)
    async def _read_page(self, number: int) -> None:
        """Put a page into the table, unless this shows something else by now."""
        query = self.query_now
        page = await self._read(number, number)
        if query == self.query_now and number in self._pages:
            if page.total != self.table.row_count or len(self._pages) > MOST:
                self.reload(keep=True)
            else:
                self.table.add(page.rows, page.offset)

    def reload(self, keep: bool = False) -> None:
        """Load anew from the first row, or with the cursor kept on its expert wherever that is now."""
        self._run(self.load(self.row.id if keep and self.row else None))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Load in a worker; what is loaded later takes the place of what is still read."""
        self.run_worker(guarded(self, work), exclusive=True, group="catalog")

    @on(Table.RowHighlighted)
    def _moved(self, event: Table.RowHighlighted) -> None:
        event.stop()
        if self.row is not None:
            self.post_message(self.RowChanged())
        last = self.table.row_count - 1
        around = (self.table.cursor_row - AHEAD, self.table.cursor_row, self.table.cursor_row + AHEAD)
        for page in {max(0, min(place, last)) // PAGE for place in around} - self._pages:
            self._pages.add(page)
            self._read_page(page)

    def _title(self) -> None:
        query, dot = self.query_now, self._symbols.dot
        parts = [f"Experts {self.table.row_count:,}"]
        if query.text:
            parts = [f"{parts[0]} of {self.catalog_total:,}", f"filter: {cut(query.text, 20, self._symbols)}"]
        parts.append(f"by {SORT_WORDS.get(query.sort, query.sort)}{' (down)' if query.descending else ''}")
        if self._state.checked:
            parts.append(f"{len(self._state.checked)} selected")
        self.table.border_title = Text(f" {dot} ".join(parts))  # a Text, so that brackets stay brackets

    def show_checked(self, row: ExpertRow, base_changed: bool) -> None:
        """Draw that an expert was selected or unselected; with another base, that is said of every row."""
        self.table.redraw(*([] if base_changed else [str(row.id)]))
        self._title()
        self.post_message(self.RowChanged())

    def sort_by(self, sort: str, descending: bool | None = None) -> None:
        """Sort; numbers come with the largest first unless said otherwise."""
        way = sort in LARGEST_FIRST if descending is None else descending
        self.query_now = replace(self.query_now, sort=sort, descending=way)
        self.reload(keep=True)

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
        """Go back to the table; once there, forget the filter. False where there was nothing to leave."""
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
    @background(rest=TYPING)
    async def _typed(self) -> None:
        text = self.query_one("#filter", Input).value.strip()
        if text != self.query_now.text:
            self.query_now = replace(self.query_now, text=text)
            self.reload()

    @on(Input.Submitted, "#filter")
    def _entered(self) -> None:
        self.table.focus()

    @on(Table.HeaderSelected)
    def _header(self, event: Table.HeaderSelected) -> None:
        if event.key in SORTS:
            same = event.key == self.query_now.sort
            self.sort_by(event.key, not self.query_now.descending if same else None)

    def show_pulls(self, pulling: Mapping[str, float]) -> None:
        """Draw how far fetches of these repos have come (0 to 1); only changed rows are drawn."""
        before, self._pulling = self._pulling, pulling
        changed = {repo for repo in {*before, *pulling} if before.get(repo) != pulling.get(repo)}
        if keys := [str(row.id) for row in self.table.rows if row.repo in changed]:
            self.table.redraw(*keys)


def _name(row: ExpertRow) -> str:
    return f"{row.repo} (baseline)" if row.is_baseline else row.repo
