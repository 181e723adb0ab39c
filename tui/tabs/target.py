"""Target: the targets there are, and a form for a new one, whose text can be looked through before."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Input, Static

from tui.messages import TargetChosen
from tui.source import JobView
from tui.symbols import cut
from tui.tabs.tab import BaseTab
from tui.widgets.corpus_form import CorpusForm, Filled
from tui.widgets.scan_report import ScanReport
from tui.widgets.table import Table

if TYPE_CHECKING:
    from sam_hub.catalog.queries import TargetRow
    from sam_hub.catalog.tables import Job

NONE_YET = (
    "No target yet. A target is text of your domain, and the entity types wanted in it.\n"
    "Experts are ranked by that text, without labels: fill in the form to make one."
)
FIXED = 2 + 1 + 9 + 1 + 5 + 1  # cells of sign, sentences and gold, with the room between columns


class TargetTab(BaseTab):
    """The list of targets, the form, and what a scan has found."""

    NAME = "target"
    HELP = (
        "A target is raw text of your domain and the entity types wanted in it. Enter works on the target under the "
        "cursor; Tab goes to the form for a new one. Scan looks through the text before you save; labelled "
        "sentences are never looked at before an evaluation."
    )
    RELOAD_AFTER: ClassVar = ("target",)
    SCOPED_CSS = False  # the size of the terminal is told by classes of the screen
    DEFAULT_CSS = """
    #target-body { height: 1fr; }
    #targets-side { width: 2fr; }
    #no-target { display: none; height: auto; padding: 0 1; }
    #target-side { width: 3fr; }
    .-narrow #target-body { layout: vertical; }
    .-narrow #targets-side { width: 1fr; height: auto; max-height: 7; }
    .-narrow #target-side { width: 1fr; height: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[TargetRow] = []
        self._scanned: dict[int, str] = {}  # scans asked for here: job -> corpus
        self._made: dict[int, Filled] = {}  # targets asked for here: job -> form
        self._cursor: str | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="target-body"):
            with Vertical(id="targets-side"):
                table = Table(id="targets", classes="pane")
                table.border_title = "Targets: loading"
                yield table
                yield Static(NONE_YET, id="no-target", markup=False)
            with Vertical(id="target-side"):
                yield CorpusForm()
                yield ScanReport()

    # --- parts -----------------------------------------------------------------------------------------

    @property
    def table(self) -> Table:
        """The list."""
        return self.query_one("#targets", Table)

    @property
    def form(self) -> CorpusForm:
        """The form."""
        return self.query_one(CorpusForm)

    @property
    def report(self) -> ScanReport:
        """What a scan has found."""
        return self.query_one(ScanReport)

    def focus_first(self) -> None:
        """The list, or the form where there is no target."""
        (self.table if self.table.display else self.form.field("name")).focus()

    # --- loading ---------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read the targets."""
        from sam_hub.catalog.queries import browse_targets

        self.targets = await self.source.read(browse_targets, self.source.path)
        empty = not self.targets
        moved = empty and self.table.has_focus
        self.table.display = not empty
        self.query_one("#no-target").display = empty
        self._draw()
        if moved:
            self.focus_first()

    def _draw(self) -> None:
        table, symbols = self.table, self.symbols
        name = self._cursor or table.key_under_cursor or (self.app.target.name if self.app.target else None)
        self._cursor = None
        room = max(20, table.scrollable_content_region.width - FIXED)
        wide = room * 2 // 5
        types = room - wide - 2
        shown = [("sign", "", 2), ("name", "name", wide), ("count", "sentences", 9), ("gold", "gold", 4)]
        table.set_columns([*shown, ("types", "types", types)])
        rows = [(row.name, self._cells(row, wide, types)) for row in self.targets]
        table.fill(rows, name)
        table.border_title = f"Targets {len(self.targets)} {symbols.dot} {symbols.point} current"

    def _cells(self, row: TargetRow, name: int, types: int) -> list[Text]:
        current = self.app.target is not None and self.app.target.name == row.name
        cells = (
            self.symbols.point if current else "",
            cut(row.name, name, self.symbols),
            f"{row.sentence_count:,}".rjust(9),
            "yes" if row.gold_path else "no",
            cut(" ".join(row.labels), types, self.symbols),
        )
        return [Text(cell, style="bold" if current else "") for cell in cells]

    def on_resize(self) -> None:
        """The columns follow the width."""
        if self.targets:
            self.call_after_refresh(self._draw)

    @on(DataTable.RowSelected, "#targets")
    def _chosen(self, event: DataTable.RowSelected) -> None:
        """Enter: work on this one."""
        event.stop()
        if event.row_key.value is not None:
            self.post_message(TargetChosen(event.row_key.value))
            self.app.notify(f"Target: {event.row_key.value}", markup=False, timeout=3)

    # --- scan ------------------------------------------------------------------------------------------

    async def _faults(self, filled: Filled) -> dict[str, str]:
        def look() -> dict[str, str]:
            from sam_hub.catalog.corpora import faults_of

            return faults_of(filled.name, filled.corpus, filled.labels, filled.gold)

        return await self.source.read(look)

    @on(CorpusForm.CorpusLeft)
    @work(exclusive=True, group="look-at-corpus")
    async def _look_at_corpus(self) -> None:
        """A path that leads nowhere is told when its field is left, not when all is filled in."""
        filled = self.form.filled
        faults = await self._faults(filled)
        if "corpus" in faults and self.form.filled.corpus == filled.corpus:
            self.form.show_faults({"corpus": faults["corpus"]})

    @work(exclusive=True, group="scan")
    async def do_scan(self) -> None:
        """Count what is in the text, as a job."""
        from sam_hub.jobs.tasks.targets import ScanCorpus

        filled = self.form.filled
        faults = await self._faults(filled)
        if "corpus" in faults:
            self.form.show_faults({"corpus": faults["corpus"]}, go=True)
            return
        if job := await self.submit(ScanCorpus(filled.corpus, filled.split, filled.gold or None)):
            self._scanned[job.id] = filled.corpus
            self.report.say("Scanning ...")

    # --- save ------------------------------------------------------------------------------------------

    @on(CorpusForm.Finished)
    def _finished(self, event: CorpusForm.Finished) -> None:
        event.stop()
        self.do_save()

    @work(exclusive=True, group="save")
    async def do_save(self) -> None:
        """Make the target, as a job; one of this name is replaced after a question only."""
        from sam_hub.jobs.tasks.targets import MakeTarget

        filled = self.form.filled
        faults = await self._faults(filled)
        self.form.show_faults(faults, go=True)
        if faults or filled in self._made.values():  # a second press of the key is no second target
            return
        known = next((row for row in self.targets if row.name == filled.name), None)
        if known is not None and not await self._may_replace(known):
            self.form.field("name").focus()
            return
        job = await self.submit(
            MakeTarget(
                filled.name,
                filled.corpus,
                filled.labels,
                filled.gold or None,
                filled.split,
                known is not None,
            )
        )
        if job is not None:
            self._made[job.id] = filled
            self.do_back()  # what is typed now is no part of the form any more

    async def _may_replace(self, known: TargetRow) -> bool:
        from tui.screens.question import Question

        gold = "with labelled sentences" if known.gold_path else "without labelled sentences"
        question = Question(
            f"Replace the target {cut(known.name, 40, self.symbols)}?",
            f"A target of this name is there: {known.sentence_count:,} sentences, {gold}, types "
            f"{', '.join(known.labels)}.\n\n"
            "With other text or other types, its rankings, probes and evaluations go. Merged models stay on disk. "
            "With the same text and types nothing goes.",
            [("r", "Replace", True), ("b", "Back", False)],
        )
        return bool(await self.app.push_screen_wait(question))

    # --- jobs ------------------------------------------------------------------------------------------

    def jobs_seen(self, jobs: list[JobView], ended: list[JobView]) -> None:
        """A scan that runs or has ended, and a target that was made."""
        for view in jobs:
            if view.job.id in self._scanned and view.is_active and view.progress:
                progress = view.progress
                self.report.say(f"Scanning: {progress.done:,} of {progress.total:,} files")
        for view in ended:
            if view.job.id in self._scanned:
                self._scan_ended(view.job, self._scanned.pop(view.job.id))
            elif view.job.id in self._made:
                self._make_ended(view.job, self._made.pop(view.job.id))
        super().jobs_seen(jobs, ended)

    def _scan_ended(self, job: Job, corpus: str) -> None:
        if job.state == "done":
            self.report.show(corpus, job.result or {})
        else:
            told = (
                f"{job.error_title}. {job.error_action or ''}" if job.error_title else "There is no result."
            )
            self.report.say(f"{self.symbols.missing} The scan was {job.state}. {told}")

    def _make_ended(self, job: Job, filled: Filled) -> None:
        if job.state != "done":
            told = (
                f"{job.error_title}. {job.error_action or ''}" if job.error_title else f"It was {job.state}."
            )
            self.report.say(f"{self.symbols.missing} The target was not made. {told}")
            return
        self._cursor = filled.name
        left_out = (job.result or {}).get("left_out")
        told = f" {left_out}." if left_out else ""
        self.report.say(f"{self.symbols.done} {filled.name} was made.{told}")
        self.post_message(TargetChosen(filled.name))
        keys = self.app.keys_of
        gaps = (job.result or {}).get("uncovered") or []
        next_ = (
            f"Next: press {keys('tab_experts')} for experts, or {keys('tab_select')} to rank those on disk."
        )
        if gaps:
            next_ = (
                f"No expert in the catalog covers {', '.join(gaps)}. Next: press {keys('tab_experts')}, then "
                f"{keys('hub')} to search the Hub."
            )
        self.app.notify(next_, title=f"The target is {filled.name} now", markup=False, timeout=10)
        if self.form.filled == filled:  # nobody has begun another one meanwhile
            self.form.clear()
            if self.is_shown:
                self.table.display = True
                self.table.focus()

    # --- the rest --------------------------------------------------------------------------------------

    def do_back(self) -> None:
        """Out of the form, so that single keys are actions again."""
        if self.table.display:
            self.table.focus()
        else:
            self.screen.set_focus(None)

    def copied(self) -> str:
        """The name of the target under the cursor, or what stands in the field."""
        focused = self.app.focused
        return focused.value if isinstance(focused, Input) else self.table.key_under_cursor or ""
