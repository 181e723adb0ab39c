"""The rankings: each as a table, why an expert stands where it stands, and where the two agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from sam_hub.tui.state import AppState
from sam_hub.tui.symbols import Symbols, interval_bar, number
from sam_hub.tui.widgets.details import BAR, INDENT, fact_lines
from sam_hub.tui.widgets.table import Column, Table

if TYPE_CHECKING:
    from sam_hub.selection.ranking import Ranked, RankingChoice
    from sam_hub.services.selection import SelectionOutcome

METHODS = ("similarity", "sampling")
TABLE_BAR, LEAST_NAME, COUNT = 8, 14, 6  # cells; COUNT is that of "covers" over "2/3"
LEAST_COVERS, LEAST_NOTE = 8, 10  # below these, types are counted, and a sign says that there is a note


class RankingTable(Table["Ranked"]):
    """The latest ranking of a target by one method; None shows that it was not made."""

    def __init__(self, method: str, state: AppState) -> None:
        super().__init__(
            state.symbols, lambda row: row.expert, self._shown_columns, id=f"ranking-{method}", style=self._style
        )
        self.method, self._state = method, state
        self._choice: RankingChoice | None = None

    def show(self, choice: RankingChoice | None) -> None:
        """Show this ranking."""
        self._choice = choice
        self.fill(choice.ranking.rows if choice else ())
        how = f"not made yet, press {self._state.keys('rank')}"
        if choice is not None:
            by_evidence = "evidence" in choice.ranking.parameters
            how = f"{len(choice.chosen)} (k is auto)" if by_evidence else f"best {len(choice.chosen)}"
            how = how if choice.chosen else "none"
            how = "chosen by hand" if choice.by_hand else f"chosen: {how}"
            self.border_title = Text(f"By {self.method} {self.symbols.dot} {self.symbols.done} {how}")
        else:
            self.border_title = Text(f"By {self.method}: {how}")

    def _is_chosen(self, row: Ranked) -> bool:
        return self._choice is not None and row.expert in self._choice.chosen

    def _style(self, row: Ranked) -> str:
        return "bold" if self._is_chosen(row) else ""

    def _shown_columns(self, width: int) -> Sequence[Column[Ranked]]:
        """Return the columns that have room: the name gets what it needs first, then the types, then the note."""
        signs, rows, checked = self.symbols, self.rows, self._state.checked_repos
        labels = self._state.target.labels if self._state.target else ()
        columns: list[Column[Ranked]] = [
            Column("mark", "", lambda row: "[x]" if row.expert in checked else "[ ]", 3),
            Column("rank", "#", lambda row: str(self.keys.index(row.expert) + 1), 2, right=True),
            Column("chosen", "", lambda row: signs.done if self._is_chosen(row) else "", 2),
        ]
        scores: list[Column[Ranked]] = [Column("score", "cosine", lambda row: number(row.score, signs), 6)]
        if self.method == "sampling":
            scores = [
                Column("score", "F1", lambda row: number(row.score, signs), 4),
                Column("bar", "95%", lambda row: _bar(row, signs, TABLE_BAR), TABLE_BAR),
                Column("interval", "interval", lambda r: f"{number(r.low, signs)}-{number(r.high, signs)}", 9),
            ]
        notes = any(row.note for row in rows)
        room = width - sum(column.width + 1 for column in [*columns, *scores]) - 2 - notes
        name = max(LEAST_NAME, min(_widest([row.expert for row in rows]), room - COUNT - notes))
        room -= name
        wanted = max(COUNT, _widest([" ".join(row.covers) for row in rows]))
        covers = min(wanted, room - notes) if room - notes >= min(wanted, LEAST_COVERS) else COUNT

        def covered(row: Ranked) -> str:
            words = " ".join(row.covers) or "none"
            return f"{len(row.covers)}/{len(labels)}" if covers == COUNT < cell_len(words) else words

        columns += [Column("expert", "expert", lambda row: row.expert, name, keep_end=True), *scores]
        columns.append(Column("covers", "covers", covered, covers))
        if notes and room - covers >= LEAST_NOTE:
            columns.append(Column("note", "note", lambda row: row.note, room - covers))
        elif notes:
            columns.append(Column("note", "!", lambda row: signs.warning if row.note else "", 1))
        return columns


def _widest(texts: Sequence[str]) -> int:
    return max((cell_len(text) for text in texts), default=0)


def _bar(row: Ranked, symbols: Symbols, width: int) -> str:
    """Return the interval of a score as a bar; empty for an expert that could not be ranked."""
    if row.score is None or row.low is None or row.high is None:
        return ""
    return interval_bar(symbols, row.low, row.score, row.high, width)


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

    if rankings.none_chosen:
        return Text(f"{symbols.warning} {rankings.none_chosen}")

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
            text.append(f"\n{symbols.warning} All scores by {method} are 0, so this ranking is not useful. ")
            text.append("Rank again with a larger sample, or merge by the other ranking.")
    if rankings.uncovered:
        text.append(f"\n{symbols.missing} No expert in the catalog covers: {', '.join(rankings.uncovered)}")
    return text
