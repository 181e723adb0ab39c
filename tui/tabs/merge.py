"""Merge: method and parameters, the checks, the cost, mergekit's configuration; then the merge itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from humanize import naturalsize
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.widgets import Button

from sam_hub.errors import SamHubError, UsageError
from sam_hub.merging.methods import DEFAULT_METHOD, METHODS, default_parameters
from sam_hub.services.options import By
from sam_hub.tui.messages import background
from sam_hub.tui.state import AppState
from sam_hub.tui.symbols import Symbols, cut, plural
from sam_hub.tui.tabs.base import BaseTab
from sam_hub.tui.widgets.form import Form, choice, text
from sam_hub.tui.widgets.reading import ReadingPane

if TYPE_CHECKING:
    from sam_hub.services.merge_search import MergeSearch
    from sam_hub.services.merges import MergePreview, MergesPreview
    from sam_hub.services.options import MergeOptions

TYPING = 0.4  # seconds without a change until the plan is asked for again
PLANNING = 300  # seconds that a plan may take: it reads and hashes all inputs
REPO_CELLS = 60  # cells for the name of an expert
SCORES = "scores"  # instead of weights
BY = {By.both: "both rankings", By.similarity: "similarity alone", By.sampling: "sampling alone"}
NO_ADAPTER = -1  # in the place of a rank
ADAPTERS = {NO_ADAPTER: "none", 0: "of all ranks together"}
ADAPTERS |= {rank: f"of rank {rank} at most" for rank in (8, 16, 32, 64)}


class MergeTab(BaseTab):
    """A form, and beside it (below it on a small terminal) the plan that belongs to it."""

    NAME = "merge"
    HELP = (
        "Merge the chosen experts with mergekit: one merge for each ranking. The plan shows the checks, the estimated "
        "time, disk space, and memory, and mergekit's configuration. If a check fails, you can't merge, and the plan "
        "shows the reason. Tab moves through the fields, and Esc moves back to the plan."
    )
    JOB = "merge"
    RELOAD_AFTER: ClassVar = ("merge", "select", "target", "pull", "remove")
    ALWAYS_LOAD: ClassVar = True

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        words = Text(f"Merge ({self.keys('merge')})")
        self.button = Button(words, id="merge-button", variant="primary", compact=True, disabled=True)
        rows = (
            ("Method", choice("method", {name: name for name in METHODS}, DEFAULT_METHOD)),
            ("Experts by", choice("by", BY)),
            ("Parameters", text("parameters")),
            ("Weights", text("weights", hint=f"best first, or: {SCORES}")),
            ("Trimming", choice("stable", {False: "as mergekit-yaml does", True: "stable, and faster"})),
            ("Adapter", choice("rank", ADAPTERS)),
            ("Each adds", choice("leave_one_out", {False: "not measured", True: "measured"})),
            ("Search", choice("search", {False: "merge as above", True: "search by votes"})),
            ("Votes", choice("validate", {True: "reject a merge that is worse", False: "not compared"})),
        )
        self.form = Form("merge", rows, "pane -airy", [self.button])
        self.form.border_title = "Merge"
        self.pane = ReadingPane(self.symbols, "merge-plan", "Plan")
        self.plan: MergesPreview | None = None
        self.problem = ""  # why there can be no merge by the fields as they are
        self._planned: MergeOptions | None = None  # what the plan belongs to

    def body(self) -> ComposeResult:
        yield self.form
        yield self.pane

    def focus_first(self) -> None:
        """Go to the plan: there the keys of the tab work at once, and Tab goes to the fields."""
        self.pane.focus()

    async def load(self) -> None:
        """Read what can be merged, and the plan."""
        from sam_hub.services.selection import latest_rankings

        if (target := self.state.target) is None:
            self._show_missing(self.no_target)
            return
        rankings = await self.source.ask(latest_rankings, target.name)
        self._show_hint()
        if not rankings.rankings:
            self._show_missing(
                f"No ranking for {target.name} yet: press {self.keys('tab_select')} for Select, then "
                f"{self.keys('rank')} to rank the experts on disk."
            )
            return
        names = [By(name) for name in rankings.rankings]
        self.form.offer("by", {by: BY[by] for by in ([By.both, *names] if len(names) == 2 else names)})
        self.show_message("")
        self._planned = None
        self._plan_now()

    def _show_missing(self, text: str) -> None:
        self.plan = None
        self.show_note("")
        self.show_message(text)

    def _show_hint(self) -> None:
        """Say what the method takes: in the empty field, and below in words."""
        name = self.form.values["method"]
        method = METHODS[name]
        # What is tuned before what is switched: the field has room for a few only.
        defaults = {**method.defaults, **default_parameters(name)}
        parameters = sorted(defaults.items(), key=lambda item: isinstance(item[1], bool))
        shown = [f"{name}={_typed(value)}" for name, value in parameters]
        self.form.input("parameters").placeholder = " ".join(shown) or "it takes none"
        weighted = "" if method.weighted else "; it has no weights"
        self.form.show_hint(f"{name} takes {', '.join(shown) or 'no parameters'}{weighted}.")
        self.form.input("weights").disabled = not method.weighted
        self.form.fields["stable"].disabled = not method.trims

    def _options(self, target: str) -> MergeOptions:
        """Return what was filled in. Raises UsageError where it can't be read, or options exclude each other."""
        from sam_hub.merging.parameters import pairs, parameters, weights
        from sam_hub.services.options import MergeOptions

        values = self.form.values
        method = METHODS[values["method"]]
        given, rank = values["weights"] if method.weighted else "", values["rank"]
        options = MergeOptions(
            target=target,
            method=values["method"],
            by=values["by"],
            parameters=parameters(pairs(values["parameters"])),
            weights=() if given == SCORES else weights(given),
            by_score=given == SCORES,
            stable=method.trims and values["stable"],
            as_adapter=rank != NO_ADAPTER,
            rank=max(0, rank),
            leave_one_out=values["leave_one_out"],
            search=values["search"],
            validate=values["validate"],
        )
        options.check()
        return options

    @on(Form.Changed)
    def _changed(self) -> None:
        self._show_hint()
        self._plan_later()

    @background(rest=TYPING)
    async def _plan_later(self) -> None:
        await self._ask_plan()

    @background()
    async def _plan_now(self) -> None:
        await self._ask_plan()

    async def _ask_plan(self) -> None:
        """Ask for the plan of the fields as they are, and show it, or why there is none."""
        from sam_hub.services.merges import preview_merges

        if (target := self.state.target) is None:
            return
        problem = ""
        try:
            options = self._options(target.name)
            if options != self._planned:
                self.pane.border_title = "Plan: asking ..."
                self.plan = await self.source.ask(preview_merges, options, timeout=PLANNING)
                self._planned, self.problem = options, next(iter(errors_of(self.plan)), self.plan.nothing)
                self.pane.show(plan_text(self.plan, self.symbols))
            self.pane.border_title = "Plan"
        except SamHubError as error:
            self.plan, self._planned, self.problem = None, None, error.title
            if isinstance(error, UsageError):  # it is a field that is wrong
                problem = f"{self.symbols.missing} {error}"
            title = (f"{self.symbols.missing} This can't be merged: {error.title}.\n", "bold")
            self.pane.show(Text.assemble(title, error.action), "Plan: none")
        self.form.show_problem(problem)
        self.underway_changed()

    def underway_changed(self) -> None:
        """The button, the footer and the next step follow from the plan and the job."""
        self.button.disabled = not self.can("merge")
        merges = self.plan.merges if self.plan else ()
        done = bool(merges) and all(merge.reused for merge in merges) and not self.underway
        self.show_note(self._next_step() if done else "")
        self.app.refresh_bindings()

    def _next_step(self) -> str:
        """Say what follows once all is merged: nothing is to be used that failed, or was never checked."""
        merges = self.plan.merges if self.plan else ()
        evaluate = self.keys("evaluate")
        refused = [merge for merge in merges if merge.refused]
        if any(not merge.serving for merge in refused):
            return f"{self.symbols.warning} This merge failed. Next: choose other experts or another method."
        if refused:
            return (
                f"{self.symbols.warning} This merge failed. Instead, {refused[0].serving} is used. Next: press "
                f"{evaluate} to evaluate."
            )
        if any(merge.problems is None for merge in merges):
            key = self.keys("merge")
            return f"{self.symbols.warning} Merged, but not checked. Next: press {key}, which only checks it."
        return f"{self.symbols.done} Merged. Next: press {evaluate} to evaluate."

    def can(self, action: str) -> bool:
        """A merge needs fields without a problem, and no other merge for this target under way."""
        return action != "merge" or not (self.message or self.problem or self.underway)

    @on(Button.Pressed)
    def _pressed(self) -> None:
        self.do_merge()

    @background()
    async def do_merge(self) -> None:
        """Merge as the plan says; fields that were changed a moment ago are planned first."""
        target = self.state.target
        await self._ask_plan()
        if target is not None and target == self.state.target and self._planned and self.can("merge"):
            await self.submit(self._planned)

    def copied(self) -> str:
        """Return mergekit's configuration of all merges."""
        merges = self.plan.merges if self.plan else ()
        return "---\n".join(dict.fromkeys(merge.configuration for merge in merges))


