"""The app: tabs, jobs, and the state they share. It owns the state; tabs show it and ask for changes."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable
from inspect import isawaitable
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from textual import work
from textual.app import App, ComposeResult, SystemCommand
from textual.containers import Vertical
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Footer, Static
from textual.worker import WorkerFailed

from sam_hub.errors import SamHubError, UsageError, of_the_system
from tui.actions import ACTIONS, action, doubled_keys, unknown_keys
from tui.messages import Failed, JobsSeen, TargetChosen
from tui.source import JobView, Source
from tui.state import UiState
from tui.symbols import ASCII, UNICODE
from tui.widgets.jobs_pane import JobsPane
from tui.widgets.plain_scrollbar import use_plain_scrollbars
from tui.widgets.top_bar import TopBar

if TYPE_CHECKING:
    from sam_hub.catalog.queries import ExpertRow, TargetRow
    from sam_hub.catalog.tables import Job
    from sam_hub.config import Settings
    from tui.tabs.tab import BaseTab

TICK = 0.25  # seconds between looks at the jobs while one is active
IDLE_TICKS = 8  # without an active job, every so many ticks
SMALLEST = "needs 60x16; every action works in the CLI"


class SamHubApp(App[object]):
    """The terminal UI of sam-hub.

    ``run`` returns None, the settings with which it shall be opened again (another home), or the error that left it
    without a catalog.
    """

    TITLE = "sam-hub"
    CSS_PATH = "app.tcss"
    AUTO_FOCUS = None  # it would put the cursor into a field of a tab that is not shown
    AUTO_FOCUS = None  # tabs and screens put the focus where work starts; it never goes to what is hidden
    BINDINGS: ClassVar = [a.binding() for a in ACTIONS]
    HORIZONTAL_BREAKPOINTS: ClassVar = [(0, "-tiny"), (60, "-narrow"), (100, "-wide")]
    VERTICAL_BREAKPOINTS: ClassVar = [(0, "-flat"), (16, "-short"), (30, "-tall")]

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        if unknown := unknown_keys(settings.keys):
            raise UsageError(
                f"The settings have keys for unknown actions: {', '.join(unknown)}",
                f"The actions are {', '.join(a.id for a in ACTIONS)}.",
            )
        for key, one, other in doubled_keys(settings.keys):
            raise UsageError(
                f"The settings give the key '{key}' to two actions, {one} and {other}",
                "Give one of them another key, under [keys] in settings.toml.",
            )
        self.settings = settings
        self.source = Source(settings)
        self.symbols = ASCII if settings.ascii else UNICODE
        self.memory = UiState(settings.home)
        self.target: TargetRow | None = None
        self.checked: dict[int, str] = {}  # selected experts: id -> repo
        self.jobs: list[JobView] = []
        self._bases: dict[int, str | None] = {}
        self.failure: Failed | None = None
        self._settled = False
        self.jobs_known = False
        self._known_states: dict[int, str] | None = None
        self._ticks = 0
        self._looking = False
        self._pulled: list[str] = []  # fetches that were done and not told of yet

    # --- start -----------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        from tui.tabs.experts import ExpertsTab

        self.switcher = ContentSwitcher(ExpertsTab(), initial="experts", id="tabs")
        yield TopBar()
        with Vertical(id="body"):
            yield self.switcher
            yield JobsPane()
        yield Static(SMALLEST, id="too-small", markup=False)
        yield Vertical(id="foot")  # the footer comes after the first rows: it takes a tenth of a second

    def on_mount(self) -> None:
        # A theme of the terminal's own colours has no contrast to fall back to where colours are switched off.
        bare = "NO_COLOR" in os.environ and "ansi" in self.settings.theme
        if self.settings.theme not in self.available_themes:
            known = ", ".join(sorted(self.available_themes))
            self.post_message(Failed(f"There is no theme '{self.settings.theme}'", f"There are {known}."))
        elif not bare:
            self.theme = self.settings.theme
        self.set_keymap(self.settings.keys)
        self.set_class(self.settings.ascii, "-ascii")
        use_plain_scrollbars(self.settings.ascii)
        self._open()

    @work(exclusive=True, group="open")
    async def _open(self) -> None:
        """The first rows first; then the target, the other tabs, and the jobs."""
        from sam_hub.catalog.queries import browse_targets, is_ready

        try:
            if not await self.source.read(is_ready, self.source.path):
                # A first start, or an older schema: made or migrated before anything reads it.
                await self.source.read(lambda: self.source.catalog)
        except (SamHubError, OSError) as error:
            # No tab has anything to show, nor a job a place to be written down.
            self.exit(error if isinstance(error, SamHubError) else of_the_system(error))
            return
        targets = await self.tab.guarded(self.source.read(browse_targets, self.source.path)) or []
        remembered = self.memory.get("target")
        self.target = next((t for t in targets if t.name == remembered), targets[0] if targets else None)
        self.main.query_one(TopBar).show()
        self.tab.enter()
        self.tab.focus_first()

    @work(exclusive=True, group="settle")
    async def _settle(self) -> None:
        """What can wait until the first rows are on the screen."""
        # Without the palette's key, for which 80 columns have no room; the help names it.
        await self.main.query_one("#foot").mount(Footer(show_command_palette=False))
        self.refresh_bindings()
        await self.source.read(lambda: self.source.catalog)
        self.set_interval(TICK, self._tick)
        self._look_at_jobs()
        if not self.is_headless:
            # What was imported and made so far stays: walking through all of it took the collector 50 ms, between
            # a key and its effect. (Many apps in one process, as in tests, would never be freed.)
            gc.freeze()

    def tab_of(self, name: str) -> BaseTab:
        """The tab of this name, made when it is first asked for."""

        from tui import tabs

        found = next((tab for tab in self.switcher.children if tab.id == name), None)
        return found or tabs.make(name)  # type: ignore[return-value]

    def first_rows_shown(self) -> None:
        """Rows are in the table: what could wait for them begins."""
        if not self._settled:
            self._settled = True
            self.call_after_refresh(self.set_timer, 0.05, self._settle)

    @property
    def hub_name(self) -> str:
        """How people call the Hub in use."""
        endpoint = self.settings.endpoint
        return "the embedded Hub" if endpoint == "embedded" else urlsplit(endpoint).hostname or endpoint

    def check(self, row: ExpertRow) -> None:
        """Select an expert, or unselect it."""
        if self.checked.pop(row.id, None) is None:
            self.checked[row.id] = row.repo
            self._bases[row.id] = row.base_sha256

    @property
    def base_of_checked(self) -> str | None:
        """The hash of the base of the experts that are selected (of the first one); None without any."""
        return next((self._bases[name] for name in self.checked), None)

    def open_demo(self) -> None:
        """Leave, and open again in the demo's home."""
        from sam_hub.demo.setup import demo_settings

        if self.is_web:  # the page can't be kept by another app: it leaves this one for the demo's
            from tui.web import DEMO

            self.open_url(DEMO, new_tab=False)
            return
        self.exit(demo_settings(self.settings))

    @property
    def main(self) -> Screen:
        """The screen that holds the tabs, whatever question stands before it."""
        return self.screen_stack[0]

    @property
    def tab(self) -> BaseTab:
        """The tab on the screen."""
        return self.switcher.get_child_by_id(str(self.switcher.current))  # type: ignore[return-value]

    async def go(self, name: str) -> None:
        """Put a tab on the screen."""
        tab = self.tab_of(name)
        if not tab.is_attached:
            await self.switcher.mount(tab)
        self.switcher.current = name
        self.main.query_one(TopBar).show()
        self.main.query_one(JobsPane).show(self.jobs)
        tab.enter()
        tab.focus_first()
        self.refresh_bindings()

    # --- actions ---------------------------------------------------------------------------------------

    def check_action(self, name: str, parameters: tuple[object, ...]) -> bool | None:
        """Actions of other tabs are not shown; a tab may show its own as disabled."""
        if name != "do":
            return True
        wanted = action(str(parameters[0]))
        if wanted.is_global:
            return True
        return self.tab.can(wanted.id) if self.switcher.current in wanted.tabs else False

    async def action_do(self, name: str) -> None:
        """Do an action of the registry: by the app if it is global, else by the tab."""
        wanted = action(name)
        owner = self if wanted.is_global else self.tab
        if name.startswith("tab_"):
            await self.go(name.removeprefix("tab_"))
            return
        if isawaitable(done := getattr(owner, f"do_{name}")()):  # a worker goes on by itself
            await done

    def get_system_commands(self, screen: Screen) -> Iterable[SystemCommand]:
        """The palette: every action that can be done here, then Textual's own commands."""
        for item in ACTIONS:
            if self.check_action("do", (item.id,)):
                keys = self.keys_of(item.id)
                yield SystemCommand(
                    f"{item.label} ({keys})", item.tooltip, lambda name=item.id: self._do_later(name)
                )
        yield from super().get_system_commands(screen)

    def _do_later(self, name: str) -> None:
        self.call_later(self.action_do, name)

    def keys_of(self, name: str) -> str:
        """The keys of an action as a person reads them, remapped ones included."""
        keys = self.settings.keys.get(name) or action(name).keys
        return " ".join(self.key_name(key.strip()) for key in keys.split(","))

    def key_name(self, key: str) -> str:
        """A key as a person reads it."""
        from textual.binding import Binding

        return self.get_key_display(Binding(key, ""))

    async def do_back(self) -> None:
        """Leave a field for the table; the tab may do more. Messages go, too: they may lie over what is read."""
        self.clear_notifications()
        back = getattr(self.tab, "do_back", self.tab.focus_first)
        if isawaitable(done := back()):
            await done

    def do_copy(self) -> None:
        """Copy what the tab says (OSC 52)."""
        if text := self.tab.copied():
            self.copy_to_clipboard(text)
            self.notify(f"Copied: {text[:60]}", markup=False, timeout=3)

    def do_help(self) -> None:
        """Help for this tab and the focused part of it."""
        from tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.tab, self.focused))

    def do_last_error(self) -> None:
        """The last error, whole."""
        from tui.screens.question import Question

        self.clear_notifications()  # the same words would lie over the dialog
        if self.failure is None:
            self.notify("No error so far.", timeout=3)
        else:
            body = "\n\n".join(
                filter(None, (f"{self.failure.title}.", self.failure.action, self.failure.log))
            )
            self.push_screen(Question("The last error", body, [("o", "OK", True)]))

    @work
    async def do_stop_job(self) -> None:
        """Cancel the newest job that is running."""
        active = [view for view in self.jobs if view.is_active]
        if active:
            await self.cancel_job(active[0].job.id)
        else:
            self.notify("No job is running.", timeout=3)

    async def cancel_job(self, job_id: int) -> None:
        """Cancel a job, and look at all of them again."""
        await self.tab.guarded(self.source.cancel(job_id))
        self._look_at_jobs()

    @work
    async def do_quit(self) -> None:
        """Leave; with active jobs, ask what becomes of them."""
        from tui.screens.question import Question

        active = [view for view in self.jobs if view.is_active]
        if not active:
            self.exit()
            return
        names = "\n".join(f"  {view.job.title}" for view in active[:6])
        answer = await self.push_screen_wait(
            Question(
                f"{len(active)} {'job is' if len(active) == 1 else 'jobs are'} not finished",
                f"{names}\n\nJobs are processes of their own: they can go on without this window, and are found "
                "again at the next start.",
                [("l", "Leave running", "leave"), ("s", "Stop all", "stop"), ("b", "Back", None)],
            )
        )
        if answer == "stop":
            for view in active:
                await self.tab.guarded(self.source.cancel(view.job.id))
        if answer:
            self.exit()

    def _handle_exception(self, error: Exception) -> None:
        """An answer that comes when the screen is already gone finds no widget: that is no reason for a traceback."""
        cause = error.error if isinstance(error, WorkerFailed) else error
        if not (isinstance(cause, NoMatches) and (self._exit or not self.is_running)):
            super()._handle_exception(error)

    async def on_unmount(self) -> None:
        await self.source.close()

    # --- jobs ------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._ticks += 1
        if any(view.is_active for view in self.jobs) or self._ticks % IDLE_TICKS == 0:
            self._look_at_jobs()

    def job_made(self, job: Job) -> None:
        """A job was submitted from here: the pane below the tabs shows it at once."""
        self._look_at_jobs()

    def _look_at_jobs(self) -> None:
        if not self._looking:  # one look at a time, however slow the disk
            self._looking = True
            self._look()

    @work(group="jobs")
    async def _look(self) -> None:
        try:
            views = await self.tab.guarded(self.source.jobs())
        finally:
            self._looking = False
        if views is not None:
            states = {view.job.id: view.job.state for view in views}
            before = self._known_states if self._known_states is not None else states
            ended = [v for v in views if not v.is_active and before.get(v.job.id) != v.job.state]
            self._known_states = states
            self.post_message(JobsSeen(views, ended))

    async def on_jobs_seen(self, message: JobsSeen) -> None:
        """Keep and show the jobs; tell of those that ended."""
        if self._exit or not self.screen_stack:  # the last look came when the screen was already gone
            return
        self.jobs, self.jobs_known = message.jobs, True
        self.main.query_one(JobsPane).show(self.jobs)
        self.main.query_one(TopBar).show()
        for view in message.ended:
            await self._tell(view)
        if self._pulled and not any(view.is_active and view.job.kind == "pull" for view in self.jobs):
            told = self._pulled[0] if len(self._pulled) == 1 else f"{len(self._pulled)} experts pulled"
            self._pulled.clear()
            self.notify(f"{self.symbols.done} {told}", title="Done", markup=False)
        if message.ended:
            await self._renew_target()
        for tab in self.switcher.children:
            tab.jobs_seen(message.jobs, message.ended)  # type: ignore[attr-defined]

    async def _tell(self, view: JobView) -> None:
        job = view.job
        if job.state == "done" and job.kind == "pull":
            self._pulled.append(job.title)  # told with the last of those that are under way
        elif job.state == "done":
            self.notify(f"{self.symbols.done} {job.title}", title="Done", markup=False)
        elif job.state == "cancelled":
            self.notify(job.title, title="Cancelled", severity="warning", markup=False)
        else:
            from sam_hub.jobs.progress import log_tail

            log = await self.source.read(log_tail, self.settings, job.id)
            title = job.error_title or f"Job {job.id} was {job.state}: {job.title}"
            keys = self.keys_of("retry")
            action_ = job.error_action or f"Run it again from Jobs ({keys}); it goes on where it can."
            self.post_message(Failed(title, action_, "\n".join(log)))

    def on_failed(self, message: Failed) -> None:
        """Show a failure; it is kept for ``!``."""
        self.failure = message
        self.notify(
            f"{message.action}\n({self.keys_of('last_error')} shows it again)",
            title=f"{self.symbols.missing} {message.title}",
            severity="error",
            timeout=12,
            markup=False,
        )

    # --- the target ------------------------------------------------------------------------------------

    async def on_target_chosen(self, message: TargetChosen) -> None:
        """Work on another target: every tab shows that one."""
        self.memory.put("target", message.name)
        await self._renew_target(message.name)
        for tab in self.switcher.children:
            tab.reload()  # type: ignore[attr-defined]

    async def _renew_target(self, name: str | None = None) -> None:
        from sam_hub.catalog.queries import browse_targets

        targets = await self.tab.guarded(self.source.read(browse_targets, self.source.path)) or []
        wanted = name or (self.target.name if self.target else None)
        self.target = next((t for t in targets if t.name == wanted), targets[0] if targets else None)
        self.main.query_one(TopBar).show()
