"""Sentences with what was found in them, against what is right: told apart by sign, by brackets and by colour.

A mention stands in brackets with its sign and its label, ``[Marie Curie ✓ person]``, so that its borders and
its kind are there without any colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from tui.symbols import Symbols

Mark = Mapping[str, Any]
WORDS = {"hit": "found", "missed": "missed (gold)", "invented": "invented (predicted)"}
STYLES = {"hit": "bold", "missed": "bold underline", "invented": "bold italic"}
FALLBACK = {"hit": "green", "missed": "red", "invented": "yellow"}
THEME = {"hit": "text-success", "missed": "text-error", "invented": "text-warning"}


class Marker:
    """Draws marks with the signs and the theme in use."""

    def __init__(self, symbols: Symbols, theme: Mapping[str, str]) -> None:
        self._signs = {"hit": symbols.done, "missed": symbols.missed, "invented": "?"}
        self._styles = {}
        for kind, style in STYLES.items():
            colour = theme.get(THEME[kind], "")
            self._styles[kind] = f"{style} {colour if colour.startswith('#') else FALLBACK[kind]}"

    def legend(self) -> Text:
        """What the signs mean."""
        text = Text()
        for kind, words in WORDS.items():
            text.append(f"{self._signs[kind]} {words}", style=self._styles[kind])
            text.append("   ")
        return text

    def mention(self, words: str, mark: Mark) -> Text:
        """One mention, in brackets."""
        return Text(
            f"[{words} {self._signs[mark['kind']]} {_clean(mark['label'])}]", style=self._styles[mark["kind"]]
        )

    def sentence(self, row: Mapping[str, Any]) -> RenderableType:
        """A sentence with its marks; those that lie over a gold one stand in a line under it."""
        text, within, apart = _clean(row["text"]), *split_marks(row["marks"])
        line, at = Text(), 0
        for mark in within:
            line.append(text[at : mark["start"]])
            line.append_text(self.mention(text[mark["start"] : mark["end"]], mark))
            at = mark["end"]
        line.append(text[at:])
        if not apart:
            return line
        under = Text().append("predicted instead: ", style="italic")
        for mark in apart:
            under.append_text(self.mention(text[mark["start"] : mark["end"]], mark))
            under.append(" ")
        return Group(line, Padding(under, (0, 0, 0, 2)))

    def page(self, rows: Sequence[Mapping[str, Any]]) -> RenderableType:
        """Numbered sentences, one under another."""
        grid = Grid.grid(padding=(0, 1, 0, 0))
        grid.add_column(justify="right", no_wrap=True)
        grid.add_column(ratio=1, overflow="fold")
        for row in rows:
            grid.add_row(Text(str(row["number"])), self.sentence(row))
        return grid


def split_marks(marks: Sequence[Mark]) -> tuple[list[Mark], list[Mark]]:
    """(marks to be shown within the text, marks to be shown under it).

    All within the text, unless two of them overlap: then the gold ones stay, and all that was invented goes under.
    """
    ordered = sorted(marks, key=lambda mark: (mark["start"], mark["end"]))
    if all(a["end"] <= b["start"] for a, b in pairwise(ordered)):
        return ordered, []
    gold = [mark for mark in ordered if mark["kind"] != "invented"]
    return gold, [mark for mark in ordered if mark["kind"] == "invented"]


def _clean(text: str) -> str:
    """Without control characters, each replaced by one blank: offsets stay right."""
    return "".join(c if c.isprintable() else " " for c in text)
