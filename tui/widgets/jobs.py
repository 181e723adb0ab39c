"""The jobs: as a table, in a few lines below the tabs, and one of them with all that is known of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.text import Text

from sam_hub.tui.messages import TabRequested
from sam_hub.tui.source import JobView
from sam_hub.tui.symbols import Symbols, cut, progress_bar, state_sign
from sam_hub.tui.widgets.details import fact_lines
from sam_hub.tui.widgets.reading import Line, ReadingPane
from sam_hub.tui.widgets.table import Table

STATE, TIME, BAR = 14, 7, 10  # cells
LEAST = 10  # cells for a title, and for what a job does
LINES, LINE_BAR = 3, 20  # of the pane below the tabs
FACTS_BAR = 12
MOST_FIELDS, MOST_CELLS = 12, 160  # of arguments and results: some hold whole rankings
MOST_LOG, LEAST_LOG, LOG_CELLS = 20, 4, 400  # lines of a log, and cells of a line


def clock(seconds: float | None, symbols: Symbols) -> str:
    """Return a time as people read it: ``0:07``, ``1:02:03``."""
    if seconds is None:
        return symbols.nothing
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


# --- the table -----------------------------------------------------------------------------------------


def columns(width: int, digits: int) -> list[tuple[str, str, int]]:
    """Return the columns (key, head, width) that fit into ``width`` cells."""
    number = max(3, digits)
    room = width - number - STATE - TIME - 5  # one cell after each column
    title = max(LEAST, room // 2)
    sizes = {"job": number, "state": STATE, "title": title, "progress": max(LEAST, room - title), "time": TIME}
    return [(key, key, size) for key, size in sizes.items()]


def how_far(view: JobView, symbols: Symbols, width: int) -> str:
    """Say what a job does and how much of it is done; of one that failed, why."""
    if view.job.state == "queued":
        return "waits for its turn"
    if view.progress is None:
        return view.job.error_title or ""
    bar = progress_bar(symbols, view.share, min(BAR, width // 3))
    return f"{bar} {view.share:4.0%} {view.progress.what}"


class JobTable(Table):
    """One row a job; its key is the job's number. Cells are updated in place, so that the cursor stays."""

    def __init__(self, symbols: Symbols) -> None:
        super().__init__(id="jobs-table", classes="pane")
        self._symbols = symbols
        self._shown: dict[str, list[Text]] = {}

    def show(self, views: Sequence[JobView], cancelling: Collection[int]) -> None:
        """Show these jobs; those in ``cancelling`` were asked to end, whatever the catalog says yet."""
        width = self.size.width - self.gutter.width - self.scrollbar_size_vertical
        wanted = columns(max(50, width), len(str(views[0].id)) if views else 0)
        rows = {str(view.id): self._cells_of(view, wanted, cancelling) for view in views}
        same_columns = wanted == [(c.key, c.head, c.width) for c in self.columns]
        if same_columns and list(rows) == list(self._shown):
            self._update(rows)
        else:
            key, on_top = self.key_under_cursor, self.scroll_y == 0
            if not same_columns:
                self.set_columns(wanted)
            self.fill(rows.items(), key)
            if on_top:  # a new job stands above all, and is to be seen
                self.scroll_home(animate=False, force=True)
        self._shown = rows

    def _update(self, rows: Mapping[str, list[Text]]) -> None:
        for number, cells in rows.items():
            for column, cell, before in zip(self.columns, cells, self._shown[number], strict=True):
                if cell != before:
                    self.update_cell(number, column.key, cell)

    def _cells_of(
        self, view: JobView, shown: Sequence[tuple[str, str, int]], cancelling: Collection[int]
    ) -> list[Text]:
        symbols = self._symbols
        state = "cancelling" if view.is_active and view.id in cancelling else view.job.state
        texts = {
            "job": str(view.id),
            "state": f"{state_sign(symbols, state)} {state}",
            "title": view.job.title,
            "time": clock(view.seconds, symbols),
        }
        asks_for_a_look = state in ("running", "cancelling", "failed", "interrupted")
        cells = []
        for key, _, width in shown:
            text = cut(how_far(view, symbols, width) if key == "progress" else texts[key], width, symbols)
            style = "bold" if key == "state" and asks_for_a_look else ""
            cells.append(Text(text.rjust(width) if key in ("job", "time") else text, style=style))
        return cells


# --- below the tabs ------------------------------------------------------------------------------------


