"""Jobs: what runs, what waits, what ran and how it ended; the log of the one under the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult

from sam_hub.tui.messages import JobsChanged, background
from sam_hub.tui.screens.dialogs import Question
from sam_hub.tui.source import ENDED, JobView
from sam_hub.tui.state import AppState
from sam_hub.tui.symbols import plural, progress_bar, state_sign
from sam_hub.tui.tabs.base import BaseTab
from sam_hub.tui.widgets.jobs import clock, job_text, log_text
from sam_hub.tui.widgets.reading import ReadingPane
from sam_hub.tui.widgets.table import Column, Table

CURSOR_REST = 0.05  # seconds that the cursor stays on a row until its log is read
MOST_LOG, LEAST_LOG = 20, 4  # lines of a log
STATE, TIME, BAR, LEAST = 14, 7, 10, 10  # cells
NO_JOB = "No jobs yet. Every pull, ranking, merge, evaluation, and push is a job."


class JobsTab(BaseTab):
    """A table of jobs, and beside it (below it on a small terminal) all about the one under the cursor."""

    NAME = "jobs"
    HELP = (
        "Long work runs as a job: a process of its own, which continues when you close this window. This tab shows "
        "the progress and the log of each job. You can cancel a job, or run it again: it reuses finished work. Enter "
        "moves to the details, and Esc moves back to the table."
    )
    ALWAYS_LOAD: ClassVar = True

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self.table: Table[JobView] = Table(self.symbols, lambda view: str(view.id), self._columns, id="jobs-table")
        self.details = ReadingPane(self.symbols, "job-details")
        self._cancelling: set[int] = set()
        self._shown: int | None = None  # the job whose details are shown
        self._log = Text()  # of that job

    def body(self) -> ComposeResult:
        yield self.table
        yield self.details

    def _columns(self, width: int) -> Sequence[Column[JobView]]:
        number = max(len(str(view.id)) for view in self.state.jobs) if self.state.jobs else 3
        return (
            Column("job", "job", lambda view: str(view.id), max(3, number), right=True),
            Column("state", "state", self._state_cell, STATE),
            Column("title", "title", lambda view: view.job.title, least=LEAST),
            Column("progress", "progress", self._progress_cell, least=LEAST),
            Column("time", "time", lambda view: clock(view.seconds, self.symbols), TIME, right=True),
        )

    def _state(self, view: JobView) -> str:
        """Return a job's state; one that was asked to end is cancelling, whatever the catalog says yet."""
        return "cancelling" if view.is_active and view.id in self._cancelling else view.job.state

    def _state_cell(self, view: JobView) -> Text:
        state = self._state(view)
        asks_for_a_look = state in ("running", "cancelling", "failed", "interrupted")
        return Text(f"{state_sign(self.symbols, state)} {state}", "bold" if asks_for_a_look else "")

    def _progress_cell(self, view: JobView) -> str:
        """Say what a job does and how much of it is done; of one that failed, why."""
        if view.job.state == "queued":
            return "waits for its turn"
        if view.progress is None:
            return view.job.error_title or ""
        return f"{progress_bar(self.symbols, view.share, BAR)} {view.share:4.0%} {view.progress.what}"

    async def load(self) -> None:
        """Show the jobs as the app has seen them last."""
        if self.state.jobs_known:
            self._show()

    def jobs_listed(self, ended: list[JobView]) -> None:
        """Show them; the tab does so itself when it is opened."""
        if self.is_shown:
            self._show()

    def _show(self) -> None:
        jobs, active = self.state.jobs, len(self.state.active_jobs)
        if (message := "" if jobs else NO_JOB) != self.message:
            self.show_message(message)
            self.call_after_refresh(self.keep_focus)
        on_top = self.table.scroll_y == 0
        self.table.fill(jobs)
        if on_top:  # a new job stands above all, and is to be seen
            self.table.scroll_home(animate=False, force=True)
        self.table.border_title = f"Jobs: {active} active, {len(jobs) - active} ended"

    @on(Table.RowHighlighted)
    def _show_current(self) -> None:
        """Show the details, what can be done with this job, and its log."""
        if (view := self.table.row) is None:
            return
        if view.id != self._shown:
            self._shown, self._log = view.id, Text()
            self.details.scroll_home(animate=False)
        self._show_details(view)
        self._read_log(view)
        self.app.refresh_bindings()

    def _show_details(self, view: JobView) -> None:
        text = job_text(view, self._state(view), self._log, self.symbols)
        self.details.show(text, f"Job {view.id}: {view.job.title}")

    @background(rest=CURSOR_REST)
    async def _read_log(self, view: JobView) -> None:
        lines = min(MOST_LOG, max(LEAST_LOG, self.details.size.height // 2))  # beside what else is to be seen at once
        tail = await self.source.schedule(lambda scheduler: scheduler.log_tail(view.id, lines))
        if self.table.row is not None and self.table.row.id == view.id:
            self._log = log_text(tail, self.symbols)
            self._show_details(self.table.row)

    @on(Table.RowSelected)
    def _opened(self) -> None:
        self.details.focus()

    def can(self, action: str) -> bool:
        """What is active can be cancelled, what has ended can be run again or forgotten."""
        view = self.table.row
        if action == "forget":
            return len(self.state.active_jobs) < len(self.state.jobs)
        if view is None:
            return False
        return view.is_active and view.id not in self._cancelling if action == "cancel" else not view.is_active

    @background(exclusive=False)
    async def do_cancel(self) -> None:
        """Cancel the job under the cursor; the table says so at once, the process has some seconds."""
        if (view := self.table.row) is None:
            return
        self._cancelling.add(view.id)
        self._show()
        try:
            await self.source.cancel(view.id)
        finally:
            self._cancelling.discard(view.id)
        self.post_message(JobsChanged())

    @background(exclusive=False)
    async def do_retry(self) -> None:
        if (view := self.table.row) is not None:
            await self.source.schedule(lambda scheduler: scheduler.retry(view.id))
            self.post_message(JobsChanged())

    @background()
    async def do_forget(self) -> None:
        """Forget the job under the cursor, or all that have ended, after a question that says how many."""
        from sam_hub.catalog.jobs import list_jobs

        jobs = await self.source.read(list_jobs, self.source.context.catalog, states=ENDED)
        ended, here = [job.id or 0 for job in jobs], self.table.row.id if self.table.row else None
        if not ended:
            return
        choices: list[tuple[str, str, list[int] | None]] = [("a", f"All {len(ended)} ended", ended)]
        if here in ended:
            choices.insert(0, ("o", f"Only job {here}", [here]))
        if len(ended) == 1:
            choices = [("o", f"Remove job {ended[0]}", ended)]
        title = f"{len(ended)} {'job has' if len(ended) == 1 else 'jobs have'} ended: which do you want to remove?"
        body = "This removes ended jobs and their logs. Their results stay. Jobs that wait or run stay, too."
        chosen = await self.app.push_screen_wait(Question(title, body, [*choices, ("b", "Back", None)]))
        if isinstance(chosen, list):
            removed = await self.source.schedule(lambda scheduler: scheduler.remove(chosen))
            self.say(f"Removed: {plural(len(removed), 'job')}", 3)
            self.post_message(JobsChanged())

    def copied(self) -> str:
        """Return why the job failed, or the address that came of it, or its title."""
        if (view := self.table.row) is None:
            return ""
        return view.reason or str((view.job.result or {}).get("url") or view.job.title)
