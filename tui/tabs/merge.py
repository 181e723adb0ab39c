"""Merge: method and parameters, the checks, the cost, mergekit's configuration; then the merge itself."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import Static

from sam_hub.errors import SamHubError, UsageError
from tui.source import JobView
from tui.tabs.tab import BaseTab
from tui.widgets.merge_form import MergeForm
from tui.widgets.merge_plan import errors_of, plan_text, problem_text
from tui.widgets.reading import ReadingPane

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

    def __init__(self) -> None:
        super().__init__()
        self.plan: dict[str, Any] | None = None
        self.problem = ""  # why there can be no merge now
        self._planned: dict[str, Any] | None = None  # the choice that the plan belongs to
        self._underway: JobView | None = None
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static("Loading ...", id="merge-empty", classes="empty", markup=False)
        with Horizontal(id="merge-body"):
            yield MergeForm()
            with ReadingPane(id="merge-plan"):
                yield Static(id="merge-plan-text", markup=False)
        yield Static(id="merge-next", markup=False)

    def on_mount(self) -> None:
        self._say_empty("Loading ...")
        self.query_one("#merge-next").display = False
        self.query_one(MergeForm).show_problem("")
        self.query_one(ReadingPane).border_title = "Plan"

    @property
    def form(self) -> MergeForm:
        """The fields."""
        return self.query_one(MergeForm)

    def focus_first(self) -> None:
        """The plan: there the keys of the tab work at once, and Tab goes to the fields."""
        self.query_one(ReadingPane).focus()

    do_back = focus_first

    def enter(self) -> None:
        """Look anew each time: other tabs change what is merged."""
        self.stale = True
        super().enter()

    # --- loading ---------------------------------------------------------------------------------------

    async def load(self) -> None:
        """What can be merged, mergekit's methods, and the plan."""
        from sam_hub.jobs.inquiries import MergeMethods, Rankings

        target = self.app.target
        if target is None:
            key = self.app.keys_of("tab_target")
            self._say_empty(f"No target yet: press {key} to make one of raw text and entity types.")
            return
        if not self.form.knows_methods:
            self._say_empty("Loading mergekit's methods ...")
            rankings, methods = await asyncio.gather(
                self.source.ask(Rankings(target.name)), self.source.ask(MergeMethods(), timeout=PLANNING)
            )
            self.form.offer_methods(methods["methods"], methods["default"])
        else:
            rankings = await self.source.ask(Rankings(target.name))
        there = [name for name in ("similarity", "sampling") if rankings[name]]
        if not there:
            self._say_empty(
                f"No ranking for {target.name} yet: press {self.app.keys_of('tab_select')} for Select, then "
                f"{self.app.keys_of('probe')} to rank the experts on disk."
            )
            return
        self.form.offer_rankings(there)
        self._say_empty("")
        self._planned = None
        self._plan_now()

    def _say_empty(self, text: str) -> None:
        """Say why there is nothing to merge; empty: there is."""
        self.query_one("#merge-empty", Static).update(Text(text))
        self.query_one("#merge-empty").display = bool(text)
        self.query_one("#merge-body").display = not text
        if text:
            self.plan, self.problem = None, text
            self.query_one("#merge-next").display = False
            self.app.refresh_bindings()
        elif self.is_shown and self.app.focused is None:
            self.focus_first()

    # --- the plan --------------------------------------------------------------------------------------

    @on(MergeForm.Changed)
    def _later(self, event: MergeForm.Changed) -> None:
        """Plan anew when the typing rests."""
        event.stop()
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(TYPING, self._plan_now)

    @work(exclusive=True, group="merge-plan")
    async def _plan_now(self) -> None:
        await self._ask_plan()

    async def _ask_plan(self) -> None:
        """Ask for the plan of the fields as they are, and show it, or why there is none."""
        from sam_hub.jobs.inquiries import PlanMerge
        from sam_hub.jobs.tasks.merging import MergeExperts

        target = self.app.target
        if target is None or not self.form.knows_methods:
            return
        pane = self.query_one(ReadingPane)
        try:
            choice = self.form.choice()
            MergeExperts(target=target.name, **choice, **self.form.extras()).check()
            if choice == self._planned:
                pane.border_title = "Plan"
                self.form.show_problem("")
                return
            pane.border_title = "Plan: asking ..."
            plan = await self.source.ask(PlanMerge(target=target.name, **choice), timeout=PLANNING)
        except SamHubError as error:
            pane.border_title = "Plan: none"
            self._planned = None
            self._no_plan(error)
            return
        pane.border_title = "Plan"
        self._planned = choice
        self._show_plan(plan)

    def _no_plan(self, error: SamHubError) -> None:
        self.plan, self.problem = None, error.title
        inline = isinstance(error, UsageError)  # it is a field that is wrong
        self.form.show_problem(f"{self.symbols.missing} {error}" if inline else "")
        self._put(problem_text(error.title, error.action, self.symbols))

    def _show_plan(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.problem = next(iter(errors_of(plan)), "")
        self.form.show_problem("")
        self._put(plan_text(plan, self.symbols))

    def _put(self, shown: RenderableType) -> None:
        self.query_one("#merge-plan-text", Static).update(shown)
        self._show_possible()

    def _show_possible(self) -> None:
        """The button, the footer and the next step follow from the plan and the job."""
        self.form.can_merge(bool(self.can("merge")))
        done = self.plan is not None and all(merge["reused"] for merge in self.plan["merges"])
        line = self.query_one("#merge-next", Static)
        line.display = done and self._underway is None
        line.update(Text(self._next() if done else "", "bold"))
        self.app.refresh_bindings()

    def _next(self) -> str:
        """What follows once all is merged: nothing is to be used that failed its check, or was never checked."""
        assert self.plan is not None
        problems = [merge["problems"] for merge in self.plan["merges"]]
        evaluate = self.app.keys_of("evaluate")
        if any(problems):
            return (
                f"{self.symbols.warning} Merged, but it failed the check. Next: choose other experts, or another "
                f"method; {evaluate} evaluates it all the same."
            )
        if None in problems:
            key = self.app.keys_of("merge")
            return f"{self.symbols.warning} Merged, but not checked. Next: press {key}, which only checks it."
        return f"{self.symbols.done} Merged. Next: press {evaluate} to evaluate."

    # --- actions ---------------------------------------------------------------------------------------

    def can(self, action: str) -> bool | None:
        """A merge needs fields without a problem, and no other merge for this target under way."""
        if action == "merge" and (self.problem or self._underway is not None or self.app.target is None):
            return None
        return True

    @work(exclusive=True, group="merge")
    async def do_merge(self) -> None:
        """Merge as the plan says; fields that were changed a moment ago are planned first."""
        from sam_hub.jobs.tasks.merging import MergeExperts

        target = self.app.target
        await self._ask_plan()
        choice = self._planned
        if target is not None and target == self.app.target and choice is not None and self.can("merge"):
            job = await self.submit(MergeExperts(target=target.name, **choice, **self.form.extras()))
            if job is not None:
                self._set_underway(JobView(job, None))

    async def do_evaluate(self) -> None:
        """Go to Evaluate, which asks how."""
        await self.app.go("evaluate")
        self.app.tab.do_evaluate()  # type: ignore[attr-defined]

    def copied(self) -> str:
        """mergekit's configuration of all merges."""
        merges = self.plan["merges"] if self.plan else []
        return "---\n".join(dict.fromkeys(merge["configuration"] for merge in merges))

    # --- jobs ------------------------------------------------------------------------------------------

    def jobs_seen(self, jobs: list[JobView], ended: list[JobView]) -> None:
        """One merge of a target at a time."""
        self._set_underway(self.job_of_target("merge", jobs))
        super().jobs_seen(jobs, ended)

    def _set_underway(self, view: JobView | None) -> None:
        before, self._underway = self._underway, view
        if (before is None) != (view is None):
            self._show_possible()
