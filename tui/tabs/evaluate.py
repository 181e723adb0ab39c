"""Evaluate: strict scores of all systems, of each type, and the sentences behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import Static

from sam_hub.errors import SamHubError
from sam_hub.tui.actions import Handler
from sam_hub.tui.messages import TabRequested, background
from sam_hub.tui.source import JobView
from sam_hub.tui.state import AppState
from sam_hub.tui.symbols import cut
from sam_hub.tui.tabs.base import BaseTab
from sam_hub.tui.widgets.reading import ReadingPane
from sam_hub.tui.widgets.scores import Marker, ScoreTable, types_text
from sam_hub.tui.widgets.table import Table

if TYPE_CHECKING:
    from sam_hub.services.evaluation import ComparedSentence, EvaluationOutcome, LatestScores, SystemScore

PAGE = 50  # sentences shown at a time
RESTING = 0.15  # seconds that the cursor rests on a system until its sentences are read


class SentencePane(ReadingPane):
    """Sentences of one system, under the legend (and, on a small terminal, under the scores by type)."""

    def __init__(self) -> None:
        super().__init__("evaluate-right")
        self.types = Static(id="evaluate-types-inline", markup=False)
        self.legend = Static(id="evaluate-legend", markup=False)

    def compose(self) -> ComposeResult:
        yield self.types
        yield self.legend
        yield from super().compose()


class EvaluateTab(BaseTab):
    """The table of scores; for the system under the cursor its types and its sentences."""

    NAME = "evaluate"
    HELP = (
        "Strict scores: a mention counts if both its borders and its type are right. The table has every system "
        "that was evaluated; for the one under the cursor, its types and its sentences are shown, gold against "
        "predicted. Enter goes to the sentences, Esc back to the table."
    )
    RELOAD_AFTER: ClassVar = ("evaluate", "merge", "select", "target")
    ALWAYS_LOAD: ClassVar = True
    SCOPED_CSS = False  # the rules for small terminals begin at the screen
    DEFAULT_CSS = """
    #evaluate-body { height: 1fr; }
    #evaluate-left { width: 64; height: 1fr; }
    #evaluate-right { width: 1fr; height: 1fr; }
    #evaluate-scores { height: auto; max-height: 14; scrollbar-gutter: auto; overflow-x: hidden; }
    #evaluate-types-inline { display: none; height: auto; }
    #evaluate-legend { height: auto; }
    #evaluate-note { height: auto; max-height: 2; padding: 0 1; }
    .-narrow #evaluate-body { layout: vertical; }
    .-narrow #evaluate-left { height: 8; width: 100%; }
    .-narrow #evaluate-right { width: 100%; }
    .-narrow #evaluate-scores { max-height: 8; }
    .-narrow #evaluate-types { display: none; }
    .-narrow #evaluate-types-inline { display: block; margin-bottom: 1; }
    """

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self.table, self.pane = ScoreTable(self.symbols), SentencePane()
        self.types = ReadingPane("evaluate-types")
        self.scores: LatestScores | None = None
        self.only_wrong = False
        self._offset, self._total = 0, 0
        self._page: tuple[ComparedSentence, ...] = ()
        self._underway = False  # whether an evaluation of this target is being made
        self._timer: Timer | None = None
        self._shown: int | None = None  # the evaluation whose sentences are shown

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What does each action."""
        return {
            "evaluate": self.do_evaluate,
            "next_page": lambda: self._turn(self._offset + PAGE),
            "previous_page": lambda: self._turn(max(0, self._offset - PAGE)),
            "only_wrong": self.do_only_wrong,
            "push": lambda: self.post_message(TabRequested("push")),
        }

    def compose(self) -> ComposeResult:
        yield Static("Loading ...", id="evaluate-empty", classes="empty", markup=False)
        with Horizontal(id="evaluate-body"):
            with Vertical(id="evaluate-left"):
                yield self.table
                yield self.types
            yield self.pane
        yield Static(id="evaluate-note", markup=False)

    def on_mount(self) -> None:
        self.show_message("Loading ...")
        self.query_one("#evaluate-note").display = False
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._draw_sentences())

    @property
    def system(self) -> SystemScore | None:
        """The system under the cursor."""
        key = self.table.key_under_cursor
        systems = self.scores.systems if self.scores else ()
        return next((system for system in systems if system.name == key), None)

    def focus_first(self) -> None:
        """Put the cursor into the table."""
        self.table.focus()

    # --- loading ---------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read the scores there are, and what is missing for more."""
        from sam_hub.services.evaluation import latest_scores

        target = self.state.target
        if target is None:
            self.scores = None
            self.show_message(self.no_target)
            return
        self.scores = scores = await self.source.ask(latest_scores, target.name)
        missing = await self._missing(scores, target.name)
        self._note(missing if scores.systems else "")
        if not scores.systems:
            self.show_message(missing or self._first_step())
            return
        self.show_message("")
        count = scores.sentences
        on_sentences = "" if count is None else f", {count:,} {'sentence' if count == 1 else 'sentences'}"
        self.table.border_title = Text(f"Strict scores{on_sentences}")
        self._shown = None
        self.table.show(scores.systems)
        self._show_types()
        if self.is_shown and self.app.focused is None:
            self.focus_first()

    async def _missing(self, scores: LatestScores, target: str) -> str:
        """Say what must be done before an evaluation, and by which key; empty: nothing."""
        from sam_hub.services.selection import latest_rankings

        if scores.can_evaluate:
            return ""
        if self.state.job_of_target("merge"):
            return "The experts are being merged: their models can be scored then."
        rankings = await self.source.ask(latest_rankings, target)
        tab, action = ("tab_merge", "merge") if rankings.rankings else ("tab_select", "probe")
        why = scores.why_not.partition(". ")[0]
        return f"{why}: press {self.keys(tab)}, then {self.keys(action)}."

    def _first_step(self) -> str:
        target, key = self.state.target, self.keys("evaluate")
        if self._underway:
            return "The models are being scored: their scores are shown here then."
        if target is not None and target.gold_path is None:
            return (
                f"{target.name} has no labeled sentences, so nothing can be scored yet: press {key} to name a file "
                "of them (.jsonl or .conll)."
            )
        return f"Nothing was evaluated yet: press {key} to score the merged models."

    def _note(self, text: str) -> None:
        line = self.query_one("#evaluate-note", Static)
        line.update(Text(f"{self.symbols.warning} {text}", "bold"))
        line.display = bool(text)

    # --- one system ------------------------------------------------------------------------------------

    @on(Table.RowHighlighted)
    def _moved(self, event: Table.RowHighlighted) -> None:
        event.stop()
        system = self.system
        if system is None or system.id == self._shown:
            return
        self._shown, self._offset = system.id, 0
        self._show_types()
        self.pane.border_title = "Sentences: loading ..."
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(RESTING, self._read_sentences)

    @on(Table.RowSelected)
    def _selected(self, event: Table.RowSelected) -> None:
        """Go into the sentences."""
        event.stop()
        self.pane.focus()

    def _show_types(self) -> None:
        if (system := self.system) is None:
            return
        text = types_text(system, self.symbols)
        self.types.show(text, f"By type: {cut(system.name, 40, self.symbols, keep_end=True)}")
        self.pane.types.update(text)

    @background()
    async def _read_sentences(self) -> None:
        from sam_hub.services.evaluation import compare_sentences

        system = self.system
        if system is None or system.id is None:
            return
        try:
            page = await self.source.ask(compare_sentences, system.id, self._offset, PAGE, self.only_wrong)
        except SamHubError as error:
            self._page, self._total = (), 0
            self._put("Sentences", Text(f"{self.symbols.missing} {error}"))
            return
        self._page, self._total = page.sentences, page.total
        self._draw_sentences()

    def _draw_sentences(self) -> None:
        """Put the page that was read into its pane, in the colours of the theme."""
        if self.system is None:
            return
        marker = Marker(self.symbols, self.app.theme_variables)
        self.pane.legend.update(marker.legend())
        kind = "with errors, " if self.only_wrong else ""
        if self._page:
            last = self._offset + len(self._page)
            title = f"Sentences {kind}{self._offset + 1}-{last} of {self._total:,}"
            self._put(title, marker.page(self._page))
        else:
            no_error = f"{self.symbols.done} No sentence has an error."
            self._put(f"Sentences {kind}0", Text(no_error if self.only_wrong else "There are no sentences."))

    def _put(self, title: str, shown: RenderableType) -> None:
        self.pane.show(shown, title)
        self.app.refresh_bindings()

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
            return self.state.target is not None and not self._underway and not lacks
        return True

    def do_only_wrong(self) -> None:
        """Show only sentences with an error, or all."""
        self.only_wrong = not self.only_wrong
        self._turn(0)

    @background()
    async def do_evaluate(self) -> None:
        """Ask how, say what it takes, and make the job."""
        from sam_hub.services.evaluation import latest_scores, plan_evaluation
        from sam_hub.tui.screens.evaluation import EvaluationScreen

        target = self.state.target
        if target is None or self._underway:
            return
        scores = await self.source.ask(latest_scores, target.name)
        if not scores.can_evaluate:
            return  # the tab itself says what is missing
        screen = EvaluationScreen(target, self.symbols, lambda how: self.source.ask(plan_evaluation, how))
        options = await self.app.push_screen_wait(screen)
        if options is not None:
            await self.submit(options)
            self._set_underway(True)

    def copied(self) -> str:
        """Return the scores as lines of text, tabs between the columns."""
        systems = self.scores.systems if self.scores else ()
        return "\n".join(f"{s.name}\t{s.precision:.3f}\t{s.recall:.3f}\t{s.f1:.3f}" for s in systems)

    # --- jobs ------------------------------------------------------------------------------------------

    def jobs_listed(self, ended: list[JobView]) -> None:
        """Allow one evaluation of a target at a time; report what must be known of its merges at its end."""
        name = self.state.target.name if self.state.target else None
        for view in ended:
            if view.job.kind == "evaluate" and view.target == name and view.job.state == "done":
                self._warn(view)
        self._set_underway(self.state.job_of_target("evaluate") is not None)
        super().jobs_listed(ended)

    @background(exclusive=False)
    async def _warn(self, view: JobView) -> None:
        outcome: EvaluationOutcome = await self.source.outcome(view)
        for warning in outcome.warnings:
            self.app.notify(warning, severity="warning", markup=False, timeout=20)

    def _set_underway(self, underway: bool) -> None:
        changed, self._underway = underway != self._underway, underway
        if changed:
            if self.scores is not None and not self.scores.systems and self.scores.can_evaluate:
                self.show_message(self._first_step())
            self.app.refresh_bindings()
