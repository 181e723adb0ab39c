"""What commands print: tables, one JSON value, progress on standard error, and questions."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

import typer

from sam_hub.progress import Reporter

if TYPE_CHECKING:
    from rich.progress import Progress, Task

    from sam_hub.catalog.tables import Job
    from sam_hub.services.context import AppContext

T = TypeVar("T")
FEW = 8  # labels of a cell
SECONDS_BETWEEN_LINES = 15
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what the command would do, and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")]
Background = Annotated[bool, typer.Option("--background", help="Run as a background job, and return at once.")]


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


def show_list(
    rows: Sequence[T], heads: Sequence[str], cells: Callable[[T], Sequence[object]], empty: str, *, as_json: bool
) -> None:
    """Print rows as JSON or as a table, or say what to do where there are none."""
    if as_json:
        show_json(rows)
    elif rows:
        show_table(heads, map(cells, rows))
    else:
        say(empty)


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


def remove_after_question(
    lines: Sequence[str],
    values: Mapping[str, object],
    execute: Callable[[], None],
    *,
    question: str = "Remove them?",
    done: str = "Removed.",
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Show what would go, ask, and let it go; as JSON, print ``values`` and whether it went."""
    require_yes(as_json, yes or dry_run, "Add --yes, or run with --dry-run first.")
    for line in lines if not as_json else ():
        print(line)
    if not dry_run:
        if not yes:
            confirm(question)
        execute()
    if as_json:
        show_json({**values, "removed": not dry_run})
    elif not dry_run:
        print(done)


def require_yes(as_json: bool, agreed: bool, action: str = "Add --yes.") -> None:
    """Refuse to ask for confirmation in a command that prints only JSON."""
    from sam_hub.errors import UsageError

    if as_json and not agreed:
        raise UsageError("With --json, the command can't ask for confirmation", action)


def start_jobs(context: AppContext, options: Sequence[Any], *, as_json: bool) -> None:
    """Make a job of each of a service's options, and say how to watch it; as JSON, of one or a list."""
    from sam_hub.jobs.scheduler import Scheduler

    scheduler = Scheduler(context)
    show_started([scheduler.submit(each) for each in options], as_json=as_json)


def show_started(jobs: Sequence[Job], *, as_json: bool) -> None:
    """Say that jobs were made, and how to watch them."""
    if as_json:
        values = [{"job": job.id, "state": job.state, "title": job.title} for job in jobs]
        show_json(values if len(values) > 1 else values[0])
        return
    for job in jobs:
        print(f"Job {job.id}: {job.title} ({job.state})")
        say(f"Next: sam-hub jobs logs -f {job.id}")


class TerminalReporter(Reporter):
    """Shows progress on standard error, and takes it away at the end. Use it as a context manager.

    A terminal gets a bar with rate and time left; anything else a line every 15 seconds.

    Args:
        log: gets the lines of the log; they are dropped where it is None.
    """

    def __init__(self, log: Callable[[str], None] | None = None) -> None:
        self._log = log
        self._stack = ExitStack()
        self._bars: Progress | None = None
        self._what, self._began, self._first, self._shown = "", 0.0, 0, time.monotonic()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bars = self._stack.enter_context(_bars())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def progress(self, what: str, done: int, total: int, unit: str = "") -> None:
        """Show a step."""
        head = what.partition(",")[0]
        if head != self._what:
            self._what, self._began, self._first = head, time.monotonic(), done
            if self._bars:
                for task in self._bars.task_ids:
                    self._bars.remove_task(task)
                self._bars.add_task(f"  {what}", total=total, completed=done, unit=unit)
        elif self._bars:
            self._bars.update(self._bars.task_ids[-1], description=f"  {what}", completed=done, total=total)
        if self._bars is None and time.monotonic() - self._shown > SECONDS_BETWEEN_LINES:
            self._shown = time.monotonic()
            seconds = max(1e-6, self._shown - self._began)
            say(f"  {what}: {counts(done, total, unit, (done - self._first) / seconds)}")

    def log(self, line: str) -> None:
        """Print a line of the log."""
        if self._log is not None:
            self._log(line)


def counts(done: float, total: float, unit: str, rate: float) -> str:
    """Return how far something has come, how quick it is, and the time left."""
    if unit == "B":
        text, speed = f"{file_size(done)} of {file_size(total)}", f"{file_size(rate)}/s"
    else:
        text, speed = f"{done:g} of {total:g} {unit}".rstrip(), f"{rate:,.1f}/s"
    if rate <= 0 or total <= done:
        return text
    minutes, seconds = divmod(int((total - done) / rate), 60)
    return f"{text}  {speed}  {minutes}:{seconds:02} left"


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
    from rich.text import Text

    class Counts(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(counts(task.completed, task.total or 0, task.fields["unit"], task.speed or 0))

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        Counts(),
        console=Console(stderr=True),
        transient=True,
    )
