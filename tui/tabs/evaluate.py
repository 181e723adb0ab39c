"""Evaluate: strict scores of all systems, of each type, and the sentences behind them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.console import Group, RenderableType
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from sam_hub.errors import SamHubError
from sam_hub.services.options import Rule
from sam_hub.tui.messages import background
from sam_hub.tui.source import JobView
from sam_hub.tui.state import AppState
from sam_hub.tui.symbols import cut, number, plural, progress_bar
from sam_hub.tui.tabs.base import BaseTab, Planned
from sam_hub.tui.widgets.form import Row, choice, text
from sam_hub.tui.widgets.reading import ReadingPane
from sam_hub.tui.widgets.scores import Marker, types_text
from sam_hub.tui.widgets.table import Column, Table

if TYPE_CHECKING:
    from sam_hub.services.evaluation import ComparedSentence, EvaluationOutcome, LatestScores, SystemScore

PAGE = 50  # sentences shown at a time
RESTING = 0.15  # seconds that the cursor rests on a system until its sentences are read
BAR, LEAST = 6, 12  # cells of F1's bar, and of a system's name
NAMES = 8  # systems that are named before an evaluation
SINGLES = {True: "yes: each expert and the untuned base", False: "no: only the merged models"}
RULES = {
    Rule.auto: "auto: as the votes on the sample decided",
    Rule.union: "union: found by either merge",
    Rule.intersection: "intersection: found by both",
    Rule.first: "first: the merge by similarity alone",
    Rule.second: "second: the merge by sampling alone",
}


class EvaluateTab(BaseTab):
    """The table of scores; for the system under the cursor its types and its sentences."""

    NAME = "evaluate"
    HELP = (
        "Strict scores: an entity counts if both its span and its type are right. The table lists every system that "
        "was evaluated. For the system under the cursor, the tab shows the scores by type, and sentences with gold and "
        "predicted entities. Enter moves to the sentences, and Esc moves back to the table."
    )
    JOB = "evaluate"
    RELOAD_AFTER: ClassVar = ("evaluate", "merge", "select", "target")
    ALWAYS_LOAD: ClassVar = True

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self.table: Table[SystemScore] = Table(
            self.symbols, lambda system: system.name, self._columns, id="evaluate-scores", style=self._style
        )
        self.types = ReadingPane(self.symbols, "evaluate-types")
        self.pane = ReadingPane(self.symbols, "evaluate-sentences")
        self.scores: LatestScores | None = None
        self.only_wrong = False
        self._offset, self._total = 0, 0
        self._page: tuple[ComparedSentence, ...] = ()
        self._shown: int | None = None  # the evaluation whose sentences are shown

    def body(self) -> ComposeResult:
        with Vertical(id="evaluate-left"):
            yield self.table
            yield self.types
        yield self.pane

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._draw_sentences())

    def _columns(self, width: int) -> Sequence[Column[SystemScore]]:
        show = self.symbols

        def seconds(system: SystemScore) -> str:
            return f"{system.seconds:.0f}" if system.seconds >= 10 else f"{system.seconds:.1f}"

        return (
            Column("name", "system", lambda system: system.name, least=LEAST, keep_end=True),
            Column("p", "P", lambda system: number(system.precision, show), 4),
            Column("r", "R", lambda system: number(system.recall, show), 4),
            Column("f1", "F1", lambda s: f"{number(s.f1, show)} {progress_bar(show, s.f1, BAR)}", 5 + BAR),
            Column("best", "", lambda system: f"{show.up} best" if self._style(system) else "", 6),
            Column("unread", "unread", lambda system: str(system.parse_failures), 6, right=True),
            Column("s", "secs", seconds, 5, right=True),
        )

    def _style(self, system: SystemScore) -> str:
        """Return the style of a system: the best one stands out."""
        best = max(other.f1 for other in self.table.rows)
        return "bold" if system.f1 == best > 0 else ""

    @property
    def system(self) -> SystemScore | None:
        """The system under the cursor."""
        return self.table.row

    # --- loading ---------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read the scores there are, and what is missing for more."""
        from sam_hub.services.evaluation import latest_scores

        if (target := self.state.target) is None:
            self.scores = None
            self.show_message(self.no_target)
            return
        self.scores = scores = await self.source.ask(latest_scores, target.name)
        missing = await self._missing(scores, target.name)
        note = missing or scores.base_answers
        self.show_note(f"{self.symbols.warning} {note}" if note and (scores.systems or not missing) else "")
        if not scores.systems:
            self.show_message(missing or self._first_step())
            return
        self.show_message("")
        on_sentences = "" if scores.sentences is None else f", {plural(scores.sentences, 'sentence')}"
        self.table.border_title = Text(f"Strict scores{on_sentences}")
        self._shown = None
        self.table.fill(scores.systems)

    async def _missing(self, scores: LatestScores, target: str) -> str:
        """Say what must be done before an evaluation, and by which key; empty: nothing."""
        from sam_hub.services.selection import latest_rankings

        if scores.can_evaluate:
            return ""
        merge = self.state.job_of_target("merge")
        if merge and merge.is_active:
            return "The experts are being merged. You can evaluate them when the merge is done."
        rankings = await self.source.ask(latest_rankings, target)
        tab, action = ("tab_merge", "merge") if rankings.rankings else ("tab_select", "rank")
        return f"{scores.why_not.partition('. ')[0]}: press {self.keys(tab)}, then {self.keys(action)}."

    def _first_step(self) -> str:
        target, key = self.state.target, self.keys("evaluate")
        if self.underway:
            return "The models are being evaluated. The scores will appear here."
        if target is not None and target.gold_path is None:
            return (
                f"{target.name} has no labeled sentences, so nothing can be scored yet: press {key} to name a file "
                "of them (.jsonl or .conll)."
            )
        what = "the untuned base" if self.scores and self.scores.base_answers else "the merged models"
        return f"No scores yet. Press {key} to evaluate {what}."

    # --- one system ------------------------------------------------------------------------------------

    @on(Table.RowHighlighted)
    def _moved(self) -> None:
        if (system := self.system) is None or system.id == self._shown:
            return
        self._shown, self._offset = system.id, 0
        self.types.show(types_text(system, self.symbols), f"By type: {system.name}")
        self.pane.border_title = "Sentences: loading ..."
        self._read_sentences()

    @on(Table.RowSelected)
    def _selected(self) -> None:
        self.pane.focus()

    @background(rest=RESTING)
    async def _read_sentences(self) -> None:
        from sam_hub.services.evaluation import compare_sentences

        if (system := self.system) is None or system.id is None:
            return
        try:
            page = await self.source.ask(compare_sentences, system.id, self._offset, PAGE, self.only_wrong)
        except SamHubError as error:
            self._page, self._total = (), 0
            self._show_sentences("Sentences", Text(f"{self.symbols.missing} {error}"))
            return
        self._page, self._total = page.sentences, page.total
        self._draw_sentences()

    def _draw_sentences(self) -> None:
        """Put the page that was read into its pane, in the colours of the theme."""
        kind = "with errors, " if self.only_wrong else ""
        if self._page:
            title = f"Sentences {kind}{self._offset + 1}-{self._offset + len(self._page)} of {self._total:,}"
            self._show_sentences(title, Marker(self.symbols, self.app.theme_variables).page(self._page))
        else:
            no_error = f"{self.symbols.done} No sentence has an error."
            words = no_error if self.only_wrong else "There are no sentences."
            self._show_sentences(f"Sentences {kind}0", Text(words))

    def _show_sentences(self, title: str, shown: RenderableType) -> None:
        """Show sentences under their legend; where the scores by type have no pane, these stand above."""
        if self.system is None:
            return
        legend = Marker(self.symbols, self.app.theme_variables).legend()
        above = [] if self.types.size.width else [types_text(self.system, self.symbols), Text()]
        self.pane.show(Group(*above, legend, shown), title)
        self.app.refresh_bindings()

    def on_resize(self) -> None:
        """The scores by type come and go with the width."""
        self.call_after_refresh(self._draw_sentences)

    def _turn(self, offset: int) -> None:
        """Show the sentences from here on, the first of them on top."""
        self._offset = offset
        self.pane.scroll_home(animate=False)
        self._read_sentences()

    # --- actions ---------------------------------------------------------------------------------------

    def can(self, action: str) -> bool:
        """Pages where there are more sentences; an evaluation where all it needs is there."""
        if action == "next_page":
            return self._offset + PAGE < self._total
        if action == "previous_page":
            return self._offset > 0
        if action == "only_wrong":
            return self.system is not None
        if action == "evaluate":
            lacks = self.scores is not None and not self.scores.can_evaluate
            return self.state.target is not None and not self.underway and not lacks
        return True

    def do_next_page(self) -> None:
        self._turn(self._offset + PAGE)

    def do_previous_page(self) -> None:
        self._turn(max(0, self._offset - PAGE))

    def do_only_wrong(self) -> None:
        self.only_wrong = not self.only_wrong
        self._turn(0)

    @background()
    async def do_evaluate(self) -> None:
        """Ask how, say what it takes, and make the job."""
        from sam_hub.services.evaluation import latest_scores

        target = self.state.target
        if target is None or self.underway:
            return
        scores = await self.source.ask(latest_scores, target.name)
        if not scores.can_evaluate:
            return  # the tab itself says what is missing
        rows: list[Row] = [
            ("Also evaluate single models for comparison", choice("singles", SINGLES)),
            ("How to combine the entities of both merges", choice("rule", RULES)),
        ]
        if not target.gold_path:
            path = text("gold", hint="a path on this machine")
            rows.insert(0, ("File of labeled sentences (.jsonl or .conll)", path))
        await self.fill_in(f"Evaluate {target.name}", rows, self._plan, "Evaluate")

    async def _plan(self, values: dict[str, Any]) -> Planned:
        """Return the options of an evaluation, and what it takes."""
        from sam_hub.services.evaluation import plan_evaluation
        from sam_hub.services.options import EvaluationOptions

        if values.get("gold") == "":
            return None, "Name a file of labeled sentences."
        gold = Path(values["gold"]) if "gold" in values else None
        options = EvaluationOptions(self.target_name or "", **{**values, "gold": gold})
        plan = await self.source.ask(plan_evaluation, options)
        lines = [
            f"Systems: {len(plan.systems)}, of {plan.models} models. Labeled sentences: {plan.sentences:,}, with "
            f"entities: {plan.entities:,}.",
            "Every model predicts on every sentence. Stored predictions are reused.",
            *(f"  {cut(name, 58, self.symbols, keep_end=True)}" for name in plan.systems[:NAMES]),
        ]
        if len(plan.systems) > NAMES:
            lines.append(f"  and {len(plan.systems) - NAMES} more")
        return options, "\n".join(lines)

    def copied(self) -> str:
        """Return the scores as lines of text, tabs between the columns."""
        systems = self.scores.systems if self.scores else ()
        return "\n".join(f"{s.name}\t{s.precision:.3f}\t{s.recall:.3f}\t{s.f1:.3f}" for s in systems)

    # --- jobs ------------------------------------------------------------------------------------------

    def jobs_listed(self, ended: list[JobView]) -> None:
        """Report what must be known of the merges at the end of an evaluation."""
        for view in ended:
            if view.job.kind == "evaluate" and view.target == self.target_name and view.job.state == "done":
                self._warn(view)
        super().jobs_listed(ended)

    @background(exclusive=False)
    async def _warn(self, view: JobView) -> None:
        outcome: EvaluationOutcome = await self.source.outcome(view)
        for warning in outcome.warnings:
            self.say(warning, 20, warning=True)

    def underway_changed(self) -> None:
        """Say that the first evaluation runs."""
        if self.scores is not None and not self.scores.systems and self.scores.can_evaluate:
            self.show_message(self._first_step())
        self.app.refresh_bindings()
