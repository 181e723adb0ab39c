"""A search on the Hub, and what it found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, Static

from sam_hub.errors import SamHubError
from sam_hub.tui.messages import background
from sam_hub.tui.state import AppState
from sam_hub.tui.symbols import cut
from sam_hub.tui.widgets.table import Table

if TYPE_CHECKING:
    from sam_hub.hub.search import FoundModel
    from sam_hub.services.options import SearchOptions

PAGE = 100
FIRST_SEARCH = "ner"
FILTERS = ("author", "base", "library", "license", "sort")
HINT = "words in the name; also author: base: label: library: license: sort:downloads; Enter searches"
LATEST = {"last_modified": "the newest", "created_at": "the youngest"}


def search_options(text: str) -> SearchOptions:
    """Return what a search says: ``label:`` and those of `FILTERS` are filters, all else is text."""
    from sam_hub.services.options import SearchOptions

    words: list[str] = []
    labels: list[str] = []
    filters: dict[str, Any] = {}
    for word in text.split():
        name, _, value = word.partition(":")
        if value and name == "label":
            labels.append(value)
        elif value and name in FILTERS:
            filters[name] = value
        else:
            words.append(word)
    return SearchOptions(" ".join(words), labels=tuple(labels), limit=PAGE, **filters)


class HubPane(Vertical):
    """A field for the search and the table of what was found."""

    DEFAULT_CSS = """
    HubPane { height: 1fr; }
    HubPane #hub-state { height: auto; padding: 0 1; }
    """

    class RowChanged(Message):
        """The cursor stands on another model, or there is none."""

    def __init__(self, state: AppState) -> None:
        super().__init__(id="hub")
        self._state, self._symbols = state, state.symbols
        self.field = Input(FIRST_SEARCH, placeholder=HINT, id="hub-search", compact=True)
        self.table = Table(id="hub-table", classes="pane")
        self.table.border_title = "On the Hub"
        self.found: list[FoundModel] = []
        self._options: SearchOptions | None = None  # of the last search that was answered
        self._more = False  # whether the Hub may have more than were asked for
        self._listed: set[str] = set()

    def compose(self) -> ComposeResult:
        yield self.field
        yield Static(HINT, id="hub-state", markup=False)
        yield self.table

    @property
    def row(self) -> FoundModel | None:
        """The model under the cursor."""
        key = self.table.key_under_cursor
        return next((found for found in self.found if found.repo == key), None)

    def open(self) -> None:
        """Search, if that was not done yet; else show what was found before."""
        if self._options is None:
            self._search(search_options(self.field.value))

    @on(Input.Submitted, "#hub-search")
    def _entered(self, event: Input.Submitted) -> None:
        self._search(search_options(event.value))

    @background()
    async def _search(self, options: SearchOptions) -> None:
        """Search the Hub; a later search takes the place of one that still runs."""
        from sam_hub.services.experts import search_hub

        hub, keys = self._state.hub_name, self._state.keys
        self._say(f"Searching {hub} ...")
        try:
            self.found = await self._state.source.ask(search_hub, options)
        except SamHubError:
            self._say(f"The search failed; {keys('last_error')} says why. Enter tries again.")
            raise
        self._options, self._more = options, len(self.found) == options.limit
        await self.refresh_listed()
        if self.found:
            first = LATEST.get(options.sort, f"most {options.sort}")
            more = "; the last row brings more" if self._more else ""
            self._say(f"{len(self.found)} models, {first} first{more}. {keys('add')} adds one.")
            if options.limit == PAGE:
                self.table.focus()
        else:
            self._say(f"Nothing on {hub} fits. Try fewer words.")
        self.post_message(self.RowChanged())

    async def refresh_listed(self) -> None:
        """Look again which of the found are in the catalog."""
        from sam_hub.catalog.queries import experts_named

        repos = [found.repo for found in self.found]
        rows = await self._state.source.read(experts_named, self._state.source.path, repos)
        self._listed = {row.repo for row in rows}
        self.draw()

    def _say(self, text: str) -> None:
        self.query_one("#hub-state", Static).update(text)

    def draw(self) -> None:
        """Put what was found into the table."""
        symbols, table = self._symbols, self.table
        room = max(50, table.size.width - table.gutter.width - table.scrollbar_size_vertical - 1) - 3 - 8 - 13
        name, base = room // 2, room // 4
        types = room - name - base
        columns = (("repo", "name", name), ("base", "base", base), ("types", "types", types))
        table.set_columns([*columns, ("fetched", "fetched", 7), ("state", "state", 12)])
        table.fill(
            (
                model.repo,
                [
                    cut(model.repo, name, symbols, keep_end=True),
                    cut(model.base or symbols.nothing, base, symbols, keep_end=True),
                    cut(" ".join(model.labels) or symbols.nothing, types, symbols),
                    f"{model.downloads or 0:>7,}",
                    f"{symbols.done} in catalog" if model.repo in self._listed else symbols.nothing,
                ],
            )
            for model in self.found
        )

    @on(Table.RowHighlighted)
    def _row_highlighted(self, event: Table.RowHighlighted) -> None:
        event.stop()
        self.post_message(self.RowChanged())
        if self._more and self._options and self.table.cursor_row == len(self.found) - 1:
            self._search(replace(self._options, limit=len(self.found) + PAGE))

    def on_resize(self) -> None:
        """Fit the columns to the width."""
        if self.found:
            self.call_after_refresh(self.draw)
