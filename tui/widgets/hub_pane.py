"""A search on the Hub, and what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import DataTable, Input, Static

from tui.symbols import cut
from tui.widgets.table import Table

if TYPE_CHECKING:
    from tui.app import SamHubApp

PAGE = 100
FIRST_SEARCH = "ner"
FILTERS = ("author", "base", "library", "license", "sort")
HINT = "words in the name; also author: base: label: library: license: sort:downloads; Enter searches"


def search_terms(text: str) -> dict[str, Any]:
    """What a search says: ``label:`` and those of `FILTERS` are filters, all else is text."""
    words: list[str] = []
    terms: dict[str, Any] = {"labels": []}
    for word in text.split():
        name, colon, value = word.partition(":")
        if not colon or not value:
            words.append(word)
        elif name == "label":
            terms["labels"].append(value)
        elif name in FILTERS:
            terms[name] = value
        else:
            words.append(word)
    return {**terms, "labels": tuple(terms["labels"]), "text": " ".join(words)}


class HubPane(Vertical):
    """A field for the search and the table of what was found."""

    DEFAULT_CSS = """
    HubPane { height: 1fr; }
    HubPane #hub-state { height: auto; padding: 0 1; }
    """

    app: SamHubApp

    class RowChanged(Message):
        """The cursor stands on another model (None: there is none)."""

        def __init__(self, found: dict[str, Any] | None) -> None:
            super().__init__()
            self.found = found

    def __init__(self) -> None:
        super().__init__(id="hub")
        self.found: list[dict[str, Any]] = []
        self.searched = False
        self._terms: dict[str, Any] = {}
        self._more = False  # whether the Hub may have more than were asked for
        self._listed: set[str] = set()

    def compose(self) -> ComposeResult:
        yield Input(FIRST_SEARCH, placeholder=HINT, id="hub-search", compact=True)
        yield Static(HINT, id="hub-state", markup=False)
        yield Table(id="hub-table", classes="pane")

    def on_mount(self) -> None:
        self.query_one(Table).border_title = "On the Hub"

    @property
    def row(self) -> dict[str, Any] | None:
        """The model under the cursor."""
        key = self.query_one(Table).key_under_cursor
        return next((found for found in self.found if found["repo"] == key), None)

    def open(self) -> None:
        """Search, if that was not done yet; else show what was found before."""
        if not self.searched:
            self.search(self.query_one("#hub-search", Input).value)

    @on(Input.Submitted, "#hub-search")
    def _entered(self, event: Input.Submitted) -> None:
        self.search(event.value)

    def search(self, text: str) -> None:
        """Search the Hub; a later search takes the place of one that still runs."""
        self.run_worker(self._search(search_terms(text), PAGE), exclusive=True, group="hub-search")

    async def _search(self, terms: dict[str, Any], limit: int) -> None:
        from sam_hub.jobs.inquiries import Search

        self._say(f"Searching {self.app.hub_name} ...")
        answer = await self.app.tab.guarded(self.app.source.ask(Search(limit=limit, **terms)))
        if answer is None:
            self._say(f"The search failed; {self.app.keys_of('last_error')} says why. Enter tries again.")
            return
        self.searched, self._terms = True, terms
        self.found = answer["models"]
        self._more = len(self.found) == limit
        await self.refresh_listed()
        table = self.query_one(Table)
        if self.found:
            first = {"last_modified": "the newest", "created_at": "the youngest"}.get(
                self._sort, f"most {self._sort}"
            )
            more = "; the last row brings more" if self._more else ""
            self._say(f"{len(self.found)} models, {first} first{more}. {self.app.keys_of('add')} adds one.")
            if limit == PAGE:
                table.focus()
        else:
            self._say(f"Nothing on {self.app.hub_name} fits. Try fewer words.")
        self.post_message(self.RowChanged(self.row))

    async def refresh_listed(self) -> None:
        """Look again which of the found are in the catalog."""
        from sam_hub.catalog.queries import listed_repos

        repos = [found["repo"] for found in self.found]
        self._listed = await self.app.source.read(listed_repos, self.app.source.path, repos)
        self.draw()

    def _say(self, text: str) -> None:
        self.query_one("#hub-state", Static).update(text)

    def draw(self) -> None:
        """Put what was found into the table."""
        symbols, table = self.app.symbols, self.query_one(Table)
        room = max(50, table.size.width - table.gutter.width - table.scrollbar_size_vertical - 1) - 3 - 8 - 13
        widths = {"repo": room // 2, "base": room // 4, "types": room - room // 2 - room // 4}
        table.set_columns(
            [
                ("repo", "name", widths["repo"]),
                ("base", "base", widths["base"]),
                ("types", "types", widths["types"]),
                ("fetched", "fetched", 7),
                ("state", "state", 12),
            ]
        )
        rows = []
        for found in self.found:
            cells = [
                cut(found["repo"], widths["repo"], symbols, keep_end=True),
                cut(found.get("base") or symbols.nothing, widths["base"], symbols, keep_end=True),
                cut(" ".join(found.get("labels") or ()) or symbols.nothing, widths["types"], symbols),
                f"{found.get('downloads') or 0:>7,}",
                f"{symbols.done} in catalog" if found["repo"] in self._listed else symbols.nothing,
            ]
            rows.append((found["repo"], [Text(cell) for cell in cells]))
        table.fill(rows)

    @on(DataTable.RowHighlighted)
    def _row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        self.post_message(self.RowChanged(self.row))
        if self._more and event.cursor_row == len(self.found) - 1:
            more = self._search(self._terms, len(self.found) + PAGE)
            self.run_worker(more, exclusive=True, group="hub-search")

    @property
    def _sort(self) -> str:
        return self._terms.get("sort", "last_modified")

    def on_resize(self) -> None:
        """The columns follow the width."""
        if self.found:
            self.call_after_refresh(self.draw)
