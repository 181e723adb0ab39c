"""Strict scores as a table of systems and by type, and sentences with what was found in them against what is right.

A mention stands in brackets with its sign and its label, ``[Marie Curie ✓ person]``, so that its borders and its kind
are told apart without any colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from sam_hub.tui.symbols import Symbols, cut, number, progress_bar
from sam_hub.tui.widgets.table import Table

if TYPE_CHECKING:
    from sam_hub.services.evaluation import ComparedSentence, Mark, SystemScore

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
WORDS = {"hit": "found", "missed": "missed (gold)", "invented": "invented (predicted)"}
STYLES = {"hit": "bold", "missed": "bold underline", "invented": "bold italic"}
FALLBACK = {"hit": "green", "missed": "red", "invented": "yellow"}
THEME = {"hit": "text-success", "missed": "text-error", "invented": "text-warning"}


class ScoreTable(Table):
    """The systems that were evaluated, by name; the best one has a sign and a word."""

    def __init__(self, symbols: Symbols) -> None:
        super().__init__(id="evaluate-scores", classes="pane")
        self._symbols = symbols
        self._systems: Sequence[SystemScore] = ()

    def show(self, systems: Sequence[SystemScore]) -> None:
        """Put these systems into the table, in their order."""
        self._systems = systems
        self._draw_systems()

    def on_resize(self) -> None:
        """Give the names the width that is left."""
        if self._systems:
            self._draw_systems()

    def _draw_systems(self) -> None:
        cursor = self.key_under_cursor
        room = self.size.width - 2  # the scrollbar
        name = max(LEAST, room - sum(width + 1 for *_, width in FIXED) - 1)
        self.set_columns([("name", "system", name), *FIXED])
        best = max((system.f1 for system in self._systems), default=0.0)
        self.fill(((system.name, self._cells_of(system, name, best)) for system in self._systems), cursor)

    def _cells_of(self, system: SystemScore, name: int, best: float) -> list[Text]:
        symbols = self._symbols
        is_best = system.f1 == best > 0
        texts = [
            cut(system.name, name, symbols, keep_end=not system.name.startswith("SaM")),
            number(system.precision, symbols),
            number(system.recall, symbols),
            f"{number(system.f1, symbols)} {progress_bar(symbols, system.f1, BAR)}",
            f"{symbols.up} best" if is_best else "",
            f"{system.parse_failures:>6}",
            f"{system.seconds:>5.0f}" if system.seconds >= 10 else f"{system.seconds:>5.1f}",
        ]
        return [Text(text, style="bold" if is_best else "") for text in texts]


def types_text(system: SystemScore, symbols: Symbols) -> Text:
    """Return a system's scores by type, a line each: label, F1 with a bar, precision, recall, gold entities."""
    name = max(8, min(20, max(map(cell_len, system.per_type), default=0)))
    text = Text(no_wrap=True)
    text.append(f"{'type':<{name}} {'F1':<{TYPE_BAR + 5}} {'P':<5}{'R':<5}{'entities':>8}", style="italic")
    for label, scores in system.per_type.items():
        shown = Text(cut(label, name, symbols))
        shown.align("left", name)
        text.append("\n").append_text(shown)
        bar = progress_bar(symbols, scores.f1, TYPE_BAR)
        p, r, f1 = (number(value, symbols) for value in (scores.precision, scores.recall, scores.f1))
        text.append(f" {bar} {f1:<4} {p:<5}{r:<5}{scores.support:>8.0f}")
    return text


class Marker:
    """Draws marks with the signs and the theme in use."""

    def __init__(self, symbols: Symbols, theme: Mapping[str, str]) -> None:
        self._signs = {"hit": symbols.done, "missed": symbols.missed, "invented": "?"}
        self._styles = {}
        for kind, style in STYLES.items():
            colour = theme.get(THEME[kind], "")
            self._styles[kind] = f"{style} {colour if colour.startswith('#') else FALLBACK[kind]}"

    def legend(self) -> Text:
        """Return what the signs mean."""
        text = Text()
        for kind, words in WORDS.items():
            text.append(f"{self._signs[kind]} {words}", style=self._styles[kind])
            text.append("   ")
        return text

    def mention(self, words: str, mark: Mark) -> Text:
        """Return one mention, in brackets."""
        return Text(f"[{words} {self._signs[mark.kind]} {_clean(mark.label)}]", style=self._styles[mark.kind])

    def sentence(self, row: ComparedSentence) -> RenderableType:
        """Return a sentence with its marks; those that overlap a gold one stand in a line under it."""
        text, within, apart = _clean(row.text), *split_marks(row.marks)
        line, at = Text(), 0
        for mark in within:
            line.append(text[at : mark.start])
            line.append_text(self.mention(text[mark.start : mark.end], mark))
            at = mark.end
        line.append(text[at:])
        if not apart:
            return line
        under = Text().append("predicted instead: ", style="italic")
        for mark in apart:
            under.append_text(self.mention(text[mark.start : mark.end], mark))
            under.append(" ")
        return Group(line, Padding(under, (0, 0, 0, 2)))

    def page(self, rows: Sequence[ComparedSentence]) -> RenderableType:
        """Return numbered sentences, one under another."""
        grid = Grid.grid(padding=(0, 1, 0, 0))
        grid.add_column(justify="right", no_wrap=True)
        grid.add_column(ratio=1, overflow="fold")
        for row in rows:
            grid.add_row(Text(str(row.number)), self.sentence(row))
        return grid


def split_marks(marks: Sequence[Mark]) -> tuple[list[Mark], list[Mark]]:
    """Return the marks to be shown within the text, and those to be shown under it.

    All within the text, unless two of them overlap: then the gold ones stay, and all that was invented goes under.
    """
    ordered = sorted(marks, key=lambda mark: (mark.start, mark.end))
    if all(a.end <= b.start for a, b in pairwise(ordered)):
        return ordered, []
    gold = [mark for mark in ordered if mark.kind != "invented"]
    return gold, [mark for mark in ordered if mark.kind == "invented"]


def _clean(text: str) -> str:
    """Return a text without control characters, each replaced by one blank: offsets stay right."""
    return "".join(c if c.isprintable() else " " for c in text)
