"""Select: both rankings of the experts, why each stands where it stands, and who is chosen to be merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.widgets import DataTable, Static

from tui.messages import Failed
from tui.screens.details import DetailsScreen
from tui.source import JobView
from tui.tabs.tab import BaseTab
from tui.widgets.details import Details
from tui.widgets.ranking_form import ranking_form
from tui.widgets.ranking_table import RankingTable
from tui.widgets.why import METHODS, agreement_text, why_text

if TYPE_CHECKING:
    from sam_hub.catalog.queries import ExpertRow

TABLE_FRAME = 3  # rows of a table beside those it shows: its head and its border
SHOWN = 6  # experts named in a plan; more are counted


async def _no_card() -> str:
    return ""


class SelectTab(BaseTab):
    """Two tables, a line on where they agree, and the reasons for the expert under the cursor."""

    NAME = "select"
    HELP = (
        "Experts are ranked twice: by how near their training text is to the target's, and by how well they agree "
        "with each other on a sample of it. The best k of each ranking are chosen; select others with space and "
        "choose those instead."
    )
    RELOAD_AFTER: ClassVar = ("select", "target", "add", "pull", "remove", "describe")
    SCOPED_CSS = False  # the size of the terminal is told by classes of the screen
    DEFAULT_CSS = """
    #select-body { height: 1fr; display: none; }
    #rankings { height: 1fr; max-height: 60%; layout: horizontal; }
    #ranking-similarity { width: 5fr; }
    #ranking-sampling { width: 7fr; }
    .-narrow #rankings { layout: vertical; }
    .-narrow #ranking-similarity, .-narrow #ranking-sampling { width: 1fr; }
    .-short #why { display: none; }
    .-short #rankings { max-height: 100%; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.rankings: dict[str, Any] | None = None
        self.on_disk: list[ExpertRow] = []
        self._of: str | None = None  # the target whose rankings these are
        self._ranked: dict[str, ExpertRow] = {}  # the experts in the rankings, by repo
        self._asked: dict[str, str] = {}  # what was filled into the form the last time
        self._looked: tuple[str, str | None] = (METHODS[0], None)
        self._underway = False  # whether a ranking of this target is being made

    def compose(self) -> ComposeResult:
        yield Static("Loading the rankings ...", id="select-message", classes="empty", markup=False)
        with Vertical(id="select-body"):
            with Container(id="rankings"):
                for method in METHODS:
                    yield RankingTable(method)
            yield Static(id="agreement", classes="line", markup=False)
            yield Details(id="why")

    def _table(self, method: str) -> RankingTable:
        return self.query_one(f"#ranking-{method}", RankingTable)

    @property
    def expert(self) -> str | None:
        """The expert under the cursor."""
        return self._looked[1]

    # --- loading ---------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Experts may have been selected elsewhere since."""
        super().enter()
        if self.rankings:
            self._draw_tables()

    async def load(self) -> None:
        """The target's rankings, and the experts that could be ranked."""
        from sam_hub.catalog.queries import experts_named, experts_on_disk
        from sam_hub.jobs.inquiries import Rankings

        target = self.app.target
        if target is None or target.name != self._of:
            self.rankings, self._of = None, target.name if target else None
            self._say("Loading the rankings ...")
        self.on_disk = await self.source.read(experts_on_disk, self.source.path)
        found = await self.guarded(self.source.ask(Rankings(target.name))) if target else None
        if target and found is None:
            self.stale = True  # read again when the tab is next opened
            self._say(
                f"The rankings could not be read: press {self.app.keys_of('last_error')} for the reason."
            )
            return
        names = {
            row["expert"] for method in METHODS for row in ((found and found[method]) or {}).get("rows", ())
        }
        ranked = await self.source.read(experts_named, self.source.path, sorted(names)) if names else []
        self._ranked = {row.repo: row for row in ranked}
        self.rankings = found if names else None
        self._show()
        self.app.refresh_bindings()

    def _say(self, message: str) -> None:
        """Words instead of the rankings."""
        self.query_one("#select-body").display = False
        line = self.query_one("#select-message", Static)
        line.display = True
        line.update(message)

    def _show(self) -> None:
        keys = self.app.keys_of
        if self.app.target is None:
            self._say(f"No target yet: press {keys('tab_target')} to make one of your texts.")
        elif self.rankings is None and self._underway:
            self._say(
                f"The experts are being ranked for {self.app.target.name}: who is first is shown here then."
            )
        elif self.rankings is None and not self.on_disk:
            self._say(
                f"No expert on disk yet: press {keys('tab_experts')}, and {keys('pull')} there to fetch some."
            )
        elif self.rankings is None:
            count = f"{len(self.on_disk)} {'expert' if len(self.on_disk) == 1 else 'experts'}"
            self._say(f"No ranking yet: press {keys('probe')} to rank the {count} on disk.")
        else:
            first = not self.query_one("#select-body").display
            self.query_one("#select-message").display = False
            self.query_one("#select-body").display = True
            self.call_after_refresh(self._draw, first)

    def _draw(self, first: bool) -> None:
        """Once the tables have their size."""
        if self.rankings is None or self.app.target is None:
            return
        for method in METHODS:
            self._table(method).show(self.rankings[method], self.app.target.labels)
        self.query_one("#agreement", Static).update(agreement_text(self.rankings, self.symbols))
        if first and self.is_shown and self.app.focused in (None, self):
            self.focus_first()
        focused = next((self._table(m) for m in METHODS if self._table(m).has_focus), None)
        table = focused or next(self._table(m) for m in METHODS if self.rankings[m])
        self._look(table.method, table.expert)

        self._give_room()

    def _give_room(self) -> None:
        """Rows that the tables do not need are the reasons'."""
        if self.rankings is None:
            return
        heights = [len(self._table(m).rows_shown) + TABLE_FRAME for m in METHODS]
        stacked, alone = self.screen.has_class("-narrow"), self.screen.has_class("-short")
        needed = sum(heights) if stacked else max(heights)
        self.query_one("#rankings").styles.height = "1fr" if alone else needed

    def on_resize(self) -> None:
        """The tables stand side by side, or not."""
        self.call_after_refresh(self._give_room)

    def _draw_tables(self) -> None:
        for method in METHODS:
            self._table(method).draw()

    def focus_first(self) -> None:
        """The first ranking that was made."""
        if self.rankings and self.query_one("#select-body").display:
            next(self._table(m) for m in METHODS if self.rankings[m]).focus()
        else:
            self.screen.set_focus(None)  # nothing to move in: keys are actions

    # --- why -------------------------------------------------------------------------------------------

    @on(RankingTable.Looked)
    def _looked_at(self, event: RankingTable.Looked) -> None:
        event.stop()
        self._look(event.method, event.expert)

    def _look(self, method: str, expert: str | None) -> None:
        self._looked = (method, expert)
        if expert and self.rankings and self.app.target:
            self.query_one(Details).show_facts(f"Why {expert}", self._why(expert), self.symbols)

    def _why(self, expert: str) -> Text:
        assert self.rankings is not None
        assert self.app.target is not None
        details = self.query_one(Details)
        return why_text(expert, self.rankings, self.app.target.labels, self.symbols, details.room)

    @on(DataTable.RowSelected)
    async def _opened(self, event: DataTable.RowSelected) -> None:
        """Enter: the reasons, as a screen where there is no room under the tables."""
        event.stop()
        details = self.query_one(Details)
        if details.size.width:
            details.focus()
        elif self.expert and self.rankings:
            await self.app.push_screen(DetailsScreen(self.expert, self._why(self.expert), _no_card()))

    # --- actions ---------------------------------------------------------------------------------------

    def can(self, action: str) -> bool | None:
        """Ranking needs a target and experts on disk; all else needs a ranking."""
        if action == "probe":
            return True if self.app.target and self.on_disk else None
        return True if self.rankings else None

    def do_check(self) -> None:
        """Select or unselect the expert under the cursor."""
        if self.expert is None:
            return
        row = self._ranked.get(self.expert)
        if row is None:
            self.app.notify(
                "This expert is not in the catalog any more.", severity="warning", timeout=4, markup=False
            )
            return
        self.app.check(row)
        self._draw_tables()
        self.app.tab_of("experts").reload()  # its marks and titles tell of the selected ones, too

    @work(exclusive=True, group="probe")
    async def do_probe(self) -> None:
        """Rank, as a job, after a look at whom and how."""
        from sam_hub.catalog.queries import experts_on_disk
        from sam_hub.jobs.tasks.selecting import SelectExperts

        target = self.app.target
        self.on_disk = await self.guarded(self.source.read(experts_on_disk, self.source.path)) or []
        asked = list(self.app.checked.values())
        here = {row.repo for row in self.on_disk}
        if target is None or not here:
            self._show()
            return
        if missing := [repo for repo in asked if repo not in here]:
            keys = f"{self.app.keys_of('tab_experts')}, then {self.app.keys_of('pull')}"
            self.post_message(
                Failed(
                    f"Not on disk: {_some(missing)}", f"Press {keys} to fetch them, or unselect them there."
                )
            )
            return
        form = ranking_form(target, asked, len(here), self._asked)
        values = await self.app.push_screen_wait(form)
        if values is None:
            return
        self._asked = values
        ranking = SelectExperts(
            target.name,
            tuple(asked),
            by=values["by"],
            k=int(values["k"]) if values["k"].isdigit() else values["k"],
            sample=int(values["sample"]),
            votes=values["votes"],
            threshold=float(values["threshold"]),
            weights=values["weights"],
        )

        async def checked_and_submitted() -> None:
            await self.source.read(ranking.check)
            await self.submit(ranking)

        await self.guarded(checked_and_submitted())

    @work(exclusive=True, group="choose")
    async def do_choose(self) -> None:
        """Let the selected experts take the place of the best k."""
        from tui.screens.question import Question

        target, repos = self.app.target, list(self.app.checked.values())
        if target is None or self.rankings is None:
            return
        if not repos:
            key = self.app.keys_of("check")
            self.app.notify(
                f"Select the experts to be chosen first (key: {key}).", severity="warning", timeout=4
            )
            return
        made = [method for method in METHODS if self.rankings[method]]
        choices = [("2", "Both", "both")] if len(made) == 2 else []
        choices += [("s" if method == "similarity" else "v", method.capitalize(), method) for method in made]
        names = "\n".join(f"  {repo}" for repo in repos)
        question = Question(
            f"Choose {'this expert' if len(repos) == 1 else f'these {len(repos)} experts'} by hand?",
            f"{names}\n\nThey are merged instead of the best k. The rankings stay as they are. In which ranking?",
            [*choices, ("b", "Back", None)],
        )
        by = await self.app.push_screen_wait(question)
        if by is None:
            return

        def choose() -> dict[str, list[str]]:
            from sam_hub.selection.rankings import choose_by_hand

            return choose_by_hand(self.source.catalog, target.name, repos, by)

        if await self.guarded(self.source.read(choose)) is not None:
            self.app.notify(f"Chosen by hand: {_some(repos)}", markup=False, timeout=4)
            for tab in self.app.query("#tabs > *").results(BaseTab):
                tab.reload()

    async def do_merge(self) -> None:
        """On to the merge."""
        await self.app.go("merge")

    # --- jobs ------------------------------------------------------------------------------------------

    def jobs_seen(self, jobs: list[JobView], ended: list[JobView]) -> None:
        """Say so while a first ranking of this target is made."""
        underway = self.job_of_target("select", jobs) is not None
        started, self._underway = underway and not self._underway, underway
        if started and self.rankings is None and self._of:
            self._show()
        super().jobs_seen(jobs, ended)

    def copied(self) -> str:
        """The name of the expert under the cursor."""
        return self.expert or ""


def _some(repos: list[str]) -> str:
    more = f" and {len(repos) - SHOWN} more" if len(repos) > SHOWN else ""
    return f"{', '.join(repos[:SHOWN])}{more}"
