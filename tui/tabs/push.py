"""Push: a merged model and its card to the Hub, after a plan, confirmed by typing the repository's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from sam_hub.errors import CatalogError, InputError, SamHubError
from sam_hub.tui.actions import Handler
from sam_hub.tui.messages import background, guarded
from sam_hub.tui.source import JobView
from sam_hub.tui.state import AppState
from sam_hub.tui.symbols import cut
from sam_hub.tui.tabs.base import BaseTab
from sam_hub.tui.widgets.card import Card
from sam_hub.tui.widgets.form import Form
from sam_hub.tui.widgets.push import PushForm, PushPane, plan_lines, plan_text
from sam_hub.tui.widgets.reading import ReadingPane

if TYPE_CHECKING:
    from sam_hub.services.options import PushOptions
    from sam_hub.services.push import PushOutcome, PushPlan

PLANNING = 180  # seconds that a plan may take: the Hub is asked, and retried where it does not answer
NO_CARD = "*The card is shown here with the plan.*"


class CardPane(ReadingPane):
    """The card that a push would publish."""

    def __init__(self, card: Card) -> None:
        super().__init__("push-card", "Card")
        self._card = card

    def compose(self) -> ComposeResult:
        yield self._card


class PushTab(BaseTab):
    """A form, the plan under it, and the card beside them (below on a small terminal)."""

    NAME = "push"
    HELP = (
        "Put a merged model on the Hub, with a card that tells how it was made and what it scored. The first press "
        "only plans: it shows what would be made, and the card. The second asks you to type the repository's name, "
        "and pushes. At the end stand the address and the code that loads the model."
    )
    RELOAD_AFTER: ClassVar = ("merge", "evaluate", "select", "target", "remove")
    SCOPED_CSS = False  # the rules for small terminals begin at the screen
    DEFAULT_CSS = """
    #push-body { height: 1fr; }
    #push-left { width: 56; height: 1fr; }
    #push-card { width: 1fr; }
    #push-card Markdown { height: auto; margin: 0; padding: 0; }
    .-narrow #push-body { layout: vertical; }
    .-narrow #push-left, .-narrow #push-card { width: 100%; }
    .-narrow .-pushed #push-card { display: none; }
    """

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self.form, self.pane, self.card = PushForm(), PushPane(), Card(NO_CARD, self.symbols)
        self.plan: PushPlan | None = None
        self.outcome: PushOutcome | None = None  # of the last push, if that is done
        self._planned: PushOptions | None = None  # what was filled in when it was planned
        self._planning = False
        self._possible = False
        self._job: JobView | None = None  # the newest push of this target
        self._shown_card = ""

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What does each action."""
        return {"push": self.do_push}

    def compose(self) -> ComposeResult:
        yield Static("Loading ...", id="push-empty", classes="empty", markup=False)
        with Horizontal(id="push-body"):
            with Vertical(id="push-left"):
                yield self.form
                yield self.pane
            yield CardPane(self.card)

    def on_mount(self) -> None:
        self._say_empty("Loading ...")

    def focus_first(self) -> None:
        """Go to the plan: there the keys of the tab work at once, and Tab goes to the fields."""
        self.pane.focus()

    # --- loading ---------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read which models there are to push, or what is missing for one."""
        from sam_hub.services.selection import latest_rankings

        target, keys = self.state.target, self.keys
        if target is None:
            self._say_empty(self.no_target)
            return
        if self.state.settings.offline:
            words = "Offline is set: nothing can be pushed. Unset SAM_HUB_OFFLINE and HF_HUB_OFFLINE."
            self._say_empty(words)
            return
        if not self._possible:
            self._say_empty("Loading ...")
        rankings = await self.source.ask(latest_rankings, target.name)
        if not rankings.rankings:
            self._say_empty(
                f"Nothing to push for {target.name} yet: press {keys('tab_select')} for Select, then "
                f"{keys('probe')} to rank the experts on disk; then merge them."
            )
            return
        self.form.offer_models(list(rankings.rankings))
        self._job = self._newest_push
        if self._job is not None:
            self.form.fill_repo(str(self._job.job.arguments.get("repo", "")))
            await self._read_outcome()
        self._say_empty("")
        await self._forget_plan()

    async def _read_outcome(self) -> None:
        done = self._job is not None and self._job.job.state == "done"
        self.outcome = await guarded(self, self.source.outcome(self._job)) if done and self._job else None

    def _say_empty(self, text: str) -> None:
        """Say why nothing can be pushed; empty: something can."""
        self._possible = not text
        self.show_message(text)
        if not text and self.is_shown and self.app.focused is None and self.app.screen is self.screen:
            self.focus_first()

    # --- showing ---------------------------------------------------------------------------------------

    def _show(self) -> None:
        """Show what is going on; else the plan; else what came of the last push; else how to begin."""
        job, symbols, key = self._job, self.symbols, self.keys("push")
        outcome = self.outcome if self.plan is None and not self._planning else None
        active = job is not None and job.is_active
        self.set_class(outcome is not None and not active, "-pushed")
        if self._planning:
            self.pane.show_result("Plan", Text(f"Asking {self.state.hub_name} what is there ..."))
        elif job is not None and active:
            repo = cut(str(job.job.arguments.get("repo")), 100, symbols)
            self.pane.show_result("Pushing", Text(f"Pushing to {repo}; how far it is stands at the bottom."))
        elif self.plan is not None and self._planned is not None:
            self.pane.show_result("Plan", plan_text(self.plan, self._planned, key, symbols))
        elif outcome is not None:
            self._show_outcome(outcome)
        else:
            text = f"Press {key} to see what a push would do; nothing is sent before you confirm it."
            self.pane.show_result("Plan", Text(text))
        self.app.refresh_bindings()

    def _show_outcome(self, outcome: PushOutcome) -> None:
        visibility = "private" if outcome.private else "public"
        repo = cut(outcome.repo, 100, self.symbols)
        text = Text(f"{self.symbols.done} Pushed to {repo}", style="bold")
        text.append(f"\nCommit {outcome.commit[:8]}, {visibility}. ", style="not bold")
        copy = f"{self.keys('copy')} copies the address or the code (Tab chooses).\n"
        text.append(copy, style="not bold")
        self.pane.show_result("Pushed", text, outcome.url, outcome.snippet)

    async def _show_card(self, card: str) -> None:
        if card != self._shown_card:
            self._shown_card = card
            await self.card.show(card or NO_CARD)

    async def _forget_plan(self) -> None:
        """What was planned is not what stands in the fields, or on disk, any more."""
        self.plan = None
        self.form.show_problem("")
        self._show()
        await self._show_card("")

    @on(Form.Changed)
    async def _changed(self, event: Form.Changed) -> None:
        event.stop()
        await self._forget_plan()

    @on(Form.Submitted)
    def _entered(self, event: Form.Submitted) -> None:
        event.stop()
        if self.can("push"):
            self.plan = None  # Enter plans, and never pushes
            self.do_push()

    # --- actions ---------------------------------------------------------------------------------------

    def can(self, action: str) -> bool:
        """One thing at a time: a plan, or a push."""
        return self._possible and not (self._planning or (self._job is not None and self._job.is_active))

    def do_push(self) -> None:
        """Plan first; with a plan on the screen, ask for the name and push."""
        target = self.state.target
        if target is None or not self._possible:
            return
        if "/" not in self.form.text("repo"):  # before any waiting: the next keys are for the field
            self.form.show_problem("Write where it goes as owner/name, then press Enter.")
            self.form.input("repo").focus()
        else:
            self._plan_or_push(target.name)

    @background()
    async def _plan_or_push(self, target: str) -> None:
        plan, options = self.plan, self._planned
        if plan is None or options is None:
            await self._make_plan(target)
        elif await self._confirmed(plan, options):
            await self._forget_plan()
            await self.submit(replace(options, force=bool(plan.problems)))  # the question said so

    async def _make_plan(self, target: str) -> None:
        from sam_hub.services.push import plan_push

        options = self.form.options(target)
        self._planning = True
        self.form.show_problem("")
        self._show()
        try:
            plan = await self.source.ask(plan_push, options, timeout=PLANNING)
        except SamHubError as error:
            self._planning = False
            self._show()
            self._explain(error)
            return
        finally:
            self._planning = False
        if self.state.target and options == self.form.options(self.state.target.name):
            self.plan, self._planned = plan, options
            await self._show_card(plan.card)
            self.focus_first()
        self._show()

    def _explain(self, error: SamHubError) -> None:
        """Say in the form why there is no plan, and which key leads on."""
        words = f"{error.title}. {error.action}"
        if isinstance(error, CatalogError):
            words = f"{error.title}: press {self.keys('tab_merge')} for Merge, then {self.keys('merge')}."
        self.form.show_problem(words)
        if isinstance(error, InputError):
            self.form.input("repo").focus()

    async def _confirmed(self, plan: PushPlan, options: PushOptions) -> bool:
        from sam_hub.tui.screens.dialogs import Question

        lines = plan_lines(plan, options, self.symbols)
        lines += ["", f"It goes to {self.state.hub_name}, and is there until it is deleted there."]
        choices = [(self.keys("push"), "Push", True), ("b", "Back", False)]
        question = Question(f"Push to {plan.repo}?", "\n".join(lines), choices, typed=plan.repo)
        return bool(await self.app.push_screen_wait(question))

    # --- jobs ------------------------------------------------------------------------------------------

    @property
    def _newest_push(self) -> JobView | None:
        name = self.state.target.name if self.state.target else None
        return next((view for view in self.state.jobs if view.job.kind == "push" and view.target == name), None)

    def jobs_listed(self, ended: list[JobView]) -> None:
        """Show how far the push has come, and how it ended."""
        super().jobs_listed(ended)
        before, self._job = self._job, self._newest_push
        if not (self.is_shown and self._possible):
            return
        if self._job is not None and self._job in ended:
            self._push_ended(self._job)
        elif self._job is not None and self._job != before:
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
        return self.pane.copied() or (self.plan.page if self.plan else "")
