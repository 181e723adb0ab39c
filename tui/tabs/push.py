"""Push: a merged model and its card to the Hub, after a plan, confirmed by typing the repository's name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from humanize import naturalsize
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from sam_hub.errors import CatalogError, InputError, SamHubError
from sam_hub.services.options import Method
from sam_hub.tui.messages import background, guarded
from sam_hub.tui.source import JobView
from sam_hub.tui.state import AppState
from sam_hub.tui.symbols import Symbols, cut
from sam_hub.tui.tabs.base import BaseTab
from sam_hub.tui.widgets.form import Form, choice, text
from sam_hub.tui.widgets.reading import ReadingPane

if TYPE_CHECKING:
    from sam_hub.services.options import PushOptions
    from sam_hub.services.push import PushOutcome, PushPlan

PLANNING = 180  # seconds that a plan may take: the Hub is asked, and retried where it does not answer
BY = {Method.sampling: "merged by sampling", Method.similarity: "merged by similarity"}
FILE, SIZE, LINE = 44, 10, 300  # cells of a file's name and size, and of a line


def plan_text(plan: PushPlan, options: PushOptions, key: str, symbols: Symbols) -> Text:
    """Return the whole plan, with every file."""
    first, *rest = (cut(line, LINE, symbols) for line in plan.lines(options))
    lines = [*rest, f"Nothing is sent yet: press {key} to push.", ""]
    lines += [f"  {naturalsize(file.size):>{SIZE}}  {cut(file.path, FILE, symbols)}" for file in plan.files]
    return Text.assemble((first, "bold"), "\n", "\n".join(lines))


class Copyable(Static, can_focus=True):
    """A text to be copied: whole if it has the focus. Hidden while there is none."""

    DEFAULT_CSS = """
    Copyable { height: auto; margin: 0 0 1 0; padding: 0 1; background: $boost; }
    Copyable:focus { background: $primary-muted; text-style: bold; }
    """

    def __init__(self, id: str) -> None:
        super().__init__(id=id, markup=False)
        self.words = ""

    def show(self, words: str) -> None:
        """Show these words."""
        self.words, self.display = words, bool(words)
        self.update(Text(words, overflow="fold"))


class PushPane(ReadingPane):
    """The plan; after the push the page's address and the code that loads the model."""

    def __init__(self, symbols: Symbols) -> None:
        super().__init__(symbols, "push-plan", "Plan")
        self.url, self.snippet = Copyable("push-url"), Copyable("push-snippet")

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield self.url
        yield self.snippet

    def show_result(self, title: str, text: Text, url: str = "", snippet: str = "") -> None:
        """Show a text, and under it what can be copied, if there is any."""
        self.show(text, title)
        self.url.show(url)
        self.snippet.show(snippet)

    def copied(self) -> str:
        """Return the part that has the focus, else both."""
        parts = [self.url, self.snippet]
        return "\n\n".join(part.words for part in [p for p in parts if p.has_focus] or parts if part.words)


