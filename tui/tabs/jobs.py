"""Jobs: what runs, what waits, what ran and how it ended; the log of the one under the cursor."""

from __future__ import annotations

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import DataTable, Static

from tui.messages import JobsSeen
from tui.source import ENDED, JobView
from tui.tabs.tab import BaseTab
from tui.widgets.job_details import JobDetails
from tui.widgets.job_table import JobTable

CURSOR_REST = 0.05  # seconds that the cursor stays on a row until its log is read


class JobsTab(BaseTab):
    """A table of jobs, and beside it (below it on a small terminal) all about the one under the cursor."""

    NAME = "jobs"
    HELP = (
        "Everything that takes long is a job: a process of its own, which goes on when this window is closed. "
        "Here you see how far each has come and what it says, cancel it, or run it once more; it goes on where it "
        "can. Enter goes into the details, Esc back to the table."
    )
    SCOPED_CSS = False  # the rules for small terminals begin at the screen
    DEFAULT_CSS = """
    #jobs-body { height: 1fr; }
    #jobs-table { width: 2fr; }
    #job-details { width: 1fr; min-width: 40; }
    .-narrow #jobs-body { layout: vertical; }
    .-narrow #jobs-table, .-narrow #job-details { width: 100%; min-width: 0; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._views: list[JobView] = []
        self._cancelling: set[int] = set()
        self._seen: tuple[object, ...] = ()
        self._timer = None

    def compose(self) -> ComposeResult:
        yield Static("Loading ...", id="jobs-empty", classes="empty", markup=False)
        with Horizontal(id="jobs-body"):
            yield JobTable()
            yield JobDetails()

    def on_mount(self) -> None:
        self.query_one("#jobs-body").display = False

    @property
    def table(self) -> JobTable:
        """The table."""
        return self.query_one(JobTable)

    @property
    def current(self) -> JobView | None:
        """The job under the cursor."""
        key = self.table.key_under_cursor
        return next((view for view in self._views if str(view.job.id) == key), None)

    def focus_first(self) -> None:
        """The table, if there is any job."""
        if self._views:
            self.table.focus()

    # --- showing ---------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Show the jobs as the app has seen them last."""
        if self.app.jobs_known:
            self.call_after_refresh(self._show, self.app.jobs)  # once the table knows its width

    def jobs_seen(self, jobs: list[JobView], ended: list[JobView]) -> None:
        """Show them, or do so when the tab is opened."""
        if self.is_shown:
            self._show(jobs)
        else:
            self.stale = True

    def _show(self, views: list[JobView]) -> None:
        first = bool(views) and not self._views
        self._views = views
        self.query_one("#jobs-body").display = bool(views)
        empty = self.query_one("#jobs-empty", Static)
        empty.display = not views
        if not views:
            empty.update("No job yet. Whatever takes long becomes one: a pull, a ranking, a merge, a push.")
            self.app.refresh_bindings()
            return
        if first:  # the table has a width after the next layout
            self.call_after_refresh(self._fill)
        else:
            self._fill()

    def _fill(self) -> None:
        if not self._views:
            return
        self.table.show(self._views, self._cancelling)
        active = sum(view.is_active for view in self._views)
        self.table.border_title = f"Jobs: {active} active, {len(self._views) - active} ended"
        if self.is_shown and self.app.focused is None and self.app.screen is self.screen:
            self.table.focus()
        self._show_current()

    def _show_current(self) -> None:
        """The details; what can be done with this job; its log, if that can have grown."""
        view = self.current
        if view is None:
            return
        state = self._state_of(view)
        self.query_one(JobDetails).show(view, state, self.symbols)
        seen = (view.job.id, state, any(other.job.state in ENDED for other in self._views))
        if seen != self._seen or view.is_active:
            self._log_later(view.job.id or 0, other=seen[:1] != self._seen[:1])
        if seen != self._seen:
            self._seen = seen
            self.app.refresh_bindings()

    def _state_of(self, view: JobView) -> str:
        return "cancelling" if view.is_active and view.job.id in self._cancelling else view.job.state

    def _log_later(self, job_id: int, other: bool) -> None:
        """Read a log when the cursor rests: a held arrow key passes by many jobs."""
        if self._timer is not None:
            self._timer.stop()
        if other:
            self.query_one(JobDetails).scroll_home(animate=False)
        self._timer = self.set_timer(CURSOR_REST, lambda: self._read_log(job_id))

    @work(exclusive=True, group="job-log")
    async def _read_log(self, job_id: int) -> None:
        from sam_hub.jobs.progress import log_tail

        most = self.query_one(JobDetails).log_lines
        lines = await self.guarded(self.source.read(log_tail, self.app.settings, job_id, most))
        if lines is not None and self.current is not None and self.current.job.id == job_id:
            self.query_one(JobDetails).show_log(lines, self.symbols)

    @on(DataTable.RowHighlighted)
    def _row_changed(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        self._show_current()

    @on(DataTable.RowSelected)
    def _opened(self, event: DataTable.RowSelected) -> None:
        event.stop()
        self.query_one(JobDetails).focus()

    def on_resize(self) -> None:
        """The columns follow the width."""
        self.call_after_refresh(self._fill)

    # --- actions ---------------------------------------------------------------------------------------

    def can(self, action: str) -> bool | None:
        """What is active can be cancelled, what has ended can be run again or forgotten."""
        view = self.current
        possible = {
            "cancel": view is not None and view.is_active and view.job.id not in self._cancelling,
            "retry": view is not None and not view.is_active,
            "forget": any(not other.is_active for other in self._views),
        }
        return True if possible[action] else None

    @work(group="cancel")
    async def do_cancel(self) -> None:
        """Cancel the job under the cursor; the table says so at once, the process has some seconds."""
        if (view := self.current) is None or view.job.id is None:
            return
        self._cancelling.add(view.job.id)
        self._fill()
        await self.app.cancel_job(view.job.id)
        self._cancelling.discard(view.job.id)

    @work
    async def do_retry(self) -> None:
        """Run the job under the cursor once more."""
        if (view := self.current) is None or view.job.id is None:
            return
        job = await self.guarded(self.source.retry(view.job.id))
        if job is not None:
            self.app.job_made(job)

    @work
    async def do_forget(self) -> None:
        """Forget the job under the cursor, or all that have ended, after a question that says how many."""
        from tui.screens.question import Question

        ended = await self.guarded(self.source.ended_jobs())
        if not ended:
            return
        here = self.current.job.id if self.current else None
        choices: list[tuple[str, str, object]] = [("a", f"All {len(ended)} ended", ended)]
        if here in ended:
            choices.insert(0, ("o", f"Only job {here}", [here]))
        if len(ended) == 1:
            choices = [("o", f"Forget job {ended[0]}", ended)]
        title = f"{len(ended)} {'job has' if len(ended) == 1 else 'jobs have'} ended: forget which?"
        body = "Only ended jobs go, with their logs. What they made stays; jobs that wait or run stay, too."
        chosen = await self.app.push_screen_wait(Question(title, body, [*choices, ("b", "Back", None)]))
        if isinstance(chosen, list):
            gone = await self.guarded(self.source.forget(chosen))
            views = await self.guarded(self.source.jobs())
            if gone is not None and views is not None:
                self.app.notify(f"Forgotten: {len(gone)} {'job' if len(gone) == 1 else 'jobs'}", timeout=3)
                self.post_message(JobsSeen(views, []))

    def copied(self) -> str:
        """Why the job failed, or the address that came of it, or its title."""
        if (view := self.current) is None:
            return ""
        job = view.job
        if job.error_title:
            return f"{job.error_title}. {job.error_action or ''}".rstrip()
        return str((job.result or {}).get("url") or job.title)
