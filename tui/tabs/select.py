"""Select: both rankings of the experts, why each stands where it stands, and who is chosen to be merged."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.events import DescendantFocus
from textual.widgets import Static

from sam_hub.errors import UsageError
from sam_hub.services.options import By, VoteScheme, VoteWeights
from sam_hub.tui.messages import CheckToggled, Failed, SelectionChanged, background, guarded
from sam_hub.tui.screens.dialogs import DetailsScreen, Question
from sam_hub.tui.state import AppState
from sam_hub.tui.symbols import plural
from sam_hub.tui.tabs.base import BaseTab, Planned
from sam_hub.tui.widgets.form import Row, choice, text
from sam_hub.tui.widgets.rankings import METHODS, RankingTable, agreement_text, why_text
from sam_hub.tui.widgets.reading import ReadingPane
from sam_hub.tui.widgets.table import Table

if TYPE_CHECKING:
    from sam_hub.catalog.queries import ExpertRow
    from sam_hub.services.selection import SelectionOutcome

TABLE_FRAME = 3  # rows of a table beside those it shows: its head and its border
SHOWN = 4  # experts named in a plan; more are counted


class SelectTab(BaseTab):
    """Two tables, a line on where they agree, and the reasons for the expert under the cursor."""

    NAME = "select"
    HELP = (
        "Experts are ranked twice: by how similar their training text is to the target's text, and by how well they "
        "agree with each other on a sample of it. The best k of each ranking are chosen. To choose other experts, "
        "select them with space."
    )
    LOADING = "Loading the rankings ..."
    JOB = "select"
    RELOAD_AFTER: ClassVar = ("select", "target", "add", "pull", "remove", "describe")

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self.tables = {method: RankingTable(method, state) for method in METHODS}
        self.why = ReadingPane(self.symbols, "why", least=1)
        self.rankings: SelectionOutcome | None = None
        self.on_disk: list[ExpertRow] = []
        self.expert: str | None = None  # under the cursor
        self._reasons = Text()  # why it stands where it stands
        self._of: str | None = None  # the target whose rankings these are
        self._ranked: dict[str, ExpertRow] = {}  # the experts in the rankings, by repo
        self._asked: dict[str, Any] = {}  # what was filled into the form the last time

    def body(self) -> ComposeResult:
        with Container(id="rankings"):
            yield from self.tables.values()
        yield Static(id="agreement", classes="line", markup=False)
        yield self.why

    # --- loading ---------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read the target's rankings, and the experts that could be ranked."""
        from sam_hub.catalog.queries import experts_named
        from sam_hub.services.selection import latest_rankings

        target = self.state.target
        if self.target_name is None or self.target_name != self._of:
            self.rankings, self._of = None, self.target_name
            self.show_message(self.LOADING)
        self.on_disk = await self._candidates()
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

    async def _candidates(self) -> list[ExpertRow]:
        """Return the experts on disk; baselines are never ranked."""
        from sam_hub.catalog.queries import experts_on_disk

        rows = await self.source.read(experts_on_disk, self.source.path)
        return [row for row in rows if not row.is_baseline]

    def _show(self) -> None:
        keys, count = self.keys, len(self.on_disk)
        if self.target_name is None:
            self.show_message(f"No target yet: press {keys('tab_target')} to create one from your text.")
        elif self.rankings is not None:
            self.show_message("")
            for method, table in self.tables.items():
                table.show(self.rankings.rankings.get(method))
            self.query_one("#agreement", Static).update(agreement_text(self.rankings, self.symbols))
            self.call_after_refresh(self._lay_out)
        elif self.underway:
            words = f"The experts are being ranked for {self.target_name}. The rankings will appear here."
            self.show_message(words)
        elif count:
            self.show_message(f"No ranking yet: press {keys('rank')} to rank the {plural(count, 'expert')} on disk.")
        else:
            self.show_message(
                f"No expert on disk yet: press {keys('tab_experts')}, and {keys('pull')} there to fetch some."
            )

    @property
    def _first_table(self) -> RankingTable:
        """The table of the first ranking that was made."""
        rankings = self.rankings.rankings if self.rankings else {}
        return next(table for method, table in self.tables.items() if method in rankings)

    def _lay_out(self) -> None:
        """Give the rows that the tables do not need to the reasons, whose room is then known."""
        if self.rankings is None:
            return
        heights = [table.row_count + TABLE_FRAME for table in self.tables.values()]
        stacked, alone = self.screen.has_class("-narrow"), self.screen.has_class("-short")
        needed = sum(heights) if stacked else max(heights)
        self.query_one("#rankings").styles.height = "1fr" if alone else needed
        focused = next((table for table in self.tables.values() if table.has_focus), self._first_table)
        self._look(focused.key_under_cursor)

    def on_resize(self) -> None:
        """Fit the tables to the size of the terminal: side by side, or not."""
        self.call_after_refresh(self._lay_out)

    def checked_changed(self, row: ExpertRow, base_changed: bool) -> None:
        for table in self.tables.values():
            table.redraw()

    def underway_changed(self) -> None:
        """Say so while a first ranking of this target is made."""
        if self.rankings is None and self._of:
            self._show()

    def focus_first(self) -> None:
        """Put the cursor into the first ranking that was made."""
        if self.rankings and not self.message:
            self._first_table.focus()
        else:
            self.screen.set_focus(None)  # nothing to move in: keys are actions

    # --- why -------------------------------------------------------------------------------------------

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Say why the expert under the cursor of the focused table stands there."""
        if isinstance(event.widget, RankingTable):
            self._look(event.widget.key_under_cursor)

    @on(Table.RowHighlighted)
    def _moved(self, event: Table.RowHighlighted) -> None:
        if event.table.has_focus:
            self._look(event.table.key_under_cursor)

    def _look(self, expert: str | None) -> None:
        self.expert = expert
        if expert and self.rankings and self.state.target:
            labels = self.state.target.labels
            self._reasons = why_text(expert, self.rankings, labels, self.symbols, self.why.room)
            self.why.show(self._reasons, f"Why {expert}")

    @on(Table.RowSelected)
    def _opened(self) -> None:
        """Go into the reasons; where there is no room under the tables, they are a screen."""
        if self.why.size.width:
            self.why.focus()
        elif self.expert:
            self.app.push_screen(DetailsScreen(self.expert, self._reasons, self.symbols))

    # --- actions ---------------------------------------------------------------------------------------

    def can(self, action: str) -> bool:
        """Ranking needs a target and experts on disk; all else needs a ranking."""
        return bool(self.state.target and self.on_disk) if action == "rank" else self.rankings is not None

    def do_check(self) -> None:
        if self.expert is None:
            return
        if row := self._ranked.get(self.expert):
            self.post_message(CheckToggled(row))
        else:
            self.say("This expert is no longer in the catalog.", warning=True)

    @background()
    async def do_rank(self) -> None:
        """Rank, as a job, after a look at whom and how."""
        self.on_disk = await self._candidates()
        repos, on_disk = self.state.checked_repos, {row.repo for row in self.on_disk}
        if self.target_name is None or not on_disk:
            self._show()
            return
        if missing := [repo for repo in repos if repo not in on_disk]:
            keys = f"{self.keys('tab_experts')}, then {self.keys('pull')}"
            action = f"Press {keys} to fetch them, or unselect them there."
            self.post_message(Failed(f"Not on disk, or a baseline: {_some(missing)}", action))
            return
        await self.fill_in(f"Rank experts for {self.target_name}", self._fields(), self._plan, "Rank")

    def _fields(self) -> list[Row]:
        """Return the fields of a ranking, filled in as the last time, else with the defaults."""
        from sam_hub.services.options import SelectOptions

        values = asdict(SelectOptions(""))
        if self._alone:
            values["by"] = By.similarity
        values |= self._asked
        return [
            ("Rankings", choice("by", {by: str(by) for by in (By.both, *By)}, values["by"])),
            ("Number of experts that each ranking chooses, or auto", text("k", str(values["k"]))),
            ("Sentences that each expert predicts on, 20 to 500", text("sample", str(values["sample"]))),
            ("Votes", choice("votes", {votes: str(votes) for votes in VoteScheme}, values["votes"])),
            ("Votes weigh", choice("weights", {way: str(way) for way in VoteWeights}, values["weights"])),
            ("Share of the voters that must agree", text("threshold", str(values["threshold"]))),
        ]

    @property
    def _alone(self) -> bool:
        return (len(self.state.checked) or len(self.on_disk)) == 1

    async def _plan(self, values: dict[str, Any]) -> Planned:
        """Return the options of a ranking, and who is asked how much."""
        from sam_hub.services.options import AUTO, SelectOptions

        target, repos, self._asked = self.state.target, self.state.checked_repos, values
        try:
            numbers = {"sample": int(values["sample"]), "threshold": float(values["threshold"])}
            k = AUTO if values["k"] == AUTO else int(values["k"])
        except ValueError as error:
            words = "The experts, the sentences and the share are numbers"
            raise UsageError(
                words, f"Enter numbers such as 3, 40, and 0.25. The number of experts can also be {AUTO}."
            ) from error
        options = SelectOptions(self.target_name or "", experts=tuple(repos), **{**values, **numbers, "k": k})
        await self.source.read(options.check)
        who = f"all that are on disk ({len(self.on_disk)})"
        if repos:
            who = f"the {'one' if len(repos) == 1 else len(repos)} selected: {_some(repos)}"
        sentences = f"{target.name} has {plural(target.sentence_count, 'sentence')}. " if target else ""
        lines = [
            f"Experts: {who}.",
            f"{sentences}Predictions are stored. On the same sample, only new experts must predict.",
        ]
        if self._alone:
            lines.append(
                "A ranking by votes needs at least two experts. With one, only the ranking by similarity is made."
            )
        return options, "\n".join(lines)

    @background()
    async def do_choose(self) -> None:
        """Let the selected experts take the place of the best k."""
        from sam_hub.services.options import ChooseOptions
        from sam_hub.services.selection import choose_experts

        target, repos = self.state.target, self.state.checked_repos
        if target is None or self.rankings is None:
            return
        if not repos:
            self.say(f"First select the experts to choose (key: {self.keys('check')}).", warning=True)
            return
        keys = {"similarity": "s", "sampling": "v"}
        methods = [method for method in METHODS if method in self.rankings.rankings]
        choices = [("2", "Both", "both")] if len(methods) == 2 else []
        choices += [(keys[method], method.capitalize(), method) for method in methods]
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
        self.say(f"Chosen by hand: {_some(repos)}")
        self.post_message(SelectionChanged())

    def copied(self) -> str:
        return self.expert or ""


def _some(repos: list[str]) -> str:
    more = f" and {len(repos) - SHOWN} more" if len(repos) > SHOWN else ""
    return f"{', '.join(repos[:SHOWN])}{more}"
