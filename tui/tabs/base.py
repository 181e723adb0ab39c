"""What all tabs have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from sam_hub.tui.messages import JobsChanged, guarded
from sam_hub.tui.source import JobView
from sam_hub.tui.state import AppState

if TYPE_CHECKING:
    from sam_hub.catalog.queries import ExpertRow
    from sam_hub.services.options import JobOptions
    from sam_hub.tui.widgets.form import Row

Planned: TypeAlias = "tuple[JobOptions | None, str]"  # what a form's values come to, and what that leads to

FOCUSABLE = "Table, Input, Button, OptionList"


class BaseTab(Vertical):
    """One step of the work. It loads when it is first shown, and again when what it shows may have changed.

    A tab overrides `body` (its widgets), `load` (read what it shows; runs as an exclusive worker, and may be cancelled
    by a later one) and has a method ``do_<id>`` for each of its actions (see `sam_hub.tui.actions`); an awaitable that
    it returns is awaited. In the body's place, `show_message` puts what is missing; under it, `show_note` a line.
    """

    NAME: ClassVar[str] = ""
    HELP: ClassVar[str] = ""  # what the tab is for, two or three sentences
    LOADING: ClassVar[str] = "Loading ..."  # in the place of the body at the beginning; empty: the body itself
    JOB: ClassVar[str] = ""  # the kind of job that it starts, one at a time for a target
    RELOAD_AFTER: ClassVar[tuple[str, ...]] = ()  # kinds of jobs whose end changes what this tab shows
    ALWAYS_LOAD: ClassVar[bool] = False  # other tabs and commands change what it shows: load at each visit

    def __init__(self, state: AppState) -> None:
        super().__init__(id=self.NAME)
        self.state, self.source, self.symbols, self.keys = state, state.source, state.symbols, state.keys
        self.stale, self.is_shown = True, False
        self.message = self.LOADING
        self._was_underway = False
        self._followed: dict[int, Callable[[JobView], object]] = {}  # what to do at the end of jobs, by their numbers

    def compose(self) -> ComposeResult:
        yield Static(self.LOADING, id=f"{self.NAME}-empty", classes="empty", markup=False)
        with Horizontal(id=f"{self.NAME}-body", classes="body"):
            yield from self.body()
        yield Static(id=f"{self.NAME}-note", classes="note", markup=False)

    def on_mount(self) -> None:
        self.show_message(self.LOADING)
        self.show_note("")

    def body(self) -> ComposeResult:
        """Return the widgets of the tab."""
        yield from ()

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
            if widget.focusable and not self.message:
                widget.focus()
                return
        self.screen.set_focus(None)  # else a field of a hidden tab may get it, and with it every key

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
        """The jobs were read. By default, who follows one is told its end, and what ended makes the tab load again."""
        for view in ended:
            if (then := self._followed.pop(view.id, None)) is not None:
                then(view)
        if self.JOB and self.underway != self._was_underway:
            self._was_underway = self.underway
            self.underway_changed()
        if any(view.job.kind in self.RELOAD_AFTER for view in ended):
            self.reload()

    @property
    def underway(self) -> bool:
        """Whether the tab's kind of job is active for the target in use."""
        return any(view.job.kind == self.JOB and view.target == self.target_name for view in self.state.active_jobs)

    def underway_changed(self) -> None:
        """A job of the tab's kind was started, or has ended."""
        self.app.refresh_bindings()

    async def _load(self) -> None:
        await guarded(self, self.load())
        self.call_after_refresh(self.keep_focus)

    def keep_focus(self) -> None:
        """What was loaded may have brought the first widget that can have the focus, or hidden the one that had it."""
        if not self.is_shown or self.app.screen is not self.screen:
            return
        focused = self.app.focused
        if focused is None or self not in focused.ancestors or not focused.focusable:
            self.focus_first()

    async def submit(self, options: JobOptions, then: Callable[[JobView], object] | None = None) -> int:
        """Make a job of a service's options, have the app show it, and return its number; ``then`` gets it at its end.

        Raises SamHubError.
        """
        view = JobView(await self.source.schedule(lambda scheduler: scheduler.submit(options)))
        if then is not None:
            self._followed[view.id] = then
        self.state.jobs = [view, *self.state.jobs]
        self.jobs_listed([])
        self.post_message(JobsChanged())
        return view.id

    async def fill_in(
        self, title: str, rows: Sequence[Row], plan: Callable[[dict[str, Any]], Awaitable[Planned]], confirm: str
    ) -> None:
        """Ask for a job's options in a form that shows what they lead to (see `FormScreen`), and submit it."""
        from sam_hub.tui.screens.dialogs import FormScreen  # which the first rows do not wait for

        options = await self.app.push_screen_wait(FormScreen(title, rows, plan, confirm, self.symbols))
        if options is not None:
            await self.submit(options)

    async def confirm(self, title: str, body: str, key: str, label: str, typed: str | None = None) -> bool:
        """Ask before something is done; the answer is given by a key, or by typing ``typed``."""
        from sam_hub.tui.screens.dialogs import Question

        question = Question(title, body, [(key, label, True), ("b", "Back", False)], typed)
        return bool(await self.app.push_screen_wait(question))

    def say(self, words: str, seconds: float = 4, *, warning: bool = False) -> None:
        """Show words for some seconds."""
        self.app.notify(words, severity="warning" if warning else "information", timeout=seconds, markup=False)

    def show_message(self, text: str) -> None:
        """Show words in the place of the tab's body; none: show the body."""
        self.message = text
        line = self.query_one(f"#{self.NAME}-empty", Static)
        line.update(text)
        line.display = bool(text)
        self.query_one(f"#{self.NAME}-body").display = not text
        self.app.refresh_bindings()

    def show_note(self, text: str | Text) -> None:
        """Show a line under the body; empty: none."""
        line = self.query_one(f"#{self.NAME}-note", Static)
        line.update(Text(text, "bold") if isinstance(text, str) else text)
        line.display = bool(text)

    @property
    def target_name(self) -> str | None:
        """The name of the target in use."""
        return self.state.target.name if self.state.target else None

    @property
    def no_target(self) -> str:
        """What to say where there is no target."""
        return f"No target yet: press {self.keys('tab_target')} to create one from raw text and entity types."
