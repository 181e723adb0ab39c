"""What is in a corpus, and what of it can't be read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from tui.symbols import Symbols, cut
from tui.widgets.reading import ReadingPane

if TYPE_CHECKING:
    from tui.app import SamHubApp

MOST = 100  # files named: more are counted
WIDTH = 400  # cells of an example; the pane wraps it


def scan_text(found: dict[str, Any], symbols: Symbols) -> Text:
    """A scan's result (see `sam_hub.ner.scanning.Scan`): counts, what can't be read, some sentences."""
    text = Text()
    text.append(_count(found["sentences"], "sentence"), style="bold")
    files, unread = _count(found["files"], "file"), len(found["unreadable"])
    files = f"{found['files'] - unread:,} of {files}" if unread else files
    text.append(f" in {files}, {_count(found['characters'], 'character')}\n")
    if found["sentences"]:
        text.append(f"A sentence has {found['shortest']:,} to {found['longest']:,} characters.\n")
    if found["labelled"]:
        labelled = f"{found['labelled']:,} are labelled: a target keeps the text alone."
        text.append(f"{symbols.warning} {labelled}\n")
    if found.get("left_out"):
        text.append(f"{symbols.warning} {cut(found['left_out'], WIDTH, symbols)}.\n")
    for path, reason in found["unreadable"][:MOST]:
        text.append(
            f"{symbols.missing} can't be read: {cut(path, WIDTH, symbols, keep_end=True)}\n", style="bold"
        )
        text.append(f"  {cut(reason, WIDTH, symbols)}\n")
    _append_more(text, len(found["unreadable"]))
    if unread:
        text.append("No target is made of text that can't be read: mend these files, or move them away.\n")
    if skipped := found["skipped"]:
        text.append(f"{symbols.warning} {_count(len(skipped), 'file')} of no known kind, not read:\n")
        text.append("".join(f"  {cut(Path(path).name, WIDTH, symbols)}\n" for path in skipped[:MOST]))
        _append_more(text, len(skipped))
    if found["examples"]:
        text.append("It begins\n", style="bold")
        text.append("".join(f"  {cut(example, WIDTH, symbols)}\n" for example in found["examples"]))
    return text


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _append_more(text: Text, number: int) -> None:
    if number > MOST:
        text.append(f"  and {number - MOST:,} more\n")


class ScanReport(ReadingPane):
    """The result of a scan, how far one has come, or what a scan is for."""

    app: SamHubApp

    def __init__(self) -> None:
        super().__init__(id="scan-report")
        self.border_title = "Scan"

    def compose(self) -> ComposeResult:
        key = self.app.keys_of("scan")
        yield Static(
            Text(f"{key} counts what is in the text, and names the files that can't be read."), markup=False
        )

    def say(self, text: str | Text) -> None:
        """Put this in the place of what is shown."""
        self.query_one(Static).update(text if isinstance(text, Text) else Text(text))

    def show(self, corpus: str, found: dict[str, Any]) -> None:
        """Show a result."""
        name = cut(Path(corpus).name, 40, self.app.symbols)
        self.border_title = Text(f"Scan of {name}")
        self.say(scan_text(found, self.app.symbols))
        self.scroll_home(animate=False)
