"""Merge: method and parameters, the checks, the cost, mergekit's configuration; then the merge itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import Static

from sam_hub.errors import SamHubError, UsageError
from sam_hub.tui.actions import Handler
from sam_hub.tui.messages import TabRequested, background
from sam_hub.tui.source import JobView
from sam_hub.tui.state import AppState
from sam_hub.tui.tabs.base import BaseTab
from sam_hub.tui.widgets.form import Form
from sam_hub.tui.widgets.merge import MergeForm, errors_of, plan_text, problem_text
from sam_hub.tui.widgets.reading import ReadingPane

if TYPE_CHECKING:
    from sam_hub.services.merges import MergesPreview
    from sam_hub.services.options import MergeOptions

TYPING = 0.4  # seconds without a change until the plan is asked for again
PLANNING = 300  # seconds that a plan may take: it reads and hashes all inputs


class MergeTab(BaseTab):
    """A form, and beside it (below it on a small terminal) the plan that belongs to it."""

    NAME = "merge"
    HELP = (
        "Merge the chosen experts with mergekit: one merge for each ranking. The plan says whether they fit "
        "together, what the merge costs, and what mergekit is told; a failed check forbids the merge and names "
        "its reason. Tab goes through the fields, Esc back to the plan."
    )
    RELOAD_AFTER: ClassVar = ("merge", "select", "target", "pull", "remove")
    ALWAYS_LOAD: ClassVar = True
    SCOPED_CSS = False  # the rules for small terminals begin at the screen
    DEFAULT_CSS = """
    #merge-body { height: 1fr; }
    #merge-form { width: 44; }
    .-narrow #merge-body { layout: vertical; }
    .-narrow #merge-form { width: 100%; max-height: 11; }
    #merge-plan { width: 1fr; }
    .-narrow #merge-plan { width: 100%; }
    #merge-next { height: auto; max-height: 2; padding: 0 1; }
    """

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self.form, self.pane = MergeForm(self.keys("merge")), ReadingPane("merge-plan", "Plan")
        self.plan: MergesPreview | None = None
        self.problem = ""  # why there can be no merge now
        self._planned: MergeOptions | None = None  # what the plan belongs to
        self._underway = False  # whether a merge of this target is being made
        self._timer: Timer | None = None

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What does each action."""
        evaluate = TabRequested("evaluate", "evaluate")
        return {"merge": self.do_merge, "evaluate": lambda: self.post_message(evaluate)}

    def compose(self) -> ComposeResult:
        yield Static("Loading ...", id="merge-empty", classes="empty", markup=False)
        with Horizontal(id="merge-body"):
            yield self.form
            yield self.pane
        yield Static(id="merge-next", markup=False)

    def on_mount(self) -> None:
        self._say_empty("Loading ...")

    def focus_first(self) -> None:
        """Go to the plan: there the keys of the tab work at once, and Tab goes to the fields."""
        self.pane.focus()

    # --- loading ---------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read what can be merged, mergekit's methods, and the plan."""
        from sam_hub.services.merges import merge_methods
        from sam_hub.services.selection import latest_rankings

        target = self.state.target
        if target is None:
            self._say_empty(self.no_target)
            return
        if self.form.has_methods:
            rankings = await self.source.ask(latest_rankings, target.name)
        else:
            self._say_empty("Loading mergekit's methods ...")
            rankings, methods = await asyncio.gather(
                self.source.ask(latest_rankings, target.name), self.source.ask(merge_methods, timeout=PLANNING)
            )
            self.form.offer_methods(methods)
        if not rankings.rankings:
            self._say_empty(
                f"No ranking for {target.name} yet: press {self.keys('tab_select')} for Select, then "
                f"{self.keys('probe')} to rank the experts on disk."
            )
            return
        self.form.offer_rankings(list(rankings.rankings))
        self._say_empty("")
        self._planned = None
        self._plan_now()

    def _say_empty(self, text: str) -> None:
        """Say why there is nothing to merge; empty: there is."""
        if text:
            self.plan, self.problem = None, text
            self.query_one("#merge-next").display = False
        self.show_message(text)
        if not text and self.is_shown and self.app.focused is None:
            self.focus_first()

    # --- the plan --------------------------------------------------------------------------------------

    @on(Form.Changed)
    def _later(self, event: Form.Changed) -> None:
        """Plan anew when the typing rests."""
        event.stop()
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(TYPING, self._plan_now)

    @background()
    async def _plan_now(self) -> None:
        await self._ask_plan()

    async def _ask_plan(self) -> None:
        """Ask for the plan of the fields as they are, and show it, or why there is none."""
        from sam_hub.services.merges import preview_merges

        target = self.state.target
        if target is None or not self.form.has_methods:
            return
        try:
            options = self.form.options(target.name)
            if options == self._planned:
                self.pane.border_title = "Plan"
                self.form.show_problem("")
                return
            self.pane.border_title = "Plan: asking ..."
            self.plan = await self.source.ask(preview_merges, options, timeout=PLANNING)
        except SamHubError as error:
            self.plan, self._planned, self.problem = None, None, error.title
            inline = isinstance(error, UsageError)  # it is a field that is wrong
            self.form.show_problem(f"{self.symbols.missing} {error}" if inline else "")
            self.pane.show(problem_text(error.title, error.action, self.symbols), "Plan: none")
        else:
            self._planned, self.problem = options, next(iter(errors_of(self.plan)), "")
            self.form.show_problem("")
            self.pane.show(plan_text(self.plan, self.symbols), "Plan")
        self._show_possible()

    def _show_possible(self) -> None:
        """The button, the footer and the next step follow from the plan and the job."""
        self.form.can_merge(self.can("merge"))
        done = self.plan is not None and all(merge.reused for merge in self.plan.merges)
        line = self.query_one("#merge-next", Static)
        line.display = done and not self._underway
        line.update(Text(self._next_step() if done else "", "bold"))
        self.app.refresh_bindings()

    def _next_step(self) -> str:
        """Say what follows once all is merged: nothing is to be used that failed its check, or was never checked."""
        problems = [merge.problems for merge in self.plan.merges] if self.plan else []
        evaluate = self.keys("evaluate")
        if any(problems):
            return (
                f"{self.symbols.warning} Merged, but it failed the sanity check. Next: choose other experts or "
                f"another method. {evaluate} evaluates it anyway."
            )
        if None in problems:
            key = self.keys("merge")
            return f"{self.symbols.warning} Merged, but not checked. Next: press {key}, which only checks it."
        return f"{self.symbols.done} Merged. Next: press {evaluate} to evaluate."

    # --- actions ---------------------------------------------------------------------------------------

    def can(self, action: str) -> bool:
        """A merge needs fields without a problem, and no other merge for this target under way."""
        blocked = self.problem or self._underway or self.state.target is None
        return action != "merge" or not blocked

    @on(MergeForm.Confirmed)
    def _confirmed(self) -> None:
        self.do_merge()

    @background()
    async def do_merge(self) -> None:
        """Merge as the plan says; fields that were changed a moment ago are planned first."""
        target = self.state.target
        await self._ask_plan()
        options = self._planned
        if target is not None and target == self.state.target and options is not None and self.can("merge"):
            await self.submit(options)
            self._set_underway(True)

    def copied(self) -> str:
        """Return mergekit's configuration of all merges."""
        merges = self.plan.merges if self.plan else ()
        return "---\n".join(dict.fromkeys(merge.configuration for merge in merges))

    # --- jobs ------------------------------------------------------------------------------------------

    def jobs_listed(self, ended: list[JobView]) -> None:
        """Allow one merge of a target at a time."""
        self._set_underway(self.state.job_of_target("merge") is not None)
        super().jobs_listed(ended)

    def _set_underway(self, underway: bool) -> None:
        changed, self._underway = underway != self._underway, underway
        if changed:
            self._show_possible()
