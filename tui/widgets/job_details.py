"""All that is known of one job: its state, why it failed or what came of it, its arguments, and its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from sam_hub.jobs.progress import seconds_of
from tui.symbols import Symbols, cut, progress_bar, state_sign
from tui.widgets.details import fact_lines
from tui.widgets.job_table import clock
from tui.widgets.reading import ReadingPane

if TYPE_CHECKING:
    from tui.source import JobView

BAR = 12
MOST_FIELDS, MOST_CELLS = 12, 160  # of arguments and results: some hold whole rankings
MOST_LINES, LEAST_LINES = 20, 4  # of a log
LINE = 400  # cells of a line of the log


def job_facts(view: JobView, state: str, symbols: Symbols) -> Text:
    """What is known of a job; ``state`` as it is shown in the table."""
    job, progress = view.job, view.progress
    took = clock(seconds_of(job), symbols)
    facts = [("state", f"{state_sign(symbols, state)} {state}  {took if job.started_at else ''}".rstrip())]
    if progress is not None:
        share = progress.done / progress.total if progress.total else 0.0
        bar = f"{progress_bar(symbols, share, BAR)} {min(share, 1):.0%}"
        what = cut(progress.what, MOST_CELLS, symbols)
        facts.append(("does", f"{bar} {what} ({progress.done:,} of {progress.total:,})"))
    facts += [
        (name, _moment(moment))
        for name, moment in (("started", job.started_at), ("ended", job.ended_at))
        if moment
    ]
    text = fact_lines(facts)
    if job.error_title:
        text.append(f"\n{symbols.missing} {cut(job.error_title, 3 * MOST_CELLS, symbols)}\n", style="bold")
        text.append(f"{cut(job.error_action or '', 3 * MOST_CELLS, symbols)}\n")
    text.append_text(fields_text("Result", job.result or {}, symbols))
    return text


def fields_text(head: str, values: Mapping[str, Any], symbols: Symbols) -> Text:
    """Names and values that are not empty, a line each."""
    there = {key: value for key, value in values.items() if value not in (None, "", [], {})}
    text = Text()
    if there:
        text.append(f"\n{head}\n", style="bold")
    for key, value in list(there.items())[:MOST_FIELDS]:
        text.append(f"{cut(key, 24, symbols)} ")
        text.append(f"{cut(_plain(value), MOST_CELLS, symbols)}\n")
    if len(there) > MOST_FIELDS:
        text.append(f"and {len(there) - MOST_FIELDS} more\n", style="italic")
    return text


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        if any(isinstance(item, (Mapping, list, tuple)) for item in value):
            return f"{len(value)} {'entry' if len(value) == 1 else 'entries'}"
        return ", ".join(map(_plain, value))
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


class JobDetails(ReadingPane):
    """The job under the cursor."""

    def __init__(self) -> None:
        super().__init__(id="job-details")

    def compose(self) -> ComposeResult:
        yield Static(id="job-facts", markup=False)
        yield Static(id="job-log", markup=False)
        yield Static(id="job-arguments", markup=False)

    @property
    def log_lines(self) -> int:
        """How many lines of a log fit beside what else is to be seen at once."""
        return min(MOST_LINES, max(LEAST_LINES, self.size.height // 2))

    def show(self, view: JobView, state: str, symbols: Symbols) -> None:
        """Show a job."""
        title = cut(f"Job {view.job.id}: {view.job.title}", max(10, self.size.width - 4), symbols)
        self.border_title = Text(title)
        facts = job_facts(view, state, symbols)
        facts.rstrip()
        self.query_one("#job-facts", Static).update(facts)
        arguments = fields_text("Arguments", view.job.arguments, symbols)
        self.query_one("#job-arguments", Static).update(arguments)

    def show_log(self, lines: Sequence[str], symbols: Symbols) -> None:
        """Show the last lines of its log."""
        text = Text()
        text.append("\nIts log ends\n" if lines else "\nNo log.\n", style="bold" if lines else "")
        text.append("\n".join(cut(line, LINE, symbols) for line in lines))
        self.query_one("#job-log", Static).update(text)
