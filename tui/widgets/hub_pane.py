"""The search on the Hub: what is typed, what was found, and the next page of it."""

from __future__ import annotations

from collections.abc import Sequence
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
from sam_hub.tui.widgets.table import Column, Table

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
    filters: dict[str, Any] = {"labels": ()}
    for word in text.split():
        name, _, value = word.partition(":")
        if value and name == "label":
            filters["labels"] += (value,)
        elif value and name in FILTERS:
            filters[name] = value
        else:
            words.append(word)
    return SearchOptions(" ".join(words), limit=PAGE, **filters)


class HubPane(Vertical):
    """A field for the search and the table of what was found."""

    class RowChanged(Message):
        """The cursor stands on another model, or there is none."""

    def __init__(self, state: AppState) -> None:
        super().__init__(id="hub")
        self._state, self._symbols = state, state.symbols
        self.field = Input(FIRST_SEARCH, placeholder=HINT, id="hub-search", compact=True)
        self.table: Table[FoundModel] = Table(self._symbols, lambda model: model.repo, self._columns, id="hub-table")
        self.table.border_title = "On the Hub"
        self._options: SearchOptions | None = None  # of the last search that was answered
        self._more = False  # whether the Hub may have more than were asked for
        self._listed: set[str] = set()  # of the models, those in the catalog

    def compose(self) -> ComposeResult:
        yield self.field
        yield Static(HINT, id="hub-state", markup=False)
        yield self.table

    def _columns(self, width: int) -> Sequence[Column[FoundModel]]:
        nothing, listed = self._symbols.nothing, f"{self._symbols.done} in catalog"
        return (
            Column("repo", "name", lambda model: model.repo, share=2, keep_end=True),
            Column("base", "base", lambda model: model.base or nothing, keep_end=True),
            Column("types", "types", lambda model: " ".join(model.labels) or nothing),
            Column("fetched", "fetched", lambda model: f"{model.downloads or 0:,}", 7, right=True),
            Column("state", "state", lambda model: listed if model.repo in self._listed else nothing, 12),
        )

    @property
    def row(self) -> FoundModel | None:
        """The model under the cursor."""
        return self.table.row

    def open(self) -> None:
        """Search, if that was not done yet; else show the last results."""
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
            models = await self._state.source.ask(search_hub, options)
        except SamHubError:
            self._say(f"The search failed; {keys('last_error')} says why. Enter tries again.")
            raise
        self._options, self._more = options, len(models) == options.limit
        await self.show(models)
        if models:
            first = LATEST.get(options.sort, f"most {options.sort}")
            more = ". Go to the last row for more" if self._more else ""
            self._say(f"{len(models)} models, {first} first{more}. {keys('add')} adds one.")
            if options.limit == PAGE:
                self.table.focus()
        else:
            self._say(f"No results on {hub}. Try fewer words.")
        self.post_message(self.RowChanged())

    async def show(self, models: Sequence[FoundModel]) -> None:
        """Put models into the table, with a look at which of them are in the catalog."""
        from sam_hub.catalog.queries import experts_named

        source, repos = self._state.source, [model.repo for model in models]
        self._listed = {row.repo for row in await source.read(experts_named, source.path, repos)}
        self.table.fill(models)

    def _say(self, text: str) -> None:
        self.query_one("#hub-state", Static).update(text)

    @on(Table.RowHighlighted)
    def _row_highlighted(self, event: Table.RowHighlighted) -> None:
        event.stop()
        self.post_message(self.RowChanged())
        if self._more and self._options and self.table.cursor_row == self.table.row_count - 1:
            self._search(replace(self._options, limit=self.table.row_count + PAGE))
