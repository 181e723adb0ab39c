"""The app: it owns the tabs, and the state that they share. Tabs and widgets show that state and ask for changes."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Iterable
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import App, ComposeResult, SystemCommand
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Footer, Static

from sam_hub.errors import SamHubError, UsageError, of_the_system
from sam_hub.tui.actions import ACTIONS, KeyNames, doubled_keys, find_action, unknown_keys
from sam_hub.tui.messages import (
    CheckToggled,
    DemoRequested,
    Failed,
    JobsChanged,
    SelectionChanged,
    TabRequested,
    TargetChosen,
    background,
    guarded,
)
from sam_hub.tui.source import JobView, Source
from sam_hub.tui.state import AppState, remember_target, remembered_target
from sam_hub.tui.symbols import ASCII, UNICODE
from sam_hub.tui.tabs import make_tab
from sam_hub.tui.tabs.base import BaseTab
from sam_hub.tui.widgets.catalog_pane import CatalogPane
from sam_hub.tui.widgets.jobs import JobsPane
from sam_hub.tui.widgets.reading import use_plain_scrollbars
from sam_hub.tui.widgets.top_bar import TopBar

if TYPE_CHECKING:
    from sam_hub.config import Settings

TICK, IDLE_TICK = 0.25, 2.0  # seconds between looks at the jobs: while one is active, and else
SMALLEST = "needs 60x16; every action works in the CLI"


class SamHubApp(App[object]):
    """The terminal UI of sam-hub.

    ``run`` returns None, the settings with which it shall be opened again (another home), or the error that left it
    without a catalog.
    """

    TITLE = "sam-hub"
    CSS_PATH = "app.tcss"
    AUTO_FOCUS = None  # tabs and screens put the focus where work starts; it never goes to what is hidden
    BINDINGS: ClassVar = [a.binding() for a in ACTIONS]
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (16, "-short"), (30, "-tall")]  # noqa: RUF012

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
        self.state = AppState(
            settings, self.source, ASCII if settings.ascii else UNICODE, KeyNames(settings.keys, self.get_key_display)
        )
        self.settled = False  # what could wait for the first rows is there
        self._pulled: list[str] = []  # fetches that are done and not reported yet

    # --- start -----------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        self.switcher = ContentSwitcher(make_tab("experts", self.state), initial="experts", id="tabs")
        self.top_bar, self.jobs_pane = TopBar(), JobsPane(self.state.symbols)
        yield self.top_bar
        with Vertical(id="body"):
            yield self.switcher
            yield self.jobs_pane
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

    @background()
    async def _open(self) -> None:
        """Show the first rows first; then the target, the other tabs, and the jobs."""
        from sam_hub.catalog.queries import is_ready

        try:
            if not await self.source.read(is_ready, self.source.path):
                await self.source.schedule(lambda _: None)  # a first start, or an older schema
        except (SamHubError, OSError) as error:
            # No tab has anything to show, nor a job a place to be written down.
            self.exit(error if isinstance(error, SamHubError) else of_the_system(error))
            return
        await self._renew_target(remembered_target(self.settings.home))
        self.tab.enter()
        self.tab.focus_first()

    @on(CatalogPane.Loaded)
    def _first_rows_shown(self) -> None:
        if not self.settled:
            self.settled = True
            self.call_after_refresh(self.set_timer, 0.05, self._settle)

    @background()
    async def _settle(self) -> None:
        """Do what can wait until the first rows are on the screen."""
        # Without the palette's key, for which 80 columns have no room; the help names it.
        await self.main.query_one("#foot").mount(Footer(show_command_palette=False))
        self.refresh_bindings()
        self._watch_jobs()
        if not self.is_headless:
            # What was imported and made so far stays: walking through all of it took the collector 50 ms, between
            # a key and its effect. (Many apps in one process, as in tests, would never be freed.)
            gc.freeze()

    async def on_unmount(self) -> None:
        await self.source.close()

    # --- tabs ------------------------------------------------------------------------------------------

    @property
    def main(self) -> Screen:
        """The screen that holds the tabs, whatever question stands before it."""
        return self.screen_stack[0]

    @property
    def tabs(self) -> list[BaseTab]:
        """The tabs that were opened."""
        return list(self.switcher.query_children(BaseTab))

    @property
    def tab(self) -> BaseTab:
        """The tab on the screen."""
        return self.switcher.get_child_by_id(str(self.switcher.current), BaseTab)

    async def go(self, name: str) -> None:
        """Put a tab on the screen."""
        tab = next((tab for tab in self.tabs if tab.id == name), None)
        if tab is None:
            tab = make_tab(name, self.state)
            await self.switcher.mount(tab)
        self.tab.leave()
        self.switcher.current = name
        self._show_bars()
        tab.enter()
        tab.focus_first()
        self.refresh_bindings()

    @on(TabRequested)
    async def _tab_requested(self, message: TabRequested) -> None:
        await self.go(message.tab)

    def _show_bars(self) -> None:
        self.top_bar.show(self.state, self.tab.NAME)
        self.jobs_pane.show(self.state.active_jobs, hidden=self.tab.NAME == "jobs")  # they are listed there

    # --- actions ---------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide the actions of other tabs; a tab may show its own as disabled."""
        if action != "do":
            return True
        wanted = find_action(str(parameters[0]))
        if wanted.is_global:
            return True
        if self.switcher.current not in wanted.tabs:
            return False
        return True if self.tab.can(wanted.id) else None

    async def action_do(self, name: str) -> None:
        """Do an action of the registry: by the app if it is global, else by the tab."""
        action = find_action(name)
        if name.startswith("tab_"):
            await self.go(name.removeprefix("tab_"))
            return
        if goes := action.home not in ("", self.tab.NAME):
            await self.go(action.home)
        if action.begins or not goes:
            await self._call(getattr(self if action.is_global else self.tab, f"do_{name}"))

    async def _call(self, method: Callable[[], object]) -> None:
        result = method()
        if isawaitable(result):  # a worker goes on by itself
            await result

    def get_system_commands(self, screen: Screen) -> Iterable[SystemCommand]:
        """Offer every action that can be done here, then Textual's own commands."""
        for item in ACTIONS:
            if self.check_action("do", (item.id,)):
                title = f"{item.label} ({self.state.keys(item.id)})"
                yield SystemCommand(title, item.tooltip, partial(self.call_later, self.action_do, item.id))
        yield from super().get_system_commands(screen)

    async def do_back(self) -> None:
        """Leave a field for the table; the tab may do more. Messages go, too: they may lie over what is read."""
        self.clear_notifications()
        await self._call(self.tab.go_back)

    def do_copy(self) -> None:
        """Copy what the tab says (OSC 52)."""
        if text := self.tab.copied():
            self.copy_to_clipboard(text)
            self.notify(f"Copied: {text[:60]}", markup=False, timeout=3)

    def do_help(self) -> None:
        """Show help for this tab and the focused part of it."""
        from sam_hub.tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.tab.NAME, self.tab.HELP, self.focused, self.state.keys))

    def do_last_error(self) -> None:
        """Show the last error, whole."""
        from sam_hub.tui.screens.dialogs import Question

        self.clear_notifications()  # the same words would lie over the dialog
        if (failure := self.state.failure) is None:
            self.notify("No error so far.", timeout=3)
        else:
            body = "\n\n".join(filter(None, (f"{failure.title}.", failure.action, failure.log)))
            self.push_screen(Question("The last error", body, [("o", "OK", True)]))

    @background(exclusive=False)
    async def do_stop_job(self) -> None:
        """Cancel the newest job that is running."""
        if active := self.state.active_jobs:
            await self.source.cancel(active[0].id)
            self._watch_jobs()
        else:
            self.notify("No job is running.", timeout=3)

    @background()
    async def do_quit(self) -> None:
        """Leave; with active jobs, ask what becomes of them."""
        from sam_hub.tui.screens.dialogs import Question

        if not (active := self.state.active_jobs):
            self.exit()
            return
        names = "\n".join(f"  {view.job.title}" for view in active[:6])
        question = Question(
            f"{len(active)} {'job is' if len(active) == 1 else 'jobs are'} not finished",
            f"{names}\n\nJobs are separate processes. They can continue without this window, and the UI shows them at "
            "the next start.",
            [("l", "Leave running", "leave"), ("s", "Stop all", "stop"), ("b", "Back", None)],
        )
        answer = await self.push_screen_wait(question)
        if answer == "stop":
            for view in active:
                await guarded(self, self.source.cancel(view.id))
        if answer:
            self.exit()

    @on(DemoRequested)
    def _open_demo(self) -> None:
        from sam_hub.demo.setup import demo_settings

        if self.is_web:  # the page can't be kept by another app: it leaves this one for the demo's
            from sam_hub.tui.web import DEMO

            self.open_url(DEMO, new_tab=False)
            return
        self.exit(demo_settings(self.settings))

    @on(Failed)
    def _show_failure(self, message: Failed) -> None:
        """Show a failure, and keep it for ``!``."""
        self.state.failure = message
        self.notify(
            f"{message.action}\n({self.state.keys('last_error')} shows it again)",
            title=f"{self.state.symbols.missing} {message.title}",
            severity="error",
            timeout=12,
            markup=False,
        )

    # --- jobs ------------------------------------------------------------------------------------------

    @on(JobsChanged)
    @background()
    async def _watch_jobs(self) -> None:
        """Look at the jobs again and again, often while one is active. A change begins anew, and so is seen at once."""
        while True:
            await guarded(self, self._look())
            await asyncio.sleep(TICK if self.state.active_jobs else IDLE_TICK)

    async def _look(self) -> None:
        """Read the jobs, start those whose turn it is, keep and show them, and report those that ended."""
        await self.source.schedule(lambda scheduler: scheduler.tick())
        jobs, before = await self.source.jobs(), {view.id for view in self.state.jobs if not view.is_active}
        ended = [view for view in jobs if not view.is_active and view.id not in before and self.state.jobs_known]
        self.state.jobs, self.state.jobs_known = jobs, True
        self._show_bars()
        if ended:
            self._tell_of(ended)
        else:
            for tab in self.tabs:
                tab.jobs_listed([])

    @background(exclusive=False)
    async def _tell_of(self, ended: list[JobView]) -> None:
        """Report jobs that ended, and let the tabs load again. A look that begins anew does not cancel this."""
        for view in ended:
            await self._report(view)
        if self._pulled and not any(view.job.kind == "pull" for view in self.state.active_jobs):
            words = self._pulled[0] if len(self._pulled) == 1 else f"{len(self._pulled)} experts pulled"
            self._pulled.clear()
            self.notify(f"{self.state.symbols.done} {words}", title="Done", markup=False)
        await guarded(self, self._renew_target())
        for tab in self.tabs:
            tab.jobs_listed(ended)

    async def _report(self, view: JobView) -> None:
        job = view.job
        if job.state == "done" and job.kind == "pull":
            self._pulled.append(job.title)  # reported with the last of those that are under way
        elif job.state == "done":
            self.notify(f"{self.state.symbols.done} {job.title}", title="Done", markup=False)
        elif job.state == "cancelled":
            self.notify(job.title, title="Canceled", severity="warning", markup=False)
        else:
            log = await self.source.schedule(lambda scheduler: scheduler.log_tail(view.id))
            title = job.error_title or f"Job {job.id} was {job.state}: {job.title}"
            again = f"Run it again from Jobs ({self.state.keys('retry')}). It reuses finished work."
            self.post_message(Failed(title, job.error_action or again, "\n".join(log)))

    # --- what is shared --------------------------------------------------------------------------------

    @on(TargetChosen)
    async def _target_chosen(self, message: TargetChosen) -> None:
        """Work on another target: every tab shows that one."""
        remember_target(self.settings.home, message.name)
        await guarded(self, self._renew_target(message.name))
        self._reload_all()

    @on(SelectionChanged)
    def _reload_all(self) -> None:
        for tab in self.tabs:
            tab.reload()

    async def _renew_target(self, name: str | None = None) -> None:
        from sam_hub.catalog.queries import browse_targets

        targets = await self.source.read(browse_targets, self.source.path)
        wanted = name or (self.state.target.name if self.state.target else None)
        first = targets[0] if targets else None
        self.state.target = next((t for t in targets if t.name == wanted), first)
        self._show_bars()

    @on(CheckToggled)
    def _check_toggled(self, message: CheckToggled) -> None:
        """Select an expert, or unselect it, in every tab."""
        base = self.state.base_of_checked
        self.state.toggle(message.row)
        for tab in self.tabs:
            tab.checked_changed(message.row, self.state.base_of_checked != base)
