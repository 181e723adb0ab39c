"""Strict scores as a table of systems, and the scores of one system by entity type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from tui.symbols import UNICODE, Symbols, cut, number, progress_bar
from tui.widgets.table import Table

BAR, TYPE_BAR = 6, 12
FIXED = (
    ("p", "P", 4),
    ("r", "R", 4),
    ("f1", "F1", 5 + BAR),
    ("best", "", 6),
    ("fails", "unread", 6),  # answers that could not be parsed
    ("s", "secs", 5),
)
LEAST = 12  # cells of a system's name


class ScoreTable(Table):
    """The systems that were evaluated, by name; the best one has a sign and a word."""

    _systems: Sequence[Mapping[str, Any]] = ()
    _symbols: Symbols = UNICODE

    def show(self, systems: Sequence[Mapping[str, Any]], symbols: Symbols) -> None:
        """Put these systems into the table, in their order."""
        self._systems, self._symbols = systems, symbols
        self._draw()

    def on_resize(self) -> None:
        """The names take the width that is left."""
        if self._systems:
            self._draw()

    def _draw(self) -> None:
        systems, symbols, cursor = self._systems, self._symbols, self.key_under_cursor
        room = self.size.width - 2  # the scrollbar
        name = max(LEAST, room - sum(width + 1 for *_, width in FIXED) - 1)
        self.set_columns([("name", "system", name), *FIXED])
        best = max((system["f1"] for system in systems), default=0.0)
        self.fill([(s["name"], self._cells(s, name, best, symbols)) for s in systems], cursor)

    def _cells(self, system: Mapping[str, Any], name: int, best: float, symbols: Symbols) -> list[Text]:
        is_best = system["f1"] == best > 0
        bar = progress_bar(symbols, system["f1"], BAR)
        texts = [
            cut(system["name"], name, symbols, keep_end=not system["name"].startswith("SaM")),
            number(system["precision"], symbols),
            number(system["recall"], symbols),
            f"{number(system['f1'], symbols)} {bar}",
            f"{symbols.up} best" if is_best else "",
            f"{system['parse_failures']:>6}",
            f"{system['seconds']:>5.0f}" if system["seconds"] >= 10 else f"{system['seconds']:>5.1f}",
        ]
        return [Text(text, style="bold" if is_best else "", no_wrap=True) for text in texts]


def types_text(system: Mapping[str, Any], symbols: Symbols) -> Text:
    """A system's scores by type, a line each: label, F1 with a bar, precision, recall, gold entities."""
    name = max(8, min(20, max(map(cell_len, system["per_type"]), default=0)))
    text = Text(no_wrap=True)
    text.append(f"{'type':<{name}} {'F1':<{TYPE_BAR + 5}} {'P':<5}{'R':<5}{'entities':>8}", style="italic")
    for label, scores in system["per_type"].items():
        shown = Text(cut(label, name, symbols))
        shown.align("left", name)
        text.append("\n").append_text(shown)
        bar = progress_bar(symbols, scores["f1"], TYPE_BAR)
        p, r, f1 = (number(scores[key], symbols) for key in ("precision", "recall", "f1"))
        text.append(f" {bar} {f1:<4} {p:<5}{r:<5}{scores['support']:>8.0f}")
    return text
