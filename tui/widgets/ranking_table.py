"""One ranking as a table: who is first, by how much, how sure that is, and who is chosen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.text import Text
from textual.message import Message

from tui.symbols import Symbols, cut, interval_bar, number
from tui.widgets.table import Table

if TYPE_CHECKING:
    from tui.app import SamHubApp

BAR, LEAST_NAME, COUNT = 8, 14, 5  # cells; COUNT is that of "2/3" under its head
LEAST_KNOWS, LEAST_NOTE = 8, 10  # below these, types are counted, and a sign says that there is a note


def columns(rows: Sequence[Mapping[str, Any]], sampling: bool, width: int) -> list[tuple[str, str, int]]:
    """The columns (key, head, width) of these rows that fit into ``width`` cells.

    The name gets what it needs first, then the types, then the note.
    """
    fixed = [("score", "F1", 4), ("bar", "95%", BAR), ("interval", "interval", 9)] if sampling else []
    fixed = fixed or [("score", "cosine", 6)]
    notes = any(row["note"] for row in rows)
    room = width - 4 - 3 - 3 - sum(cells + 1 for _, _, cells in fixed) - 2
    room -= 1 if notes else 0
    name = max(LEAST_NAME, min(_widest([row["expert"] for row in rows]), room - COUNT - notes))
    room -= name
    wanted = max(COUNT, _widest([" ".join(row["knows"]) for row in rows]))
    knows = min(wanted, room - notes) if room - notes >= min(wanted, LEAST_KNOWS) else COUNT
    note = max(1, room - knows)
    if note < LEAST_NOTE:
        knows = min(wanted, room - notes) if knows > COUNT else knows
    shown = [("mark", "", 3), ("rank", "#", 2), ("chosen", "", 2), ("expert", "expert", name), *fixed]
    shown.append(("knows", "knows", knows))
    if notes:
        shown.append(("note", "note", note) if note >= LEAST_NOTE else ("note", "!", 1))
    return shown


def _widest(texts: Sequence[str]) -> int:
    return max((cell_len(text) for text in texts), default=0)


class RankingTable(Table):
    """The latest ranking of a target by one method; None shows that it was not made."""

    app: SamHubApp

    class Looked(Message):
        """The cursor of a focused ranking stands on this expert."""

        def __init__(self, method: str, expert: str | None) -> None:
            super().__init__()
            self.method, self.expert = method, expert

    def __init__(self, method: str) -> None:
        super().__init__(id=f"ranking-{method}", classes="pane")
        self.method = method
        self.ranking: Mapping[str, Any] | None = None
        self._labels: Sequence[str] = ()

    @property
    def rows_shown(self) -> list[dict[str, Any]]:
        """The ranking's rows, the best first."""
        return self.ranking["rows"] if self.ranking else []

    @property
    def expert(self) -> str | None:
        """The repository of the expert under the cursor."""
        return self.key_under_cursor

    def show(self, ranking: Mapping[str, Any] | None, labels: Sequence[str]) -> None:
        """Show this ranking for a target of these labels."""
        self.ranking, self._labels = ranking, labels
        self.draw()

    def draw(self) -> None:
        """Fill the table anew, for instance since an expert was selected."""
        symbols, cursor = self.app.symbols, self.key_under_cursor
        width = max(40, self.scrollable_content_region.width)
        rows = self.rows_shown
        shown = columns(rows, self.method == "sampling", width)
        self.set_columns(shown)
        marked = set(self.app.checked.values())
        self.fill(
            [
                (row["expert"], self._cells(row, rank, shown, marked, symbols))
                for rank, row in enumerate(rows, 1)
            ],
            cursor,
        )
        self._title(symbols)

    def _cells(
        self,
        row: Mapping[str, Any],
        rank: int,
        shown: Sequence[tuple[str, str, int]],
        marked: Collection[str],
        symbols: Symbols,
    ) -> list[Text]:
        knows = row["knows"]
        texts = {
            "mark": "[x]" if row["expert"] in marked else "[ ]",
            "rank": f"{rank:>2}",
            "chosen": symbols.done if row["chosen"] else "",
            "expert": row["expert"],
            "score": number(row["score"], symbols),
            "bar": ""
            if row["low"] is None
            else interval_bar(symbols, row["low"], row["score"], row["high"], BAR),
            "interval": f"{number(row['low'], symbols)}-{number(row['high'], symbols)}",
            "knows": " ".join(knows) or "none",
            "note": row["note"],
        }
        style = "bold" if row["chosen"] else ""
        cells = []
        for key, _, width in shown:
            if key == "knows":
                counted = width == COUNT and cell_len(texts["knows"]) > COUNT
                text = f"{len(knows)}/{len(self._labels)}" if counted else texts["knows"]
            elif key == "note" and width == 1:
                text = symbols.warning if row["note"] else ""
            else:
                text = texts[key]
            cells.append(Text(cut(text, width, symbols, keep_end=key == "expert"), style=style))
        return cells

    def _title(self, symbols: Symbols) -> None:
        made = self.ranking
        if made is None:
            key = self.app.keys_of("probe")
            self.border_title = Text(f"By {self.method}: not made yet, press {key}")
            return
        count = sum(row["chosen"] for row in made["rows"])
        how = f"chosen: {count} by evidence" if "evidence" in made["parameters"] else f"chosen: best {count}"
        how = "chosen by hand" if made["by_hand"] else how
        self.border_title = Text(f"By {self.method} {symbols.dot} {symbols.done} {how}")

    def on_resize(self) -> None:
        """The columns follow the width."""
        if self.ranking is not None:
            self.call_after_refresh(self.draw)

    def on_focus(self) -> None:
        """What is under the cursor of the focused table is what the tab speaks of."""
        self.post_message(self.Looked(self.method, self.expert))

    def on_data_table_row_highlighted(self) -> None:
        """The cursor moved."""
        if self.has_focus:
            self.post_message(self.Looked(self.method, self.expert))
