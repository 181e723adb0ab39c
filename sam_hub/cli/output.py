"""What commands print: tables, one JSON value, and questions."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from sam_hub.catalog.tables import Job
    from sam_hub.errors import SamHubError

T = TypeVar("T")
FEW = 8  # labels of a cell
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Background = Annotated[bool, typer.Option("--background", help="Run as a background job, and return at once.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what the command would do, and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")]


@dataclass(frozen=True)
class Shown:
    """What a command has to show: a value for ``--json``, else what ``show`` prints; and the error that it ends in."""

    value: Any
    show: Callable[[], object]
    error: SamHubError | None = None


def show_json(values: Any) -> None:
    """Print plain values, dataclasses or rows as JSON on standard output."""
    from pydantic_core import to_jsonable_python

    print(json.dumps(to_jsonable_python(values), indent=2, ensure_ascii=False), flush=True)


def show_table(
    heads: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None, width: int | None = None
) -> None:
    """Print a table. Text from outside is shown as it is, never as markup. Numbers stand to the right.

    Args:
        width: cells of a line at most; of the terminal, where not given, and 140 without one.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*heads, title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    cells = [[cell(value) for value in row] for row in rows]
    for number, column in enumerate(table.columns):
        values = [row[number] for row in cells if row[number]]
        numeric = values and all(v[0].isdigit() or v[0] in "-.±–" for v in values)
        column.justify, column.overflow = ("right" if numeric else "left"), "fold"
    for row in cells:
        table.add_row(*(Text(value) for value in row))
    Console(highlight=False, width=width or (None if sys.stdout.isatty() else 140)).print(table)


def listed(rows: Sequence[T], heads: Sequence[str], cells: Callable[[T], Sequence[object]], empty: str) -> Shown:
    """Return rows to show as a table, or what to say where there are none."""
    return Shown(rows, lambda: show_table(heads, map(cells, rows)) if rows else say(empty))


def cell(value: object) -> str:
    """Return a value as a table shows it: fractions with three digits."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def few_labels(labels: Sequence[str], first: Sequence[str] = ()) -> str:
    """Return labels as a list shows them: those that were asked for first, and of many a few."""
    from sam_hub.hub.tags import label_tag

    asked = {label_tag(label) for label in first}
    ordered = sorted(labels, key=lambda label: label_tag(label) not in asked)
    more = len(ordered) - FEW
    return f"{cell(ordered[:FEW])} and {more} more" if more > 1 else cell(ordered)


def file_size(size: float) -> str:
    """Return bytes as people read them."""
    from humanize import naturalsize

    return naturalsize(size)


def say(line: str) -> None:
    """Print a line on standard error, where it does not mix with results."""
    print(line, file=sys.stderr, flush=True)


def confirm(question: str) -> None:
    """Ask; anything but yes ends the command with nothing done."""
    from sam_hub.errors import Interrupted

    try:
        agreed = typer.confirm(question)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise Interrupted("Canceled", "Nothing was changed.")


@dataclass(frozen=True)
class Removal:
    """What a command removes after a question: lines on what goes (none: nothing does), and values for ``--json``."""

    lines: Sequence[str]
    values: Mapping[str, object]
    execute: Callable[[], object]
    question: str = "Remove them?"
    done: str = "Removed."

    def carry_out(self, *, dry_run: bool, yes: bool, as_json: bool) -> Shown:
        """Say what would go, ask, and let it go."""
        require_yes(as_json, yes or dry_run, "Add --yes, or run with --dry-run first.")
        if dry_run and self.lines and not as_json:
            print("Would remove:")
        for line in self.lines if not as_json else ():
            print(line)
        if self.lines and not dry_run:
            if not yes:
                confirm(self.question)
            self.execute()
        silent = dry_run and self.lines
        return Shown({**self.values, "removed": not dry_run}, lambda: None if silent else print(self.done))


def require_yes(as_json: bool, agreed: bool, action: str = "Add --yes.") -> None:
    """Refuse to ask for confirmation in a command that prints only JSON."""
    from sam_hub.errors import UsageError

    if as_json and not agreed:
        raise UsageError("With --json, the command can't ask for confirmation", action)


def started(jobs: Sequence[Job]) -> Shown:
    """Return jobs that were made, to say how to watch them; as JSON, one or a list."""
    values = [{"job": job.id, "state": job.state, "title": job.title} for job in jobs]

    def show() -> None:
        for job in jobs:
            print(f"Job {job.id}: {job.title} ({job.state})")
            say(f"Next: sam-hub jobs logs -f {job.id}")

    return Shown(values if len(values) > 1 else values[0], show)
