"""The jobs as a table, updated cell by cell while they run, so that the cursor stays where it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from sam_hub.jobs.progress import seconds_of
from tui.symbols import Symbols, cut, progress_bar, state_sign
from tui.widgets.table import Table

if TYPE_CHECKING:
    from tui.app import SamHubApp
    from tui.source import JobView

STATE, TIME, BAR = 14, 7, 10
LEAST = 10  # cells for a title, and for what a job does


def clock(seconds: float | None, symbols: Symbols) -> str:
    """A time as people read it: ``0:07``, ``1:02:03``."""
    if seconds is None:
        return symbols.nothing
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def columns(width: int, digits: int) -> list[tuple[str, str, int]]:
    """The columns (key, head, width) that fit into ``width`` cells."""
    number = max(3, digits)
    room = width - number - STATE - TIME - 5  # one cell after each column
    title = max(LEAST, room // 2)
    sizes = {
        "job": number,
        "state": STATE,
        "title": title,
        "progress": max(LEAST, room - title),
        "time": TIME,
    }
    return [(key, key, size) for key, size in sizes.items()]


def how_far(view: JobView, symbols: Symbols, width: int) -> str:
    """What a job does and how much of it is done; of one that failed, why."""
    job, progress = view.job, view.progress
    if job.state == "queued":
        return "waits for its turn"
    if progress is None:
        return job.error_title or ""
    bar = min(BAR, width // 3)
    share = progress.done / progress.total if progress.total else 0.0
    return f"{progress_bar(symbols, share, bar)} {min(share, 1):4.0%} {progress.what}"


class JobTable(Table):
    """One row a job; its key is the job's number."""

    app: SamHubApp

    def __init__(self) -> None:
        super().__init__(id="jobs-table", classes="pane")
        self._columns_now: list[tuple[str, str, int]] = []
        self._shown: dict[str, list[Text]] = {}

    def show(self, views: Sequence[JobView], cancelling: Collection[int]) -> None:
        """Show these jobs; those in ``cancelling`` were asked to end, whatever the catalog says yet."""
        width = self.size.width - self.gutter.width - self.scrollbar_size_vertical
        digits = len(str(views[0].job.id)) if views else 0
        wanted = columns(max(50, width), digits)
        rows = {str(view.job.id): self._cells(view, wanted, cancelling) for view in views}
        if wanted != self._columns_now or list(rows) != list(self._shown):
            key = self.key_under_cursor
            if wanted != self._columns_now:
                self.set_columns(wanted)
                self._columns_now = wanted
            on_top = self.scroll_y == 0
            self.fill(list(rows.items()), key)
            if on_top:  # a new job stands above all, and is to be seen
                self.scroll_home(animate=False, force=True)
        else:
            self._update(rows)
        self._shown = rows

    def _update(self, rows: dict[str, list[Text]]) -> None:
        for number, cells in rows.items():
            for (column, _, _), cell, before in zip(
                self._columns_now, cells, self._shown[number], strict=True
            ):
                if cell != before:
                    self.update_cell(number, column, cell)

    def _cells(
        self, view: JobView, shown: list[tuple[str, str, int]], cancelling: Collection[int]
    ) -> list[Text]:
        symbols, job = self.app.symbols, view.job
        state = "cancelling" if view.is_active and job.id in cancelling else job.state
        texts = {
            "job": str(job.id),
            "state": f"{state_sign(symbols, state)} {state}",
            "title": job.title,
            "time": clock(seconds_of(job), symbols),
        }
        cells = []
        for key, _, width in shown:
            text = how_far(view, symbols, width) if key == "progress" else texts[key]
            clean = cut(text, width, symbols)
            cells.append(
                Text(clean.rjust(width) if key in ("job", "time") else clean, style=_style(key, state))
            )
        return cells


def _style(key: str, state: str) -> str:
    """What asks for a look is bold; what is over and well is quiet."""
    if key != "state":
        return ""
    return "bold" if state in ("running", "cancelling", "failed", "interrupted") else ""
