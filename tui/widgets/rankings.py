"""The rankings: each as a table, why an expert stands where it stands, and where the two agree."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text
from textual.message import Message

from sam_hub.tui.symbols import Symbols, cut, interval_bar, number
from sam_hub.tui.widgets.details import BAR, INDENT, fact_lines
from sam_hub.tui.widgets.table import Table

if TYPE_CHECKING:
    from sam_hub.selection.ranking import Ranked, RankingChoice
    from sam_hub.services.selection import SelectionOutcome

METHODS = ("similarity", "sampling")
TABLE_BAR, LEAST_NAME, COUNT = 8, 14, 6  # cells; COUNT is that of "covers" over "2/3"
LEAST_COVERS, LEAST_NOTE = 8, 10  # below these, types are counted, and a sign says that there is a note


def columns(rows: Sequence[Ranked], sampling: bool, width: int) -> list[tuple[str, str, int]]:
    """Return the columns (key, head, width) of these rows that fit into ``width`` cells.

    The name gets what it needs first, then the types, then the note.
    """
    fixed = [("score", "F1", 4), ("bar", "95%", TABLE_BAR), ("interval", "interval", 9)] if sampling else []
    fixed = fixed or [("score", "cosine", 6)]
    notes = any(row.note for row in rows)
    room = width - 4 - 3 - 3 - sum(cells + 1 for _, _, cells in fixed) - 2
    room -= 1 if notes else 0
    name = max(LEAST_NAME, min(_widest([row.expert for row in rows]), room - COUNT - notes))
    room -= name
    wanted = max(COUNT, _widest([" ".join(row.covers) for row in rows]))
    covers = min(wanted, room - notes) if room - notes >= min(wanted, LEAST_COVERS) else COUNT
    note = max(1, room - covers)
    if note < LEAST_NOTE:
        covers = min(wanted, room - notes) if covers > COUNT else covers
    shown = [("mark", "", 3), ("rank", "#", 2), ("chosen", "", 2), ("expert", "expert", name), *fixed]
    shown.append(("covers", "covers", covers))
    if notes:
        shown.append(("note", "note", note) if note >= LEAST_NOTE else ("note", "!", 1))
    return shown


def _widest(texts: Sequence[str]) -> int:
    return max((cell_len(text) for text in texts), default=0)


class RankingTable(Table):
    """The latest ranking of a target by one method; None shows that it was not made."""

    class Looked(Message):
        """The cursor of a focused ranking stands on this expert."""

        def __init__(self, method: str, expert: str | None) -> None:
            super().__init__()
            self.method, self.expert = method, expert

    def __init__(self, method: str, symbols: Symbols, key: str) -> None:
        super().__init__(id=f"ranking-{method}", classes="pane")
        self.method = method
        self._symbols, self._key = symbols, key  # the key that makes a ranking
        self._choice: RankingChoice | None = None
        self._labels: Sequence[str] = ()
        self._checked: Collection[str] = ()

    @property
    def expert(self) -> str | None:
        """The repository of the expert under the cursor."""
        return self.key_under_cursor

    def show(self, choice: RankingChoice | None, labels: Sequence[str], checked: Collection[str]) -> None:
        """Show this ranking for a target of these labels; ``checked``: the selected experts."""
        self._choice, self._labels = choice, labels
        self.show_checked(checked)

    def show_checked(self, checked: Collection[str]) -> None:
        """Draw anew which experts are selected."""
        self._checked = checked
        cursor = self.key_under_cursor
        rows = self._choice.ranking.rows if self._choice else ()
        shown = columns(rows, self.method == "sampling", max(40, self.content_width))
        self.set_columns(shown)
        self.fill(((row.expert, self._cells_of(row, rank, shown)) for rank, row in enumerate(rows, 1)), cursor)
        self._title()

    def _cells_of(self, row: Ranked, rank: int, shown: Sequence[tuple[str, str, int]]) -> list[Text]:
        symbols = self._symbols
        chosen = self._choice is not None and row.expert in self._choice.chosen
        covers = " ".join(row.covers) or "none"
        texts = {
            "mark": "[x]" if row.expert in self._checked else "[ ]",
            "rank": f"{rank:>2}",
            "chosen": symbols.done if chosen else "",
            "expert": row.expert,
            "score": number(row.score, symbols),
            "interval": f"{number(row.low, symbols)}-{number(row.high, symbols)}",
            "covers": covers,
            "note": row.note,
        }
        texts["bar"] = _bar(row, symbols, TABLE_BAR)
        cells = []
        for key, _, width in shown:
            text = texts[key]
            if key == "covers" and width == COUNT and cell_len(covers) > COUNT:
                text = f"{len(row.covers)}/{len(self._labels)}"
            elif key == "note" and width == 1:
                text = symbols.warning if row.note else ""
            style = "bold" if chosen else ""
            cells.append(Text(cut(text, width, symbols, keep_end=key == "expert"), style=style))
        return cells

    def _title(self) -> None:
        choice = self._choice
        if choice is None:
            self.border_title = Text(f"By {self.method}: not made yet, press {self._key}")
            return
        count = len(choice.chosen)
        by_evidence = "evidence" in choice.ranking.parameters
        how = f"chosen: {count} (k is auto)" if by_evidence else f"chosen: best {count}"
        how = "chosen by hand" if choice.by_hand else how
        self.border_title = Text(f"By {self.method} {self._symbols.dot} {self._symbols.done} {how}")

    def on_resize(self) -> None:
        """Fit the columns to the width."""
        if self._choice is not None:
            self.call_after_refresh(self.show_checked, self._checked)

    def on_focus(self) -> None:
        """The tab speaks of what is under the cursor of the focused table."""
        self.post_message(self.Looked(self.method, self.expert))

    def on_table_row_highlighted(self) -> None:
        """The cursor moved."""
        if self.has_focus:
            self.post_message(self.Looked(self.method, self.expert))


def _bar(row: Ranked, symbols: Symbols, width: int) -> str:
    """Return the interval of a score as a bar; empty for an expert that could not be ranked."""
    if row.score is None or row.low is None or row.high is None:
        return ""
    return interval_bar(symbols, row.low, row.score, row.high, width)


# --- in words ------------------------------------------------------------------------------------------


def why_text(expert: str, rankings: SelectionOutcome, labels: Sequence[str], symbols: Symbols, width: int) -> Text:
    """Return what both rankings say of an expert, for a target of these labels.

    Lines have at most ``width`` cells, and a sentence two of them.
    """
    from sam_hub.selection.report import reasons

    facts = reasons(
        expert,
        rankings.rankings,
        labels,
        room=2 * (max(width, 40) - INDENT) - 10,
        number=lambda value: number(value, symbols),
        ellipsis=symbols.cut,
    )
    signs = {"note": symbols.warning, "covers": symbols.done, "missing": symbols.missing}
    lines, bar = [], ""
    for head, words in facts:
        lines.append((head, f"{signs[head]} {words}" if head in signs else f"{bar}{words}"))
        bar = ""
        if head == "votes":  # the interval comes next
            row = next(row for row in rankings.rankings["sampling"].ranking.rows if row.expert == expert)
            bar = f"{_bar(row, symbols, BAR)} ".lstrip()
    return fact_lines(lines, width)


def agreement_text(rankings: SelectionOutcome, symbols: Symbols) -> Text:
    """Return who was chosen by both, who by one alone, whether any expert fits, and what nobody covers."""
    from sam_hub.selection.report import no_fit

    choices = {method: rankings.rankings[method] for method in METHODS if method in rankings.rankings}
    text = Text()
    if len(choices) == 2:
        chosen = rankings.chosen
        text.append("In both: ", style="bold")
        text.append(", ".join(chosen.both) or "none")
        for method, alone in (("similarity", chosen.similarity_only), ("sampling", chosen.sampling_only)):
            text.append(f"  {symbols.dot} {method} only: ", style="bold")
            text.append(", ".join(alone) or "none")
    else:
        for method, choice in choices.items():
            text.append(f"Chosen by {method}: ", style="bold")
            text.append(", ".join(choice.chosen))
    for method, choice in choices.items():
        if warning := no_fit(choice.ranking.parameters):
            text.append(f"\n{symbols.warning} {warning}")
        elif not any(row.score for row in choice.ranking.rows):
            text.append(f"\n{symbols.warning} By {method} all scores are 0: that ranking says nothing. ")
            text.append("Rank again with a larger sample, or merge by the other one.")
    if rankings.uncovered:
        text.append(f"\n{symbols.missing} No expert in the catalog covers: {', '.join(rankings.uncovered)}")
    return text
