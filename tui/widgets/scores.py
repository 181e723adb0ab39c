"""Strict scores by type, and sentences with what was predicted in them against what is right.

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

if TYPE_CHECKING:
    from sam_hub.services.evaluation import ComparedSentence, Mark, SystemScore

TYPE_BAR = 12
# Of each kind of mark the words, the style, the theme's colour, and another where the theme has none of its own.
KINDS = {
    "hit": ("found", "bold", "text-success", "green"),
    "missed": ("missed (gold)", "bold underline", "text-error", "red"),
    "invented": ("invented (predicted)", "bold italic", "text-warning", "yellow"),
}


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
        for kind, (_, style, name, fallback) in KINDS.items():
            colour = theme.get(name, "")
            self._styles[kind] = f"{style} {colour if colour.startswith('#') else fallback}"

    def legend(self) -> Text:
        """Return what the signs mean."""
        signs = ((f"{self._signs[kind]} {words}", self._styles[kind]) for kind, (words, *_) in KINDS.items())
        return Text("   ").join(Text(*sign) for sign in signs)

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
