"""What all tabs have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical

from sam_hub.errors import SamHubError
from tui.messages import Failed
from tui.source import JobView, Source
from tui.symbols import Symbols

if TYPE_CHECKING:
    from sam_hub.catalog.tables import Job
    from sam_hub.jobs.task import Task
    from tui.app import SamHubApp


class BaseTab(Vertical):
    """One tab of the work. It loads when it is first shown, and again when what it shows may have changed.

    A tab overrides `load` (read what it shows; runs as an exclusive worker, and may be cancelled by a
    later one), and has a method ``do_<id>`` for each of its actions (see `tui.actions`).
    """

    NAME: ClassVar[str] = ""
    HELP: ClassVar[str] = ""  # what the tab is for, two or three sentences
    RELOAD_AFTER: ClassVar[tuple[str, ...]] = ()  # kinds of jobs whose end changes what this tab shows

    app: SamHubApp

    def __init__(self) -> None:
        super().__init__(id=self.NAME)
        self.stale = True

    @property
    def source(self) -> Source:
        """Where the data comes from."""
        return self.app.source

    @property
    def symbols(self) -> Symbols:
        """The signs in use."""
        return self.app.symbols

    @property
    def is_shown(self) -> bool:
        """Whether this is the tab on the screen."""
        return self.app.tab is self

    async def load(self) -> None:
        """Read what the tab shows."""

    def focus_first(self) -> None:
        """Put the cursor where work starts."""
        for widget in self.query("DataTable, Input, Button, OptionList"):
            if widget.focusable:
                widget.focus()
                return
        self.screen.set_focus(None)  # else a field of a hidden tab may get it, and with it every key

    def reload(self) -> None:
        """Load again: now if the tab is shown, else when it is."""
        self.stale = True
        if self.is_shown:
            self.enter()

    def enter(self) -> None:
        """The tab was put on the screen."""
        if self.stale:
            self.stale = False
            self.run_worker(self._load(), exclusive=True, group=f"load-{self.NAME}")

    async def _load(self) -> None:
        await self.guarded(self.load())
        self.call_after_refresh(self._keep_focus)

    def _keep_focus(self) -> None:
        """What was loaded may have brought the first widget that can have the focus, or hidden the one that had it."""
        if not self.is_shown or self.app.screen is not self.app.main:
            return
        focused = self.app.focused
        if focused is None or self not in focused.ancestors or not focused.focusable:
            self.focus_first()

    async def guarded(self, work):
        """Await something that may fail; a failure is shown by the app, and None returned."""
        try:
            return await work
        except SamHubError as error:
            self.post_message(Failed(error.title, error.action))
        except OSError as error:
            from sam_hub.errors import of_the_system

            told = of_the_system(error)
            self.post_message(Failed(told.title, told.action))
        return None

    async def submit(self, work: Task) -> Job | None:
        """Make a job, and say so; None where it could not be made."""
        job = await self.guarded(self.source.submit(work))
        if job is not None:
            self.app.job_made(job)
        return job

    def jobs_seen(self, jobs: list[JobView], ended: list[JobView]) -> None:
        """The jobs were read: by default, what ended makes the tab load again."""
        if any(view.job.kind in self.RELOAD_AFTER for view in ended):
            self.reload()

    def job_of_target(self, kind: str, jobs: list[JobView]) -> JobView | None:
        """The active job of a kind that is about the target in use; None without one."""
        name = self.app.target.name if self.app.target else None
        mine = (v for v in jobs if v.job.kind == kind and v.is_active and v.job.arguments["target"] == name)
        return next(mine, None)

    def can(self, action: str) -> bool | None:
        """Whether an action can be done now: None shows it as disabled."""
        return True

    def copied(self) -> str:
        """What ``y`` copies; empty where there is nothing."""
        return ""
