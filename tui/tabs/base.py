"""What all tabs have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical
from textual.widgets import Static

from sam_hub.tui.actions import Handler
from sam_hub.tui.messages import JobsChanged, guarded
from sam_hub.tui.source import JobView
from sam_hub.tui.state import AppState

if TYPE_CHECKING:
    from sam_hub.catalog.queries import ExpertRow
    from sam_hub.catalog.tables import Job

FOCUSABLE = "Table, Input, Button, OptionList"


class BaseTab(Vertical):
    """One step of the work. It loads when it is first shown, and again when what it shows may have changed.

    A tab overrides `load` (read what it shows; runs as an exclusive worker, and may be cancelled by a later one) and
    `handlers` (what does each of its actions, see `sam_hub.tui.actions`).
    """

    NAME: ClassVar[str] = ""
    HELP: ClassVar[str] = ""  # what the tab is for, two or three sentences
    RELOAD_AFTER: ClassVar[tuple[str, ...]] = ()  # kinds of jobs whose end changes what this tab shows
    ALWAYS_LOAD: ClassVar[bool] = False  # other tabs and commands change what it shows: load at each visit

    def __init__(self, state: AppState) -> None:
        super().__init__(id=self.NAME)
        self.state, self.source, self.symbols, self.keys = state, state.source, state.symbols, state.keys
        self.stale, self.is_shown = True, False

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What does each action of this tab, by the action's id."""
        return {}

    async def load(self) -> None:
        """Read what the tab shows."""

    def can(self, action: str) -> bool:
        """Return whether an action can be done now; if not, the footer shows it as disabled."""
        return True

    def copied(self) -> str:
        """Return what ``y`` copies; empty where there is nothing."""
        return ""

    def go_back(self) -> object:
        """Leave what has the focus, on Esc; what is returned is awaited if it can be."""
        self.focus_first()
        return None

    def focus_first(self) -> None:
        """Put the cursor where work starts."""
        for widget in self.query(FOCUSABLE):
            if widget.focusable:
                widget.focus()
                return
        self.screen.set_focus(None)  # else a field of a hidden tab may get it, and with it every key

    # --- what the app says -----------------------------------------------------------------------------

    def enter(self) -> None:
        """The tab was put on the screen."""
        self.is_shown = True
        if self.stale or self.ALWAYS_LOAD:
            self.stale = False
            self.run_worker(self._load(), exclusive=True, group=f"load-{self.NAME}")

    def leave(self) -> None:
        """Another tab was put on the screen."""
        self.is_shown = False

    def reload(self) -> None:
        """Load again: now if the tab is shown, else when it is."""
        self.stale = True
        if self.is_shown:
            self.enter()

    def checked_changed(self, row: ExpertRow, base_changed: bool) -> None:
        """An expert was selected or unselected, and with it perhaps the base of those that are."""

    def jobs_listed(self, ended: list[JobView]) -> None:
        """The jobs were read. By default, what ended makes the tab load again."""
        if any(view.job.kind in self.RELOAD_AFTER for view in ended):
            self.reload()

    # --- helpers ---------------------------------------------------------------------------------------

    async def _load(self) -> None:
        await guarded(self, self.load())
        self.call_after_refresh(self._keep_focus)

    def _keep_focus(self) -> None:
        """What was loaded may have brought the first widget that can have the focus, or hidden the one that had it."""
        if not self.is_shown or self.app.screen is not self.screen:
            return
        focused = self.app.focused
        if focused is None or self not in focused.ancestors or not focused.focusable:
            self.focus_first()

    async def submit(self, options: object) -> Job:
        """Make a job of a service's options, and have the app show it. Raises SamHubError."""
        job = await self.source.submit(options)
        self.post_message(JobsChanged())
        return job

    def show_message(self, text: str) -> None:
        """Show words in the place of the tab's body; none: show the body.

        They stand in ``#<name>-empty``, the body is ``#<name>-body``.
        """
        line = self.query_one(f"#{self.NAME}-empty", Static)
        line.update(text)
        line.display = bool(text)
        self.query_one(f"#{self.NAME}-body").display = not text
        self.app.refresh_bindings()

    @property
    def no_target(self) -> str:
        """What to say where there is no target."""
        return f"No target yet: press {self.keys('tab_target')} to make one of raw text and entity types."
