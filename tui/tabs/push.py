"""Push: a merged model and its card to the Hub, after a plan, confirmed by typing the repository's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from sam_hub.errors import CatalogError, InputError, SamHubError
from tui.source import JobView
from tui.symbols import cut
from tui.tabs.tab import BaseTab
from tui.widgets.card import Card
from tui.widgets.details import body_of_card
from tui.widgets.push_form import PushForm
from tui.widgets.push_plan import PushPane, plan_lines, plan_text
from tui.widgets.reading import ReadingPane

if TYPE_CHECKING:
    from sam_hub.catalog.tables import Target

PLANNING = 180  # seconds that a plan may take: the Hub is asked, and retried where it does not answer
NO_CARD = "*The card is shown here with the plan.*"


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

    def __init__(self) -> None:
        super().__init__()
        self.plan: dict[str, Any] | None = None
        self._planned: dict[str, Any] = {}  # what was filled in when it was planned
        self._planning = False
        self._possible = False
        self._job: JobView | None = None  # the newest push of this target
        self._card = ""

    def compose(self) -> ComposeResult:
        yield Static("Loading ...", id="push-empty", classes="empty", markup=False)
        with Horizontal(id="push-body"):
            with Vertical(id="push-left"):
                yield PushForm()
                yield PushPane(id="push-plan")
            with ReadingPane(id="push-card"):
                yield Card(NO_CARD, self.symbols)

    def on_mount(self) -> None:
        self.query_one("#push-card").border_title = "Card"
        self._say_empty("Loading ...")

    @property
    def form(self) -> PushForm:
        """The fields."""
        return self.query_one(PushForm)

    @property
    def pane(self) -> PushPane:
        """Plan or result."""
        return self.query_one(PushPane)

    def focus_first(self) -> None:
        """The plan: there the keys of the tab work at once, and Tab goes to the fields."""
        self.pane.focus()

    # --- loading ---------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Which models there are to push, or what is missing for one."""
        from sam_hub.jobs.inquiries import Rankings

        target, keys = self.app.target, self.app.keys_of
        if target is None:
            self._say_empty(
                f"No target yet: press {keys('tab_target')} to make one of raw text and entity types."
            )
            return
        if self.app.settings.offline:
            self._say_empty(
                "Offline is set: nothing can be pushed. Unset SAM_HUB_OFFLINE and HF_HUB_OFFLINE."
            )
            return
        if not self._possible:
            self._say_empty("Loading ...")
        rankings = await self.source.ask(Rankings(target.name))
        there = [name for name in ("sampling", "similarity") if rankings[name]]
        if not there:
            self._say_empty(
                f"Nothing to push for {target.name} yet: press {keys('tab_select')} for Select, then "
                f"{keys('probe')} to rank the experts on disk; then merge them."
            )
            return
        self.form.offer_models(there)
        self._find_job(self.app.jobs)
        if self._job is not None:
            self.form.fill_repo(str(self._job.job.arguments.get("repo", "")))
        self._say_empty("")
        await self._forget_plan()

    def _say_empty(self, text: str) -> None:
        """Say why nothing can be pushed; empty: something can."""
        self._possible = not text
        self.query_one("#push-empty", Static).update(Text(text))
        self.query_one("#push-empty").display = bool(text)
        self.query_one("#push-body").display = not text
        if not text and self.is_shown and self.app.focused is None and self.app.screen is self.screen:
            self.focus_first()
        self.app.refresh_bindings()

    # --- showing ---------------------------------------------------------------------------------------

    def _show(self) -> None:
        """What is going on; else the plan; else what came of the last push; else how to begin."""
        job, symbols, key = self._job, self.symbols, self.app.keys_of("push")
        done = job is not None and job.job.state == "done" and self.plan is None and not self._planning
        self.set_class(done, "-pushed")
        if self._planning:
            self.pane.show("Plan", Text(f"Asking {self.app.hub_name} what is there ..."))
        elif job is not None and job.is_active:
            repo = cut(str(job.job.arguments.get("repo")), 100, symbols)
            self.pane.show("Pushing", Text(f"Pushing to {repo}; how far it is stands at the bottom."))
        elif self.plan is not None:
            self.pane.show("Plan", plan_text(self.plan, self._planned, key, symbols))
        elif done and job is not None:
            self._show_result(job.job.result or {})
        else:
            text = f"Press {key} to see what a push would do; nothing is sent before you confirm it."
            self.pane.show("Plan", Text(text))
        self.app.refresh_bindings()

    def _show_result(self, result: dict[str, Any]) -> None:
        symbols, copy = self.symbols, self.app.keys_of("copy")
        visibility = "private" if result.get("private") else "public"
        text = Text(f"{symbols.done} Pushed to {cut(str(result.get('repo')), 100, symbols)}", style="bold")
        text.append(f"\nCommit {str(result.get('commit'))[:8]}, {visibility}. ", style="not bold")
        text.append(f"{copy} copies the address or the code (Tab chooses).\n", style="not bold")
        self.pane.show("Pushed", text, str(result.get("url") or ""), str(result.get("snippet") or ""))

    async def _show_card(self, card: str) -> None:
        if card != self._card:
            self._card = card
            await self.query_one(Card).update(body_of_card(card, self.symbols) if card else NO_CARD)

    async def _forget_plan(self) -> None:
        """What was planned is not what stands in the fields, or on disk, any more."""
        self.plan = None
        self.form.show_problem("")
        self._show()
        await self._show_card("")

    @on(PushForm.Changed)
    async def _changed(self, event: PushForm.Changed) -> None:
        event.stop()
        await self._forget_plan()

    @on(PushForm.Entered)
    def _entered(self, event: PushForm.Entered) -> None:
        event.stop()
        if self.can("push"):
            self.plan = None  # Enter plans, and never pushes
            self.do_push()

    # --- actions ---------------------------------------------------------------------------------------

    def can(self, action: str) -> bool | None:
        """One thing at a time: a plan, or a push."""
        busy = self._planning or (self._job is not None and self._job.is_active)
        return True if self._possible and not busy else None

    def do_push(self) -> None:
        """Plan first; with a plan on the screen, ask for the name and push."""
        target = self.app.target
        if target is None or not self._possible:
            return
        if "/" not in self.form.values["repo"]:  # before any waiting: the next keys are for the field
            self.form.show_problem("Write where it goes as owner/name, then press Enter.")
            self.form.focus_repo()
        else:
            self._plan_or_push(target)

    @work(exclusive=True, group="push")
    async def _plan_or_push(self, target: Target) -> None:
        if self.plan is None:
            await self._make_plan(target.name)
        elif await self._confirmed():
            from sam_hub.jobs.tasks.pushing import PushMerge

            values, failed = self._planned, bool(self.plan["problems"])
            await self._forget_plan()
            await self.submit(PushMerge(target=target.name, **values, force=failed))  # the question said so

    async def _make_plan(self, target: str) -> None:
        from sam_hub.jobs.inquiries import PlanPush

        values = self.form.values
        self._planning = True
        self.form.show_problem("")
        self._show()
        try:
            plan = await self.source.ask(PlanPush(target=target, **values), timeout=PLANNING)
        except SamHubError as error:
            self._planning = False
            self._show()
            self._explain(error)
            return
        finally:
            self._planning = False
        if values == self.form.values and self.app.target and self.app.target.name == target:
            self.plan, self._planned = plan, values
            await self._show_card(plan["card"])
            self.focus_first()
        self._show()

    def _explain(self, error: SamHubError) -> None:
        """Say in the form why there is no plan, and which key leads on."""
        keys, told = self.app.keys_of, f"{error.title}. {error.action}"
        if isinstance(error, CatalogError):
            told = f"{error.title}: press {keys('tab_merge')} for Merge, then {keys('merge')}."
        self.form.show_problem(told)
        if isinstance(error, InputError):
            self.form.focus_repo()

    async def _confirmed(self) -> object:
        from tui.screens.question import Question

        assert self.plan is not None
        lines = plan_lines(self.plan, self._planned, self.symbols)
        body = "\n".join(
            [*lines, "", f"It goes to {self.app.hub_name}, and is there until it is deleted there."]
        )
        choices = [(self.app.keys_of("push"), "Push", True), ("b", "Back", False)]
        return await self.app.push_screen_wait(
            Question(f"Push to {self.plan['repo']}?", body, choices, typed=self.plan["repo"])
        )

    # --- jobs ------------------------------------------------------------------------------------------

    def jobs_seen(self, jobs: list[JobView], ended: list[JobView]) -> None:
        """How far the push has come, and how it ended."""
        super().jobs_seen(jobs, ended)
        before, here = self._job, self.is_shown and self._possible
        self._find_job(jobs)
        if self._job is not None and self._job != before and here:
            self._show()
        mine = next((view for view in ended if self._job and view.job.id == self._job.job.id), None)
        if mine is None or not here:
            return
        if mine.job.state == "failed":
            self.form.show_problem(f"{mine.job.error_title}. {mine.job.error_action or ''}")
        elif mine.job.state == "done" and self.pane.has_focus:
            self.pane.focus_url()

    def _find_job(self, jobs: list[JobView]) -> None:
        name = self.app.target.name if self.app.target else None
        mine = (view for view in jobs if view.job.kind == "push" and view.job.arguments.get("target") == name)
        self._job = next(mine, None)

    def copied(self) -> str:
        """The address or the code after a push; the page's address in a plan."""
        return self.pane.copied() or (self.plan or {}).get("page", "")
