"""The jobs: in a few lines below the tabs, and one of them with all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from sam_hub.jobs.fields import filled_fields
from sam_hub.tui.messages import TabRequested
from sam_hub.tui.source import JobView
from sam_hub.tui.symbols import Symbols, cut, progress_bar, state_sign
from sam_hub.tui.widgets.details import fact_lines
from sam_hub.tui.widgets.reading import Line

LINES, LINE_BAR = 3, 20  # of the pane below the tabs
FACTS_BAR = 12
MOST_FIELDS, MOST_CELLS = 12, 160  # of arguments and results: some hold whole rankings
LOG_CELLS = 400  # of a line of a log


def clock(seconds: float | None, symbols: Symbols) -> str:
    """Return a time as people read it: ``0:07``, ``1:02:03``."""
    if seconds is None:
        return symbols.nothing
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def job_line(view: JobView, symbols: Symbols, width: int) -> Text:
    """Return a job in one line of at most ``width`` cells: sign, title, bar, what it does, time."""
    line = Text(f"{state_sign(symbols, view.job.state)} ", no_wrap=True, overflow="ellipsis")
    if view.progress is None:
        line.append(f"{view.job.title}  {view.job.state}")
    else:
        bar = progress_bar(symbols, view.share, LINE_BAR)
        tail = f" {bar} {view.share:4.0%}  {view.progress.what}  {clock(view.seconds or 0, symbols)}"
        title = Text(view.job.title, no_wrap=True)
        title.truncate(max(10, width - len(tail) - 4), overflow="ellipsis", pad=True)
        line.append(title)
        line.append(tail)
    line.truncate(width, overflow="ellipsis")
    return line


class JobsPane(Line):
    """The active jobs, those that run before those that wait; gone when there is none. A click opens the Jobs tab."""

    def __init__(self, symbols: Symbols) -> None:
        super().__init__(id="jobs-pane")
        self._symbols = symbols
        self._views: list[JobView] = []

    def show(self, active: Sequence[JobView], *, hidden: bool) -> None:
        """Show these jobs."""
        self._views = sorted(active, key=lambda view: (view.job.state == "queued", view.id))
        self.display = bool(self._views) and not hidden
        self._draw()

    def on_mount(self) -> None:
        self.display = False

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        running = sum(view.job.state != "queued" for view in self._views)
        head = f"Jobs: {running} running, {len(self._views) - running} queued"
        if self.border_title != head:
            self.border_title = head
        lines = LINES if self.screen.has_class("-tall") else 1
        width = max(20, self.size.width)
        more = f" +{len(self._views) - lines} more" if len(self._views) > lines else ""
        shown = [job_line(view, self._symbols, width - len(more)) for view in self._views[:lines]]
        if more:
            shown[-1].append(more)
        self.put(Text("\n").join(shown))

    def on_click(self) -> None:
        """Open the tab."""
        self.post_message(TabRequested("jobs"))


def job_text(view: JobView, state: str, log: Text, symbols: Symbols) -> Text:
    """Return all that is known of a job: why it failed or what came of it, its log, and its arguments."""
    arguments = _fields_text("Arguments", view.job.arguments, symbols)
    return Text("\n").join(part for part in (_facts(view, state, symbols), log, arguments) if part)


def _facts(view: JobView, state: str, symbols: Symbols) -> Text:
    job = view.job
    took = clock(view.seconds, symbols) if job.started_at else ""
    facts = [("state", f"{state_sign(symbols, state)} {state}  {took}".rstrip())]
    if (progress := view.progress) is not None:
        bar = f"{progress_bar(symbols, view.share, FACTS_BAR)} {view.share:.0%}"
        what = cut(progress.what, MOST_CELLS, symbols)
        facts.append(("does", f"{bar} {what} ({progress.done:,} of {progress.total:,})"))
    moments = (("started", job.started_at), ("ended", job.ended_at))
    facts += [(name, f"{moment.astimezone():%Y-%m-%d %H:%M:%S}") for name, moment in moments if moment]
    text = fact_lines(facts)
    if job.error_title:
        text.append(f"\n{symbols.missing} {cut(job.error_title, 3 * MOST_CELLS, symbols)}\n", style="bold")
        text.append(f"{cut(job.error_action or '', 3 * MOST_CELLS, symbols)}\n")
    text.append_text(_fields_text("Result", job.result or {}, symbols))
    text.rstrip()
    return text


def _fields_text(head: str, values: Mapping[str, Any], symbols: Symbols) -> Text:
    """Return names and values that are not empty, a line each."""
    filled, text = filled_fields(values), Text()
    if filled:
        text.append(f"\n{head}\n", style="bold")
    for name, words in list(filled.items())[:MOST_FIELDS]:
        text.append(f"{cut(name, 24, symbols)} {cut(words, MOST_CELLS, symbols)}\n")
    if len(filled) > MOST_FIELDS:
        text.append(f"and {len(filled) - MOST_FIELDS} more\n", style="italic")
    return text


def log_text(lines: Sequence[str], symbols: Symbols) -> Text:
    """Return the end of a job's log."""
    text = Text()
    text.append("\nIts log ends\n" if lines else "\nNo log.\n", style="bold" if lines else "")
    return text.append("\n".join(cut(line, LOG_CELLS, symbols) for line in lines))
