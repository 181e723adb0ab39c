"""What runs now: a few lines below the tabs, one on a small terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tui.symbols import Symbols, progress_bar, state_sign
from tui.widgets.line import Line

if TYPE_CHECKING:
    from tui.app import SamHubApp
    from tui.source import JobView

LINES, BAR = 3, 20


def job_line(view: JobView, symbols: Symbols, width: int) -> Text:
    """A job in one line of at most ``width`` cells: sign, title, bar, what it does, time."""
    job, progress = view.job, view.progress
    line = Text(f"{state_sign(symbols, job.state)} ", no_wrap=True, overflow="ellipsis")
    if progress is None:
        line.append(f"{job.title}  {job.state}")
    else:
        share = progress.done / progress.total if progress.total else 0.0
        minutes, seconds = divmod(int(view.seconds), 60)
        tail = f" {progress_bar(symbols, share, BAR)} {share:4.0%}  {progress.what}  {minutes}:{seconds:02}"
        title = Text(job.title, no_wrap=True)
        title.truncate(max(10, width - len(tail) - 4), overflow="ellipsis", pad=True)
        line.append(title)
        line.append(tail)
    line.truncate(width, overflow="ellipsis")
    return line


class JobsPane(Line):
    """The active jobs, those that run before those that wait; gone when there is none. A click opens the Jobs tab."""

    app: SamHubApp

    def __init__(self) -> None:
        super().__init__(id="jobs-pane")
        self._views: list[JobView] = []

    def show(self, views: list[JobView]) -> None:
        """Show the active ones among these."""
        self._views = [view for view in reversed(views) if view.is_active]
        self._views.sort(key=lambda view: view.job.state == "queued")
        self.display = bool(self._views) and self.app.switcher.current != "jobs"  # they are listed there
        self._draw()

    def on_mount(self) -> None:
        self.display = False

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        running = sum(v.job.state != "queued" for v in self._views)
        head = f"Jobs: {running} running, {len(self._views) - running} queued"
        if self.border_title != head:
            self.border_title = head
        lines = LINES if self.app.screen.has_class("-tall") else 1
        width = max(20, self.size.width)
        more = f" +{len(self._views) - lines} more" if len(self._views) > lines else ""
        shown = [job_line(view, self.app.symbols, width - len(more)) for view in self._views[:lines]]
        if more:
            shown[-1].append(more)
        self.put(Text("\n").join(shown))

    async def on_click(self) -> None:
        """Open the tab."""
        await self.app.go("jobs")
