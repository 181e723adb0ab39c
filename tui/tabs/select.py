"""Select: both rankings of the experts, why each stands where it stands, and who is chosen to be merged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.widgets import Static

from sam_hub.tui.actions import Handler
from sam_hub.tui.messages import CheckToggled, Failed, SelectionChanged, TabRequested, background, guarded
from sam_hub.tui.source import JobView
from sam_hub.tui.state import AppState
from sam_hub.tui.tabs.base import BaseTab
from sam_hub.tui.widgets.details import Details
from sam_hub.tui.widgets.rankings import METHODS, RankingTable, agreement_text, why_text
from sam_hub.tui.widgets.table import Table

if TYPE_CHECKING:
    from sam_hub.catalog.queries import ExpertRow
    from sam_hub.services.selection import SelectionOutcome

TABLE_FRAME = 3  # rows of a table beside those it shows: its head and its border
SHOWN = 6  # experts named in a plan; more are counted


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

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        key = self.keys("probe")
        self.tables = {method: RankingTable(method, self.symbols, key) for method in METHODS}
        self.why = Details(self.symbols, id="why")
        self.rankings: SelectionOutcome | None = None
        self.on_disk: list[ExpertRow] = []
        self.expert: str | None = None  # under the cursor
        self._of: str | None = None  # the target whose rankings these are
        self._ranked: dict[str, ExpertRow] = {}  # the experts in the rankings, by repo
        self._asked: dict[str, str] = {}  # what was filled into the form the last time
        self._underway = False  # whether a ranking of this target is being made

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What does each action."""
        return {
            "check": self.do_check,
            "probe": self.do_probe,
            "choose": self.do_choose,
            "merge": lambda: self.post_message(TabRequested("merge")),
        }

    def compose(self) -> ComposeResult:
        yield Static("Loading the rankings ...", id="select-empty", classes="empty", markup=False)
        with Vertical(id="select-body"):
            with Container(id="rankings"):
                yield from self.tables.values()
            yield Static(id="agreement", classes="line", markup=False)
            yield self.why

    # --- loading ---------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read the target's rankings, and the experts that could be ranked."""
        from sam_hub.catalog.queries import experts_named, experts_on_disk
        from sam_hub.services.selection import latest_rankings

        target = self.state.target
        if target is None or target.name != self._of:
            self.rankings, self._of = None, target.name if target else None
            self.show_message("Loading the rankings ...")
        self.on_disk = await self.source.read(experts_on_disk, self.source.path)
        latest = await guarded(self, self.source.ask(latest_rankings, target.name)) if target else None
        if target and latest is None:
            self.stale = True  # read again when the tab is next opened
            self.show_message(f"The rankings could not be read: press {self.keys('last_error')} for the reason.")
            return
        choices = latest.rankings.values() if latest else ()
        names = sorted({row.expert for choice in choices for row in choice.ranking.rows})
        ranked = await self.source.read(experts_named, self.source.path, names) if names else []
        self._ranked = {row.repo: row for row in ranked}
        self.rankings = latest if names else None
        self._show()

    def _show(self) -> None:
        target, keys, count = self.state.target, self.keys, len(self.on_disk)
        if target is None:
            self.show_message(f"No target yet: press {keys('tab_target')} to make one of your texts.")
        elif self.rankings is not None:
            first = not self.query_one("#select-body").display
            self.show_message("")
            self.call_after_refresh(self._draw, first)
        elif self._underway:
            self.show_message(f"The experts are being ranked for {target.name}: who is first is shown here then.")
        elif not count:
            self.show_message(
                f"No expert on disk yet: press {keys('tab_experts')}, and {keys('pull')} there to fetch some."
            )
        else:
            experts = f"{count} {'expert' if count == 1 else 'experts'}"
            self.show_message(f"No ranking yet: press {keys('probe')} to rank the {experts} on disk.")

    def _draw(self, first: bool) -> None:
        """Draw all, once the tables have their size."""
        if self.rankings is None or self.state.target is None:
            return
        for method, table in self.tables.items():
            choice = self.rankings.rankings.get(method)
            table.show(choice, self.state.target.labels, self.state.checked_repos)
        self.query_one("#agreement", Static).update(agreement_text(self.rankings, self.symbols))
        if first and self.is_shown and self.app.focused in (None, self):
            self.focus_first()
        focused = next((table for table in self.tables.values() if table.has_focus), None)
        self._look((focused or self._first_table).expert)
        self._give_room()

    @property
    def _first_table(self) -> RankingTable:
        """The table of the first ranking that was made."""
        made = self.rankings.rankings if self.rankings else {}
        return next(table for method, table in self.tables.items() if method in made)

    def _give_room(self) -> None:
        """Give the rows that the tables do not need to the reasons."""
        if self.rankings is None:
            return
        heights = [table.row_count + TABLE_FRAME for table in self.tables.values()]
        stacked, alone = self.screen.has_class("-narrow"), self.screen.has_class("-short")
        needed = sum(heights) if stacked else max(heights)
        self.query_one("#rankings").styles.height = "1fr" if alone else needed

    def on_resize(self) -> None:
        """Fit the tables to the size of the terminal: side by side, or not."""
        self.call_after_refresh(self._give_room)

    def checked_changed(self, row: ExpertRow, base_changed: bool) -> None:
        """Draw the marks in both tables."""
        if self.rankings is not None:
            for table in self.tables.values():
                table.show_checked(self.state.checked_repos)

    def focus_first(self) -> None:
        """Put the cursor into the first ranking that was made."""
        if self.rankings and self.query_one("#select-body").display:
            self._first_table.focus()
        else:
            self.screen.set_focus(None)  # nothing to move in: keys are actions

    # --- why -------------------------------------------------------------------------------------------

    @on(RankingTable.Looked)
    def _looked_at(self, event: RankingTable.Looked) -> None:
        event.stop()
        self._look(event.expert)

    def _look(self, expert: str | None) -> None:
        self.expert = expert
        if expert and (text := self._why(expert)):
            self.why.show_facts(f"Why {expert}", text)

    def _why(self, expert: str) -> Text | None:
        if self.rankings is None or self.state.target is None:
            return None
        return why_text(expert, self.rankings, self.state.target.labels, self.symbols, self.why.room)

    @on(Table.RowSelected)
    def _opened(self, event: Table.RowSelected) -> None:
        """Go into the reasons; where there is no room under the tables, they are a screen."""
        from sam_hub.tui.screens.dialogs import DetailsScreen

        event.stop()
        if self.why.size.width:
            self.why.focus()
        elif self.expert and (text := self._why(self.expert)):
            self.app.push_screen(DetailsScreen(self.expert, text, self.symbols))

    # --- actions ---------------------------------------------------------------------------------------

    def can(self, action: str) -> bool:
        """Ranking needs a target and experts on disk; all else needs a ranking."""
        return bool(self.state.target and self.on_disk) if action == "probe" else self.rankings is not None

    def do_check(self) -> None:
        """Select or unselect the expert under the cursor."""
        if self.expert is None:
            return
        if row := self._ranked.get(self.expert):
            self.post_message(CheckToggled(row))
        else:
            words = "This expert is not in the catalog any more."
            self.app.notify(words, severity="warning", timeout=4, markup=False)

    @background()
    async def do_probe(self) -> None:
        """Rank, as a job, after a look at whom and how."""
        from sam_hub.catalog.queries import experts_on_disk
        from sam_hub.services.options import By, SelectOptions, VoteScheme, VoteWeights
        from sam_hub.tui.screens.ranking import ranking_form

        target = self.state.target
        self.on_disk = await self.source.read(experts_on_disk, self.source.path)
        repos, on_disk = self.state.checked_repos, {row.repo for row in self.on_disk}
        if target is None or not on_disk:
            self._show()
            return
        if missing := [repo for repo in repos if repo not in on_disk]:
            keys = f"{self.keys('tab_experts')}, then {self.keys('pull')}"
            action = f"Press {keys} to fetch them, or unselect them there."
            self.post_message(Failed(f"Not on disk: {_some(missing)}", action))
            return
        form = ranking_form(target, repos, len(on_disk), self._asked)
        values = await self.app.push_screen_wait(form)
        if values is None:
            return
        self._asked = values
        options = SelectOptions(
            target.name,
            experts=tuple(repos),
            by=By(values["by"]),
            k=int(values["k"]) if values["k"].isdigit() else values["k"],
            sample=int(values["sample"]),
            votes=VoteScheme(values["votes"]),
            threshold=float(values["threshold"]),
            weights=VoteWeights(values["weights"]),
        )
        await self.source.read(options.check)
        await self.submit(options)

    @background()
    async def do_choose(self) -> None:
        """Let the selected experts take the place of the best k."""
        from sam_hub.services.options import By, ChooseOptions
        from sam_hub.services.selection import choose_experts
        from sam_hub.tui.screens.dialogs import Question

        target, repos = self.state.target, self.state.checked_repos
        if target is None or self.rankings is None:
            return
        if not repos:
            words = f"Select the experts to be chosen first (key: {self.keys('check')})."
            self.app.notify(words, severity="warning", timeout=4)
            return
        keys = {"similarity": "s", "sampling": "v"}
        made = [method for method in METHODS if method in self.rankings.rankings]
        choices = [("2", "Both", "both")] if len(made) == 2 else []
        choices += [(keys[method], method.capitalize(), method) for method in made]
        names = "\n".join(f"  {repo}" for repo in repos)
        question = Question(
            f"Choose {'this expert' if len(repos) == 1 else f'these {len(repos)} experts'} by hand?",
            f"{names}\n\nThey are merged instead of the best k. The rankings stay as they are. In which ranking?",
            [*choices, ("b", "Back", None)],
        )
        by = await self.app.push_screen_wait(question)
        if by is None:
            return
        await self.source.ask(choose_experts, ChooseOptions(target.name, tuple(repos), By(str(by))))
        self.app.notify(f"Chosen by hand: {_some(repos)}", markup=False, timeout=4)
        self.post_message(SelectionChanged())

    # --- jobs ------------------------------------------------------------------------------------------

    def jobs_listed(self, ended: list[JobView]) -> None:
        """Say so while a first ranking of this target is made."""
        underway = self.state.job_of_target("select") is not None
        started, self._underway = underway and not self._underway, underway
        if started and self.rankings is None and self._of:
            self._show()
        super().jobs_listed(ended)

    def copied(self) -> str:
        """Return the name of the expert under the cursor."""
        return self.expert or ""


def _some(repos: list[str]) -> str:
    more = f" and {len(repos) - SHOWN} more" if len(repos) > SHOWN else ""
    return f"{', '.join(repos[:SHOWN])}{more}"
