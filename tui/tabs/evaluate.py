"""Evaluate: strict scores of all systems, of each type, and the sentences behind them."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import DataTable, Static

from sam_hub.errors import SamHubError
from tui.source import JobView
from tui.symbols import cut
from tui.tabs.tab import BaseTab
from tui.widgets.reading import ReadingPane
from tui.widgets.score_table import ScoreTable, types_text
from tui.widgets.sentences import Marker

PAGE = 50  # sentences shown at a time
RESTING = 0.15  # seconds that the cursor rests on a system until its sentences are read


class EvaluateTab(BaseTab):
    """The table of scores; for the system under the cursor its types and its sentences."""

    NAME = "evaluate"
    HELP = (
        "Strict scores: a mention counts if both its borders and its type are right. The table has every system "
        "that was evaluated; for the one under the cursor, its types and its sentences are shown, gold against "
        "predicted. Enter goes to the sentences, Esc back to the table."
    )
    RELOAD_AFTER: ClassVar = ("evaluate", "merge", "select", "target")
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

    def __init__(self) -> None:
        super().__init__()
        self.scores: dict[str, Any] | None = None
        self.only_wrong = False
        self._offset, self._total = 0, 0
        self._page: list[dict[str, Any]] = []
        self._underway: JobView | None = None
        self._timer: Timer | None = None
        self._shown: int | None = None  # the evaluation whose sentences are shown

    def compose(self) -> ComposeResult:
        yield Static("Loading ...", id="evaluate-empty", classes="empty", markup=False)
        with Horizontal(id="evaluate-body"):
            with Vertical(id="evaluate-left"):
                yield ScoreTable(id="evaluate-scores", classes="pane")
                with ReadingPane(id="evaluate-types"):
                    yield Static(id="evaluate-types-text", markup=False)
            with ReadingPane(id="evaluate-right"):
                yield Static(id="evaluate-types-inline", markup=False)
                yield Static(id="evaluate-legend", markup=False)
                yield Static(id="evaluate-sentences", markup=False)
        yield Static(id="evaluate-note", markup=False)

    def on_mount(self) -> None:
        self._say_empty("Loading ...")
        self.query_one("#evaluate-note").display = False
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._draw_sentences())

    @property
    def table(self) -> ScoreTable:
        """The scores."""
        return self.query_one(ScoreTable)

    @property
    def pane(self) -> ReadingPane:
        """The sentences."""
        return self.query_one("#evaluate-right", ReadingPane)

    @property
    def system(self) -> dict[str, Any] | None:
        """The system under the cursor."""
        key = self.table.key_under_cursor
        systems = self.scores["systems"] if self.scores else []
        return next((system for system in systems if system["name"] == key), None)

    def focus_first(self) -> None:
        """The table."""
        self.table.focus()

    do_back = focus_first

    def enter(self) -> None:
        """Look anew each time: other tabs change what can be evaluated."""
        self.stale = True
        super().enter()

    # --- loading ---------------------------------------------------------------------------------------

    async def load(self) -> None:
        """The scores there are, and what is missing for more."""
        from sam_hub.jobs.inquiries import Scores

        target = self.app.target
        if target is None:
            self.scores = None
            key = self.app.keys_of("tab_target")
            self._say_empty(f"No target yet: press {key} to make one of raw text and entity types.")
            return
        self.scores = await self.source.ask(Scores(target.name))
        missing = await self._missing()
        self._note(missing if self.scores["systems"] else "")
        if not self.scores["systems"]:
            self._say_empty(missing or self._first_step())
            return
        self._say_empty("")
        count = self.scores["sentences"]
        on = "" if count is None else f", {count:,} {'sentence' if count == 1 else 'sentences'}"
        self.table.border_title = Text(f"Strict scores{on}")
        self._shown = None
        self.table.show(self.scores["systems"], self.symbols)
        self._show_types()
        if self.is_shown and self.app.focused is None:
            self.focus_first()

    async def _missing(self) -> str:
        """What must be done before an evaluation, and by which key; empty: nothing."""
        from sam_hub.jobs.inquiries import Rankings

        assert self.scores is not None
        assert self.app.target is not None
        if self.scores["can_evaluate"]:
            return ""
        if self.job_of_target("merge", self.app.jobs):
            return "The experts are being merged: their models can be scored then."
        rankings = await self.source.ask(Rankings(self.app.target.name))
        tab, action = ("tab_merge", "merge")
        if not (rankings["similarity"] or rankings["sampling"]):
            tab, action = ("tab_select", "probe")
        why = self.scores["why_not"].partition(". ")[0]
        return f"{why}: press {self.app.keys_of(tab)}, then {self.app.keys_of(action)}."

    def _first_step(self) -> str:
        target, key = self.app.target, self.app.keys_of("evaluate")
        if self._underway is not None:
            return "The models are being scored: their scores are shown here then."
        if target is not None and target.gold_path is None:
            return (
                f"{target.name} has no labelled sentences, so nothing can be scored yet: press {key} to name a file "
                "of them (.jsonl or .conll)."
            )
        return f"Nothing was evaluated yet: press {key} to score the merged models."

    def _say_empty(self, text: str) -> None:
        """Say why there are no scores; empty: there are."""
        self.query_one("#evaluate-empty", Static).update(Text(text))
        self.query_one("#evaluate-empty").display = bool(text)
        self.query_one("#evaluate-body").display = not text
        self.app.refresh_bindings()

    def _note(self, text: str) -> None:
        line = self.query_one("#evaluate-note", Static)
        line.update(Text(f"{self.symbols.warning} {text}", "bold"))
        line.display = bool(text)

    # --- one system ------------------------------------------------------------------------------------

    @on(DataTable.RowHighlighted)
    def _moved(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        system = self.system
        if system is None or system["id"] == self._shown:
            return
        self._shown, self._offset = system["id"], 0
        self._show_types()
        self.pane.border_title = "Sentences: loading ..."
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(RESTING, self._read_sentences)

    @on(DataTable.RowSelected)
    def _selected(self, event: DataTable.RowSelected) -> None:
        """Enter: into the sentences."""
        event.stop()
        self.pane.focus()

    def _show_types(self) -> None:
        system = self.system
        if system is None:
            return
        name = cut(system["name"], 40, self.symbols, keep_end=True)
        self.query_one("#evaluate-types").border_title = Text(f"By type: {name}")
        for part in ("#evaluate-types-text", "#evaluate-types-inline"):
            self.query_one(part, Static).update(types_text(system, self.symbols))

    @work(exclusive=True, group="evaluate-sentences")
    async def _read_sentences(self) -> None:
        from sam_hub.jobs.inquiries import Compare

        system = self.system
        if system is None:
            return
        try:
            found = await self.source.ask(
                Compare(system["id"], self._offset, PAGE, errors_only=self.only_wrong)
            )
        except SamHubError as error:
            self._page, self._total = [], 0
            self._put("Sentences", Text(f"{self.symbols.missing} {error}"))
            return
        self._page, self._total = found["sentences"], found["total"]
        self._draw_sentences()

    def _draw_sentences(self) -> None:
        """Put the page that was read into its pane, in the colours of the theme."""
        if self.system is None:
            return
        marker = Marker(self.symbols, self.app.theme_variables)
        self.query_one("#evaluate-legend", Static).update(marker.legend())
        kind = "with errors, " if self.only_wrong else ""
        if self._page:
            last = self._offset + len(self._page)
            self._put(
                f"Sentences {kind}{self._offset + 1}-{last} of {self._total:,}", marker.page(self._page)
            )
        else:
            done = (
                f"{self.symbols.done} No sentence has an error."
                if self.only_wrong
                else "There are no sentences."
            )
            self._put(f"Sentences {kind}0", Text(done))

    def _put(self, title: str, shown: RenderableType) -> None:
        self.pane.border_title = Text(title)
        self.query_one("#evaluate-sentences", Static).update(shown)
        self.app.refresh_bindings()

    def _turn(self, offset: int) -> None:
        """Show the sentences from here on, the first of them on top."""
        self._offset = offset
        self.pane.scroll_home(animate=False)
        self._read_sentences()

    # --- actions ---------------------------------------------------------------------------------------

    def can(self, action: str) -> bool | None:
        """Pages where there are more sentences; an evaluation where all it needs is there."""
        possible = True
        if action == "next_page":
            possible = self._offset + PAGE < self._total
        elif action == "previous_page":
            possible = self._offset > 0
        elif action == "only_wrong":
            possible = self.system is not None
        elif action == "evaluate":
            lacks = self.scores is not None and not self.scores["can_evaluate"]
            possible = self.app.target is not None and self._underway is None and not lacks
        return True if possible else None

    def do_next_page(self) -> None:
        """The next sentences."""
        self._turn(self._offset + PAGE)

    def do_previous_page(self) -> None:
        """The sentences before."""
        self._turn(max(0, self._offset - PAGE))

    def do_only_wrong(self) -> None:
        """Only sentences with an error, or all."""
        self.only_wrong = not self.only_wrong
        self._turn(0)

    @work(exclusive=True, group="evaluate")
    async def do_evaluate(self) -> None:
        """Ask how, say what it takes, and make the job."""
        from sam_hub.jobs.inquiries import Scores
        from sam_hub.jobs.tasks.evaluating import EvaluateTarget
        from tui.screens.evaluation import EvaluationForm

        target = self.app.target
        if target is None or self._underway is not None:
            return
        scores = await self.guarded(self.source.ask(Scores(target.name)))
        if scores is None or not scores["can_evaluate"]:
            return  # the tab itself says what is missing
        values = await self.app.push_screen_wait(EvaluationForm(target))
        if values is not None:
            job = await self.submit(EvaluateTarget(target=target.name, **values))
            if job is not None:
                self._set_underway(JobView(job, None))

    async def do_push(self) -> None:
        """Go to Push."""
        await self.app.go("push")

    def copied(self) -> str:
        """The scores as lines of text, tabs between the columns."""
        systems = self.scores["systems"] if self.scores else []
        rows = [(s["name"], *(f"{s[key]:.3f}" for key in ("precision", "recall", "f1"))) for s in systems]
        return "\n".join("\t".join(row) for row in rows)

    # --- jobs ------------------------------------------------------------------------------------------

    def jobs_seen(self, jobs: list[JobView], ended: list[JobView]) -> None:
        """One evaluation of a target at a time; what must be known of its merges is told at its end."""
        name = self.app.target.name if self.app.target else None
        for view in ended:
            if view.job.kind == "evaluate" and view.job.arguments.get("target") == name:
                for warning in (view.job.result or {}).get("warnings", ()):
                    self.app.notify(warning, severity="warning", markup=False, timeout=20)
        self._set_underway(self.job_of_target("evaluate", jobs))
        super().jobs_seen(jobs, ended)

    def _set_underway(self, view: JobView | None) -> None:
        changed = (self._underway is None) != (view is None)
        self._underway = view
        if changed:
            if self.scores is not None and not self.scores["systems"] and self.scores["can_evaluate"]:
                self._say_empty(self._first_step())
            self.app.refresh_bindings()
