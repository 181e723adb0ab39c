"""What commands print: tables, one JSON object, errors, and progress on standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sam_hub.errors import SamHubError
from sam_hub.hub.tags import label_tag

if TYPE_CHECKING:
    from rich.progress import Progress

FEW = 8  # labels of a cell
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Free = Annotated[bool, typer.Option("--free", help="Decode without the answer's grammar.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


def show_json(values: Any) -> None:
    """One JSON object on standard output."""
    print(json.dumps(values, indent=2, ensure_ascii=False, default=str), flush=True)


def show_table(
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str | None = None,
    width: int | None = None,
) -> None:
    """A table; text from outside is shown as it is, never as markup. Numbers stand to the right.

    Args:
        width: cells of a line at most; of the terminal, where not given, and 140 without one.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*heads, title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    rows = [[cell(value) for value in row] for row in rows]
    for number, column in enumerate(table.columns):
        values = [row[number] for row in rows if row[number]]
        column.justify = (
            "right" if values and all(v[0].isdigit() or v[0] in "-.±–" for v in values) else "left"
        )
        column.overflow = "fold"
    for row in rows:
        table.add_row(*(Text(value) for value in row))
    Console(highlight=False, width=width or (None if sys.stdout.isatty() else 140)).print(table)


def cell(value: object) -> str:
    """A value as a table shows it: fractions with three digits."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def named(labels: Sequence[str], first: Sequence[str] = ()) -> str:
    """Labels as a list shows them: those that were asked for first, and of many a few."""
    asked = {label_tag(label) for label in first}
    ordered = sorted(labels, key=lambda label: label_tag(label) not in asked)
    more = len(ordered) - FEW
    return f"{cell(ordered[:FEW])} and {more} more" if more > 1 else cell(ordered)


def megabytes(size: int) -> str:
    """Bytes as people read them."""
    return f"{size / 1e6:,.1f} MB"


def say(line: str) -> None:
    """A line on standard error, where it does not mix with results."""
    print(line, file=sys.stderr, flush=True)


def show_error(error: SamHubError) -> int:
    """What went wrong and what to do; returns the exit code."""
    say(f"Error: {error.title}. {error.action}")
    return error.exit_code


def confirm(question: str, *, refused: str) -> None:
    """Ask; anything but yes ends the command with nothing done, and ``refused`` says so."""
    from sam_hub.errors import Interrupted

    try:
        agreed = typer.confirm(question)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise Interrupted(refused, "Nothing was changed.")


@contextmanager
def watching() -> Iterator[Any]:
    """A function ``watch(what, done, all)`` that shows progress on standard error, and takes it away after.

    Without a terminal it says a line every 15 seconds.
    """
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars)


class _Bars:
    def __init__(self, bars: Progress) -> None:
        self._bars, self._task = bars, None

    def __call__(self, what: str, done: int, total: int) -> None:
        if self._task is None:
            self._task = self._bars.add_task(f"  {what}", total=total)
        self._bars.update(self._task, description=f"  {what}", completed=done, total=total)


class _Lines:
    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        if time.monotonic() - self._said > 15:
            self._said = time.monotonic()
            say(f"  {what}: {done} of {total}")
