"""Jobs: what runs, what waits, what ran and how it ended; the log of the one under the cursor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import Static

from sam_hub.tui.actions import Handler
from sam_hub.tui.messages import JobsChanged, background
from sam_hub.tui.source import ENDED, JobView
from sam_hub.tui.state import AppState
from sam_hub.tui.tabs.base import BaseTab
from sam_hub.tui.widgets.jobs import JobDetails, JobTable

CURSOR_REST = 0.05  # seconds that the cursor stays on a row until its log is read
NO_JOB = "No job yet. Whatever takes long becomes one: a pull, a ranking, a merge, a push."


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
    ALWAYS_LOAD: ClassVar = True

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self.table, self.details = JobTable(self.symbols), JobDetails(self.symbols)
        self._views: list[JobView] = []
        self._cancelling: set[int] = set()
        self._seen: tuple[int, str, bool] | None = None  # what was last shown of the job under the cursor
        self._timer: Timer | None = None

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What does each action."""
        return {"cancel": self.do_cancel, "retry": self.do_retry, "forget": self.do_forget}

    def compose(self) -> ComposeResult:
        yield Static("Loading ...", id="jobs-empty", classes="empty", markup=False)
        with Horizontal(id="jobs-body"):
            yield self.table
            yield self.details

    def on_mount(self) -> None:
        self.query_one("#jobs-body").display = False

    @property
    def current(self) -> JobView | None:
        """The job under the cursor."""
        key = self.table.key_under_cursor
        return next((view for view in self._views if str(view.id) == key), None)

    def focus_first(self) -> None:
        """Put the cursor into the table, if there is any job."""
        if self._views:
            self.table.focus()

    # --- showing ---------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Show the jobs as the app has seen them last."""
        if self.state.jobs_known:
            self.call_after_refresh(self._show)  # once the table knows its width

    def jobs_listed(self, ended: list[JobView]) -> None:
        """Show them; the tab does so itself when it is opened."""
        if self.is_shown:
            self._show()

    def _show(self) -> None:
        first = bool(self.state.jobs) and not self._views
        self._views = self.state.jobs
        if not self._views:
            self.show_message(NO_JOB)
        elif first:
            self.show_message("")
            self.call_after_refresh(self._fill)  # the table has a width after the next layout
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
        """Show the details, what can be done with this job, and its log, if that can have grown."""
        if (view := self.current) is None:
            return
        state = "cancelling" if view.is_active and view.id in self._cancelling else view.job.state
        self.details.show_job(view, state)
        seen = (view.id, state, any(other.job.state in ENDED for other in self._views))
        if seen != self._seen or view.is_active:
            if self._seen is None or seen[0] != self._seen[0]:
                self.details.scroll_home(animate=False)
            if self._timer is not None:  # a held arrow key passes by many jobs
                self._timer.stop()
            self._timer = self.set_timer(CURSOR_REST, lambda: self._read_log(view.id))
        if seen != self._seen:
            self._seen = seen
            self.app.refresh_bindings()

    @background()
    async def _read_log(self, job_id: int) -> None:
        lines = await self.source.log_tail(job_id, self.details.log_lines)
        if self.current is not None and self.current.id == job_id:
            self.details.show_log(lines)

    @on(JobTable.RowHighlighted)
    def _row_changed(self, event: JobTable.RowHighlighted) -> None:
        event.stop()
        self._show_current()

    @on(JobTable.RowSelected)
    def _opened(self, event: JobTable.RowSelected) -> None:
        event.stop()
        self.details.focus()

    def on_resize(self) -> None:
        """Fit the columns to the width."""
        self.call_after_refresh(self._fill)

    # --- actions ---------------------------------------------------------------------------------------

    def can(self, action: str) -> bool:
        """What is active can be cancelled, what has ended can be run again or forgotten."""
        view = self.current
        if action == "forget":
            return any(not other.is_active for other in self._views)
        if view is None:
            return False
        return view.is_active and view.id not in self._cancelling if action == "cancel" else not view.is_active

    @background(exclusive=False)
    async def do_cancel(self) -> None:
        """Cancel the job under the cursor; the table says so at once, the process has some seconds."""
        if (view := self.current) is None:
            return
        self._cancelling.add(view.id)
        self._fill()
        try:
            await self.source.cancel(view.id)
        finally:
            self._cancelling.discard(view.id)
        self.post_message(JobsChanged())

    @background(exclusive=False)
    async def do_retry(self) -> None:
        """Run the job under the cursor once more."""
        if (view := self.current) is not None:
            await self.source.retry(view.id)
            self.post_message(JobsChanged())

    @background()
    async def do_forget(self) -> None:
        """Forget the job under the cursor, or all that have ended, after a question that says how many."""
        from sam_hub.tui.screens.dialogs import Question

        ended = await self.source.ended_jobs()
        if not ended:
            return
        here = self.current.id if self.current else None
        choices: list[tuple[str, str, list[int] | None]] = [("a", f"All {len(ended)} ended", ended)]
        if here in ended:
            choices.insert(0, ("o", f"Only job {here}", [here]))
        if len(ended) == 1:
            choices = [("o", f"Forget job {ended[0]}", ended)]
        title = f"{len(ended)} {'job has' if len(ended) == 1 else 'jobs have'} ended: forget which?"
        body = "Only ended jobs go, with their logs. What they made stays; jobs that wait or run stay, too."
        chosen = await self.app.push_screen_wait(Question(title, body, [*choices, ("b", "Back", None)]))
        if isinstance(chosen, list):
            count = await self.source.remove_jobs(chosen)
            self.app.notify(f"Forgotten: {count} {'job' if count == 1 else 'jobs'}", timeout=3)
            self.post_message(JobsChanged())

    def copied(self) -> str:
        """Return why the job failed, or the address that came of it, or its title."""
        if (view := self.current) is None:
            return ""
        return view.reason or str((view.job.result or {}).get("url") or view.job.title)