def job_line(view: JobView, symbols: Symbols, width: int) -> Text:
    """Return a job in one line of at most ``width`` cells: sign, title, bar, what it does, time."""
    line = Text(f"{state_sign(symbols, view.job.state)} ", no_wrap=True, overflow="ellipsis")
    if view.progress is None:
        line.append(f"{view.job.title}  {view.job.state}")
    else:
        bar = progress_bar(symbols, view.share, LINE_BAR)
        minutes, seconds = divmod(int(view.seconds or 0), 60)
        tail = f" {bar} {view.share:4.0%}  {view.progress.what}  {minutes}:{seconds:02}"
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

    def show(self, views: Sequence[JobView], *, hidden: bool) -> None:
        """Show the active ones among these."""
        self._views = [view for view in reversed(views) if view.is_active]
        self._views.sort(key=lambda view: view.job.state == "queued")
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


# --- one job -------------------------------------------------------------------------------------------


def job_facts(view: JobView, state: str, symbols: Symbols) -> Text:
    """Return what is known of a job; ``state`` as it is shown in the table."""
    job = view.job
    took = clock(view.seconds, symbols) if job.started_at else ""
    facts = [("state", f"{state_sign(symbols, state)} {state}  {took}".rstrip())]
    if (progress := view.progress) is not None:
        bar = f"{progress_bar(symbols, view.share, FACTS_BAR)} {view.share:.0%}"
        what = cut(progress.what, MOST_CELLS, symbols)
        facts.append(("does", f"{bar} {what} ({progress.done:,} of {progress.total:,})"))
    moments = (("started", job.started_at), ("ended", job.ended_at))
    facts += [(name, _moment(moment)) for name, moment in moments if moment]
    text = fact_lines(facts)
    if job.error_title:
        text.append(f"\n{symbols.missing} {cut(job.error_title, 3 * MOST_CELLS, symbols)}\n", style="bold")
        text.append(f"{cut(job.error_action or '', 3 * MOST_CELLS, symbols)}\n")
    text.append_text(fields_text("Result", job.result or {}, symbols))
    text.rstrip()
    return text


def fields_text(head: str, values: Mapping[str, Any], symbols: Symbols) -> Text:
    """Return names and values that are not empty, a line each."""
    filled = {key: value for key, value in values.items() if value not in (None, "", [], {})}
    text = Text()
    if filled:
        text.append(f"\n{head}\n", style="bold")
    for key, value in list(filled.items())[:MOST_FIELDS]:
        text.append(f"{cut(key, 24, symbols)} ")
        text.append(f"{cut(_plain(value), MOST_CELLS, symbols)}\n")
    if len(filled) > MOST_FIELDS:
        text.append(f"and {len(filled) - MOST_FIELDS} more\n", style="italic")
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


def log_text(lines: Sequence[str], symbols: Symbols) -> Text:
    """Return the end of a job's log."""
    text = Text()
    text.append("\nIts log ends\n" if lines else "\nNo log.\n", style="bold" if lines else "")
    return text.append("\n".join(cut(line, LOG_CELLS, symbols) for line in lines))


class JobDetails(ReadingPane):
    """The job under the cursor: its state, why it failed or what came of it, its log, and its arguments."""

    def __init__(self, symbols: Symbols) -> None:
        super().__init__("job-details")
        self._symbols = symbols
        self._view: JobView | None = None
        self._state, self._log = "", Text()

    @property
    def log_lines(self) -> int:
        """How many lines of a log fit beside what else is to be seen at once."""
        return min(MOST_LOG, max(LEAST_LOG, self.size.height // 2))

    def show_job(self, view: JobView, state: str) -> None:
        """Show a job; the log of another one goes."""
        if self._view is None or self._view.id != view.id:
            self._log = Text()
        self._view, self._state = view, state
        title = f"Job {view.id}: {view.job.title}"
        self.border_title = Text(cut(title, max(10, self.size.width - 4), self._symbols))
        self._draw()

    def show_log(self, lines: Sequence[str]) -> None:
        """Show the last lines of its log."""
        self._log = log_text(lines, self._symbols)
        self._draw()

    def _draw(self) -> None:
        if self._view is None:
            return
        facts = job_facts(self._view, self._state, self._symbols)
        arguments = fields_text("Arguments", self._view.job.arguments, self._symbols)
        parts = [part for part in (facts, self._log, arguments) if part]
        self.show(Text("\n").join(parts))
