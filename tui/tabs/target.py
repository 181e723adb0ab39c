"""Target: the targets there are, and a form for a new one, whose text can be looked through before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from sam_hub.tui.actions import Handler
from sam_hub.tui.messages import TargetChosen, background
from sam_hub.tui.source import JobView
from sam_hub.tui.state import AppState
from sam_hub.tui.symbols import Symbols, cut
from sam_hub.tui.tabs.base import BaseTab
from sam_hub.tui.widgets.corpus_form import Corpus, CorpusForm
from sam_hub.tui.widgets.form import Form
from sam_hub.tui.widgets.reading import ReadingPane
from sam_hub.tui.widgets.table import Table

if TYPE_CHECKING:
    from sam_hub.catalog.queries import TargetRow
    from sam_hub.ner.scanning import Scan
    from sam_hub.services.targets import TargetOutcome

NONE_YET = (
    "No target yet. A target is text of your domain, and the entity types wanted in it.\n"
    "Experts are ranked by that text, without labels: fill in the form to make one."
)
FIXED = 2 + 1 + 9 + 1 + 5 + 1  # cells of sign, sentences and gold, with the room between columns
MOST, WIDTH = 100, 400  # files named in a report, more are counted; cells of a line, which the pane wraps


def scan_text(scan: Scan, symbols: Symbols) -> Text:
    """Return the result of a scan: counts, what can't be read, some sentences."""
    text = Text()
    text.append(_count(scan.sentences, "sentence"), style="bold")
    files, unread = _count(scan.files, "file"), len(scan.unreadable)
    files = f"{scan.files - unread:,} of {files}" if unread else files
    text.append(f" in {files}, {_count(scan.characters, 'character')}\n")
    if scan.sentences:
        text.append(f"A sentence has {scan.shortest:,} to {scan.longest:,} characters.\n")
    if scan.labelled:
        words = f"{scan.labelled:,} are labelled: a target keeps the text alone."
        text.append(f"{symbols.warning} {words}\n")
    if scan.left_out:
        text.append(f"{symbols.warning} {cut(scan.left_out, WIDTH, symbols)}.\n")
    for path, reason in scan.unreadable[:MOST]:
        name = cut(path, WIDTH, symbols, keep_end=True)
        text.append(f"{symbols.missing} can't be read: {name}\n", style="bold")
        text.append(f"  {cut(reason, WIDTH, symbols)}\n")
    _append_more(text, unread)
    if unread:
        text.append("No target is made of text that can't be read: mend these files, or move them away.\n")
    if scan.skipped:
        text.append(f"{symbols.warning} {_count(len(scan.skipped), 'file')} of no known kind, not read:\n")
        text.append("".join(f"  {cut(Path(path).name, WIDTH, symbols)}\n" for path in scan.skipped[:MOST]))
        _append_more(text, len(scan.skipped))
    if scan.examples:
        text.append("It begins\n", style="bold")
        text.append("".join(f"  {cut(example, WIDTH, symbols)}\n" for example in scan.examples))
    return text


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _append_more(text: Text, number: int) -> None:
    if number > MOST:
        text.append(f"  and {number - MOST:,} more\n")


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

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self.table, self.form = Table(id="targets", classes="pane"), CorpusForm()
        hint = f"{self.keys('scan')} counts what is in the text, and names the files that can't be read."
        self.report = ReadingPane("scan-report", "Scan", hint)
        self.targets: list[TargetRow] = []
        self._scans: dict[int, str] = {}  # scans asked for here: job -> path
        self._submitted: dict[int, Corpus] = {}  # targets asked for here: job -> form
        self._new: str | None = None  # the target on which the cursor is to be put

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What does each action."""
        return {"scan": self.do_scan, "save": self.do_save}

    def compose(self) -> ComposeResult:
        self.table.border_title = "Targets: loading"
        with Horizontal(id="target-body"):
            with Vertical(id="targets-side"):
                yield self.table
                yield Static(NONE_YET, id="no-target", markup=False)
            with Vertical(id="target-side"):
                yield self.form
                yield self.report

    def focus_first(self) -> None:
        """Put the cursor into the list, or into the form where there is no target."""
        (self.table if self.table.display else self.form.input("name")).focus()

    # --- loading ---------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read the targets."""
        from sam_hub.catalog.queries import browse_targets

        self.targets = await self.source.read(browse_targets, self.source.path)
        moved = not self.targets and self.table.has_focus
        self.table.display = bool(self.targets)
        self.query_one("#no-target").display = not self.targets
        self._draw()
        if moved:
            self.focus_first()

    def _draw(self) -> None:
        table, symbols, target = self.table, self.symbols, self.state.target
        cursor = self._new or table.key_under_cursor or (target.name if target else None)
        self._new = None
        room = max(20, table.content_width - FIXED)
        name = room * 2 // 5
        types = room - name - 2
        shown = [("sign", "", 2), ("name", "name", name), ("count", "sentences", 9), ("gold", "gold", 4)]
        table.set_columns([*shown, ("types", "types", types)])
        table.fill(((row.name, self._cells(row, name, types)) for row in self.targets), cursor)
        table.border_title = f"Targets {len(self.targets)} {symbols.dot} {symbols.point} current"

    def _cells(self, row: TargetRow, name: int, types: int) -> list[Text]:
        current = self.state.target is not None and self.state.target.name == row.name
        cells = (
            self.symbols.point if current else "",
            cut(row.name, name, self.symbols),
            f"{row.sentence_count:,}".rjust(9),
            "yes" if row.gold_path else "no",
            cut(" ".join(row.labels), types, self.symbols),
        )
        return [Text(cell, style="bold" if current else "") for cell in cells]

    def on_resize(self) -> None:
        """Fit the columns to the width."""
        if self.targets:
            self.call_after_refresh(self._draw)

    @on(Table.RowSelected, "#targets")
    def _chosen(self, event: Table.RowSelected) -> None:
        """Work on this one."""
        event.stop()
        self.post_message(TargetChosen(event.key))
        self.app.notify(f"Target: {event.key}", markup=False, timeout=3)

    # --- scan ------------------------------------------------------------------------------------------

    async def _faults(self, corpus: Corpus) -> dict[str, str]:
        def look() -> dict[str, str]:
            from sam_hub.catalog.targets import faults_of

            return faults_of(corpus.name, corpus.path, corpus.labels, corpus.gold)

        return await self.source.read(look)

    @on(CorpusForm.CorpusLeft)
    @background()
    async def _look_at_corpus(self) -> None:
        """Say that a path leads nowhere when its field is left, not when all is filled in."""
        corpus = self.form.corpus
        faults = await self._faults(corpus)
        if "corpus" in faults and self.form.corpus.path == corpus.path:
            self.form.show_faults({"corpus": faults["corpus"]})

    @background()
    async def do_scan(self) -> None:
        """Count what is in the text, as a job."""
        from sam_hub.services.options import ScanOptions

        corpus = self.form.corpus
        faults = await self._faults(corpus)
        if "corpus" in faults:
            self.form.show_faults({"corpus": faults["corpus"]}, go=True)
            return
        options = ScanOptions(Path(corpus.path), corpus.split, Path(corpus.gold) if corpus.gold else None)
        job = await self.submit(options)
        self._scans[job.id or 0] = corpus.path
        self.report.show(Text("Scanning ..."))

    # --- save ------------------------------------------------------------------------------------------

    @on(Form.Submitted)
    def _finished(self, event: Form.Submitted) -> None:
        event.stop()
        self.do_save()

    @background()
    async def do_save(self) -> None:
        """Make the target, as a job; one of this name is replaced after a question only."""
        from sam_hub.services.options import TargetOptions

        corpus = self.form.corpus
        faults = await self._faults(corpus)
        self.form.show_faults(faults, go=True)
        if faults or corpus in self._submitted.values():  # a second press of the key is no second target
            return
        known = next((row for row in self.targets if row.name == corpus.name), None)
        if known is not None and not await self._may_replace(known):
            self.form.input("name").focus()
            return
        options = TargetOptions(
            corpus.name,
            Path(corpus.path),
            corpus.labels,
            Path(corpus.gold) if corpus.gold else None,
            corpus.split,
            known is not None,
        )
        job = await self.submit(options)
        self._submitted[job.id or 0] = corpus
        self.go_back()  # what is typed now is no part of the form any more

    async def _may_replace(self, known: TargetRow) -> bool:
        from sam_hub.tui.screens.dialogs import Question

        gold = "with labeled sentences" if known.gold_path else "without labeled sentences"
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

    def jobs_listed(self, ended: list[JobView]) -> None:
        """Show a scan that runs or has ended, and a target that was made."""
        for view in self.state.jobs:
            if view.id in self._scans and view.is_active and view.progress:
                progress = view.progress
                self.report.show(Text(f"Scanning: {progress.done:,} of {progress.total:,} files"))
        for view in ended:
            if (path := self._scans.pop(view.id, None)) is not None:
                self._scan_ended(view, path)
            elif (corpus := self._submitted.pop(view.id, None)) is not None:
                self._target_ended(view, corpus)
        super().jobs_listed(ended)

    @background(exclusive=False)
    async def _scan_ended(self, view: JobView, path: str) -> None:
        if view.job.state != "done":
            words = f"The scan was {view.job.state}. {view.reason or 'There is no result.'}"
            self.report.show(Text(f"{self.symbols.missing} {words}"))
            return
        scan: Scan = await self.source.outcome(view)
        self.report.show(scan_text(scan, self.symbols), f"Scan of {cut(Path(path).name, 40, self.symbols)}")
        self.report.scroll_home(animate=False)

    @background(exclusive=False)
    async def _target_ended(self, view: JobView, corpus: Corpus) -> None:
        if view.job.state != "done":
            words = view.reason or f"It was {view.job.state}."
            self.report.show(Text(f"{self.symbols.missing} The target was not made. {words}"))
            return
        target: TargetOutcome = await self.source.outcome(view)
        self._new = target.name
        left_out = f" {target.left_out}." if target.left_out else ""
        self.report.show(Text(f"{self.symbols.done} {target.name} was made.{left_out}"))
        self.post_message(TargetChosen(target.name))
        keys = self.keys
        words = f"Next: press {keys('tab_experts')} for experts, or {keys('tab_select')} to rank those on disk."
        if target.uncovered:
            words = (
                f"No expert in the catalog covers {', '.join(target.uncovered)}. Next: press {keys('tab_experts')}, "
                f"then {keys('hub')} to search the Hub."
            )
        self.app.notify(words, title=f"The target is {target.name} now", markup=False, timeout=10)
        if self.form.corpus == corpus:  # nobody has begun another one meanwhile
            self.form.clear()
            if self.is_shown:
                self.table.display = True
                self.table.focus()

    # --- the rest --------------------------------------------------------------------------------------

    def go_back(self) -> None:
        """Leave the form, so that single keys are actions again."""
        if self.table.display:
            self.table.focus()
        else:
            self.screen.set_focus(None)

    def copied(self) -> str:
        """Return the name of the target under the cursor, or what stands in the field."""
        focused = self.app.focused
        return focused.value if isinstance(focused, Input) else self.table.key_under_cursor or ""