def _typed(value: Any) -> str:
    """Return a default as a person would type it."""
    return "?" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def plan_text(plan: MergesPreview, symbols: Symbols) -> RenderableType:
    """Return all merges, one under another; a reason that forbids them comes first."""
    parts: list[RenderableType] = [Text(f"{symbols.warning} {plan.nothing}")] if plan.nothing else []
    if errors := errors_of(plan):
        parts.append(Text(f"{symbols.missing} This can't be merged: {errors[0]}\n", style="bold"))
    names: dict[str, str] = {}  # of merges, by configuration
    for merge in plan.merges:
        if (same := names.get(merge.configuration)) is not None:  # both rankings chose the same experts
            parts.append(Text(merge.name, style="bold"))
            parts.append(Text(f"{symbols.done} the same experts as {same}: one merge serves both\n"))
            continue
        names[merge.configuration] = merge.name
        parts.append(_merge_text(merge, plan, symbols))
        parts.append(Padding(Text(merge.configuration.rstrip(), overflow="fold"), (0, 0, 1, 2)))
    return Group(*parts)


def errors_of(plan: MergesPreview) -> list[str]:
    """Return every error of every merge: one is enough to forbid them."""
    return [error for merge in plan.merges for error in merge.errors]


def _merge_text(merge: MergePreview, plan: MergesPreview, symbols: Symbols) -> Text:
    text = Text.assemble((f"{merge.name}: {merge.method} of {plural(len(merge.experts), 'expert')}\n", "bold"))
    for expert, weight in zip(merge.experts, merge.weights, strict=True):
        repo, _, commit = expert.rpartition("@")
        text.append(f"  {cut(repo, REPO_CELLS, symbols, keep_end=True)}")
        text.append(f" @{commit[:7]}  weight {weight:g}\n", style="italic")
    signs = {"done": symbols.done, "cost": symbols.dot, "note": symbols.dot, "failed": symbols.missing}
    signs |= {"error": f"{symbols.missing} error:", "warning": f"{symbols.warning} warning:"}
    free = f"; {naturalsize(plan.free_disk)} of disk and {naturalsize(plan.free_memory)} of memory are free"
    for kind, words in merge.findings():
        text.append(f"{signs[kind]} ", style="bold")
        text.append(f"{words}{free if kind == 'cost' else ''}\n", style="italic" if kind == "note" else "")
    if merge.search_plan:
        text.append("Search, by votes: F1 on one half of the sample chooses, the other half confirms\n", style="bold")
        for step in merge.search_plan.steps:
            text.append(f"  {symbols.dot} {step}\n")
        if merge.search_plan.last:
            text.append_text(_search_table(merge.search_plan.last, symbols))
    text.append("mergekit configuration", style="bold")
    return text


def _search_table(search: MergeSearch, symbols: Symbols) -> Text:
    """Return what the last search has tried, with F1 on both halves of the sample."""
    text = Text("The last search: F1 on both halves\n", style="bold")
    for candidate in search.candidates:
        sign = symbols.done if candidate.outcome == "chosen" else " "
        text.append(f"{sign} {candidate.first:.3f} {candidate.second:.3f}  {candidate.how}: ")
        text.append(f"{', '.join(candidate.experts)}{f' ({candidate.outcome})' if candidate.outcome else ''}\n")
    return text