class PushTab(BaseTab):
    """A form, the plan under it, and the card beside them (below on a small terminal)."""

    NAME = "push"
    HELP = (
        "Push a merged model to the Hub, with a card that describes how it was made and its scores. The first press of "
        "the key only shows the plan and the card. The second press asks you to type the name of the repository, and "
        "then pushes. After the push, the tab shows the address and the code that loads the model."
    )
    JOB = "push"
    RELOAD_AFTER: ClassVar = ("merge", "evaluate", "select", "target", "remove")

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        sent, seen = {False: "in a commit", True: "in a pull request"}, {False: "private", True: "public"}
        rows = (
            ("Model", choice("by", BY), choice("adapter", {False: "the whole model", True: "its one adapter"})),
            ("Sent", choice("pull_request", sent), choice("public", seen)),
            ("Repository", text("repo", hint="owner/name; Enter shows the plan", select_on_focus=False)),
        )
        self.form, self.pane = Form("push", rows, "-airy"), PushPane(self.symbols)
        self.card = ReadingPane(self.symbols, "push-card", "Card")
        self.planned: tuple[PushPlan, PushOptions] | None = None  # for the fields as they are
        self.outcome: PushOutcome | None = None  # of the last push, if that is done
        self._planning = False

    def body(self) -> ComposeResult:
        with Vertical(id="push-left"):
            yield self.form
            yield self.pane
        yield self.card

    def focus_first(self) -> None:
        """Go to the plan: there the keys of the tab work at once, and Tab goes to the fields."""
        self.pane.focus()

    @property
    def job(self) -> JobView | None:
        """The newest push of this target."""
        return self.state.job_of_target("push")

    async def load(self) -> None:
        """Read which models there are to push, or what is missing for one."""
        from sam_hub.services.selection import latest_rankings

        keys = self.keys
        if (target := self.state.target) is None:
            self.show_message(self.no_target)
            return
        if self.state.settings.offline:
            self.show_message("Offline is set: nothing can be pushed. Unset SAM_HUB_OFFLINE and HF_HUB_OFFLINE.")
            return
        rankings = (await self.source.ask(latest_rankings, target.name)).rankings
        if not rankings:
            self.show_message(
                f"Nothing to push for {target.name} yet: press {keys('tab_select')} for Select, then "
                f"{keys('rank')} to rank the experts on disk; then merge them."
            )
            return
        self.form.offer("by", {method: words for method, words in BY.items() if method in rankings})
        repo = self.form.input("repo")
        if self.job and not repo.value:
            with repo.prevent(repo.Changed):
                repo.value = str(self.job.job.arguments.get("repo", ""))
        await self._read_outcome()
        self.show_message("")
        await self._forget_plan()

    async def _read_outcome(self) -> None:
        job = self.job
        self.outcome = await guarded(self, self.source.outcome(job)) if job and job.job.state == "done" else None

    def _show(self) -> None:
        """Show what is going on; else the plan; else what came of the last push; else how to begin."""
        job, symbols, key = self.job, self.symbols, self.keys("push")
        active = job is not None and job.is_active
        outcome = None if active or self._planning or self.planned else self.outcome
        self.set_class(outcome is not None, "-pushed")
        if self._planning:
            self.pane.show_result("Plan", Text(f"Checking {self.state.hub_name} ..."))
        elif job is not None and active:
            repo = cut(str(job.job.arguments.get("repo")), 100, symbols)
            self.pane.show_result("Pushing", Text(f"Pushing to {repo}. The progress is at the bottom."))
        elif self.planned:
            self.pane.show_result("Plan", plan_text(*self.planned, key, symbols))
        elif outcome:
            done = f"{symbols.done} Pushed to {cut(outcome.repo, 100, symbols)}\n"
            commit = f"Commit {outcome.commit[:8]}, {'private' if outcome.private else 'public'}. "
            copy = f"{self.keys('copy')} copies the address or the code (Tab chooses).\n"
            self.pane.show_result("Pushed", Text.assemble((done, "bold"), commit, copy), outcome.url, outcome.snippet)
        else:
            words = f"Press {key} to see what a push would do. Nothing is sent before you confirm it."
            self.pane.show_result("Plan", Text(words))
        self.app.refresh_bindings()

    async def _show_card(self, card: str) -> None:
        self.card.show(Text("" if card else "The plan and the card will appear here.", "italic"))
        self.card.text.display = not card
        await self.card.show_card(card)

    @on(Form.Changed)
    async def _forget_plan(self) -> None:
        """What was planned is not what stands in the fields, or on disk, any more."""
        self.planned = None
        self.form.show_problem("")
        self._show()
        await self._show_card("")

    @on(Form.Submitted)
    def _entered(self) -> None:
        if self.can("push"):
            self.planned = None  # Enter plans, and never pushes
            self.do_push()

    def can(self, action: str) -> bool:
        """One thing at a time: a plan, or a push."""
        return not (self.message or self._planning or self.underway)

    def do_push(self) -> None:
        """Plan first; with a plan on the screen, ask for the name and push."""
        if self.message:
            return
        if "/" not in self.form.values["repo"]:  # before any waiting: the next keys are for the field
            self.form.show_problem("Enter the repository as owner/name, then press Enter.")
            self.form.input("repo").focus()
        else:
            self._push() if self.planned else self._plan()

    @property
    def _options(self) -> PushOptions:
        from sam_hub.services.options import PushOptions

        return PushOptions(self.target_name or "", **self.form.values)

    @background()
    async def _plan(self) -> None:
        from sam_hub.services.push import plan_push

        options, plan = self._options, None
        self._planning = True
        self.form.show_problem("")
        self._show()
        try:
            plan = await self.source.ask(plan_push, options, timeout=PLANNING)
        except SamHubError as error:  # say which key leads on
            step = f": press {self.keys('tab_merge')} for Merge, then {self.keys('merge')}."
            self.form.show_problem(f"{error.title}{step}" if isinstance(error, CatalogError) else str(error))
            if isinstance(error, InputError):
                self.form.input("repo").focus()
        finally:
            self._planning = False
        if plan and options == self._options:
            self.planned = plan, options
            await self._show_card(plan.card)
            self.focus_first()
        self._show()

    @background()
    async def _push(self) -> None:
        if self.planned is None:
            return
        plan, options = self.planned
        lines = [cut(line, LINE, self.symbols) for line in plan.lines(options)]
        lines += ["", f"This uploads the model to {self.state.hub_name}."]
        if await self.confirm(f"Push to {plan.repo}?", "\n".join(lines), self.keys("push"), "Push", plan.repo):
            await self._forget_plan()
            await self.submit(replace(options, force=bool(plan.problems)))  # the question said so

    def jobs_listed(self, ended: list[JobView]) -> None:
        """Show how far the push has come, and how it ended."""
        super().jobs_listed(ended)
        if self.is_shown and not self.message and self.job:
            if self.job in ended:
                self._push_ended(self.job)
            elif self.job.is_active:
                self._show()

    @background()
    async def _push_ended(self, view: JobView) -> None:
        await self._read_outcome()
        self._show()
        if view.job.state == "failed":
            self.form.show_problem(view.reason)
        elif view.job.state == "done" and self.pane.has_focus:
            self.pane.url.focus()

    def copied(self) -> str:
        """Return the address or the code after a push; the page's address in a plan."""
        return self.pane.copied() or (self.planned[0].page if self.planned else "")
