"""Target: the targets there are, and a form for a new one, whose text can be looked through before."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from sam_hub.tui.messages import TargetChosen, background
from sam_hub.tui.source import JobView
from sam_hub.tui.state import AppState
from sam_hub.tui.symbols import Symbols, cut, plural
from sam_hub.tui.tabs.base import BaseTab
from sam_hub.tui.widgets.corpus_form import CorpusForm
from sam_hub.tui.widgets.form import Form
from sam_hub.tui.widgets.reading import ReadingPane
from sam_hub.tui.widgets.table import Column, Table

if TYPE_CHECKING:
    from sam_hub.catalog.queries import TargetRow
    from sam_hub.ner.scanning import Scan
    from sam_hub.services.targets import TargetOutcome

NONE_YET = (
    "No target yet. A target is text of your domain, and the entity types that you want.\n"
    "The text needs no labels. To create a target, fill in the form."
)
MOST, WIDTH = 100, 400  # files named in a report, more are counted; cells of a line, which the pane wraps


def scan_text(scan: Scan, symbols: Symbols) -> Text:
    """Return the result of a scan: counts, what can't be read, some sentences."""
    text = Text()
    text.append(plural(scan.sentences, "sentence"), style="bold")
    files, unread = plural(scan.files, "file"), len(scan.unreadable)
    files = f"{scan.files - unread:,} of {files}" if unread else files
    text.append(f" in {files}, {plural(scan.characters, 'character')}\n")
    if scan.sentences:
        text.append(f"A sentence has {scan.shortest:,} to {scan.longest:,} characters.\n")
    if scan.labelled:
        text.append(f"{symbols.warning} {scan.labelled:,} are labeled: a target uses only the text.\n")
    if scan.left_out:
        text.append(f"{symbols.warning} {cut(scan.left_out, WIDTH, symbols)}.\n")
    for path, reason in scan.unreadable[:MOST]:
        name = cut(path, WIDTH, symbols, keep_end=True)
        text.append(f"{symbols.missing} can't be read: {name}\n", style="bold")
        text.append(f"  {cut(reason, WIDTH, symbols)}\n")
    _append_more(text, unread)
    if unread:
        text.append(
            "sam-hub can't create the target while files can't be read. Correct these files, or move them away.\n"
        )
    if scan.skipped:
        text.append(f"{symbols.warning} {plural(len(scan.skipped), 'file')} with an unknown format, not read:\n")
        text.append("".join(f"  {cut(Path(path).name, WIDTH, symbols)}\n" for path in scan.skipped[:MOST]))
        _append_more(text, len(scan.skipped))
    if scan.examples:
        text.append("It begins\n", style="bold")
        text.append("".join(f"  {cut(example, WIDTH, symbols)}\n" for example in scan.examples))
    return text


def _append_more(text: Text, number: int) -> None:
    if number > MOST:
        text.append(f"  and {number - MOST:,} more\n")


def _path(words: str) -> Path | None:
    return Path(words) if words else None


class TargetTab(BaseTab):
    """The list of targets, the form, and the result of a scan."""

    NAME = "target"
    HELP = (
        "A target is raw text of your domain and the entity types that you want. Enter makes the target under the "
        "cursor the current one. Tab moves to the form for a new target. Scan checks the text before you save. Labeled "
        "sentences are used only for evaluation."
    )
    LOADING = ""
    RELOAD_AFTER: ClassVar = ("target",)

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self.table: Table[TargetRow] = Table(
            self.symbols, lambda row: row.name, self._columns, id="targets", style=self._style
        )
        self.table.border_title = "Targets: loading"
        self.form = CorpusForm()
        hint = f"{self.keys('scan')} counts what is in the text, and names the files that can't be read."
        self.report = ReadingPane(self.symbols, "scan-report", "Scan", hint)
        self._scan = 0  # the job that scans
        self._saving: dict[str, Any] = {}  # what stood in the form of which a target is made
        self._new: str | None = None  # the target on which the cursor is to be put

    def body(self) -> ComposeResult:
        with Vertical(id="targets-side"):
            yield self.table
            yield Static(NONE_YET, id="no-target", markup=False)
        with Vertical(id="target-side"):
            yield self.form
            yield self.report

    def focus_first(self) -> None:
        """Put the cursor into the list, or into the form where there is no target."""
        (self.table if self.table.display else self.form.input("name")).focus()

    def _style(self, row: TargetRow) -> str:
        return "bold" if row.name == self.target_name else ""

    def _columns(self, width: int) -> Sequence[Column[TargetRow]]:
        return (
            Column("sign", "", lambda row: self.symbols.point if row.name == self.target_name else "", 2),
            Column("name", "name", lambda row: row.name, share=2),
            Column("count", "sentences", lambda row: f"{row.sentence_count:,}", 9, right=True),
            Column("gold", "gold", lambda row: "yes" if row.gold_path else "no", 4),
            Column("types", "types", lambda row: " ".join(row.labels), share=3),
        )

    async def load(self) -> None:
        from sam_hub.catalog.queries import browse_targets

        targets = await self.source.read(browse_targets, self.source.path)
        had_focus = self.table.has_focus
        self.table.display = bool(targets)
        self.query_one("#no-target").display = not targets
        self.table.fill(targets, self._new or self.table.key_under_cursor or self.target_name)
        self._new = None
        self.table.border_title = f"Targets {len(targets)} {self.symbols.dot} {self.symbols.point} current"
        if had_focus and not targets:
            self.focus_first()

    @on(Table.RowSelected)
    def _chosen(self) -> None:
        """Work on this one."""
        if name := self.table.key_under_cursor:
            self.post_message(TargetChosen(name))
            self.say(f"Target: {name}", 3)

    # --- scan ------------------------------------------------------------------------------------------

    async def _faults(self, values: dict[str, Any]) -> dict[str, str]:
        def look() -> dict[str, str]:
            from sam_hub.catalog.targets import faults_of

            return faults_of(values["name"], values["corpus"], values["labels"], values["gold"])

        return await self.source.read(look)

    async def _fault_of_corpus(self, path: str) -> dict[str, str]:
        faults = await self._faults({**self.form.values, "corpus": path})
        return {"corpus": faults["corpus"]} if "corpus" in faults else {}

    @on(CorpusForm.CorpusLeft)
    @background()
    async def _look_at_corpus(self) -> None:
        """Say that a path leads nowhere when its field is left, not when all is filled in."""
        path = self.form.values["corpus"]
        faults = await self._fault_of_corpus(path)
        if faults and self.form.values["corpus"] == path:
            self.form.show_faults(faults)

    @background()
    async def do_scan(self) -> None:
        """Count what is in the text, as a job."""
        from sam_hub.services.options import ScanOptions

        values = self.form.values
        if faults := await self._fault_of_corpus(values["corpus"]):
            self.form.show_faults(faults, go=True)
            return
        options = ScanOptions(Path(values["corpus"]), values["split"], _path(values["gold"]))
        self._scan = await self.submit(options, partial(self._scan_ended, values["corpus"]))
        self.report.show(Text("Scanning ..."))

    # --- save ------------------------------------------------------------------------------------------

    @on(Form.Submitted)
    def _finished(self) -> None:
        self.do_save()

    @background()
    async def do_save(self) -> None:
        """Make the target, as a job; one of this name is replaced after a question only."""
        from sam_hub.services.options import TargetOptions

        values = self.form.values
        faults = await self._faults(values)
        self.form.show_faults(faults, go=True)
        if faults or values == self._saving:  # a second press of the key is no second target
            return
        known = next((row for row in self.table.rows if row.name == values["name"]), None)
        if known is not None and not await self._may_replace(known):
            self.form.input("name").focus()
            return
        paths = {"corpus": Path(values["corpus"]), "gold": _path(values["gold"])}
        options = TargetOptions(**{**values, **paths}, replace=known is not None)
        await self.submit(options, partial(self._target_ended, values))
        self._saving = values
        self.go_back()  # what is typed now is no part of the form any more

    async def _may_replace(self, known: TargetRow) -> bool:
        gold = "with labeled sentences" if known.gold_path else "without labeled sentences"
        body = (
            f"A target of this name already exists: {plural(known.sentence_count, 'sentence')}, {gold}, types "
            f"{', '.join(known.labels)}.\n\n"
            "If the text or the types differ, its rankings, scores, and evaluations are deleted. Merged models stay on "
            "disk. Otherwise, nothing is deleted."
        )
        return await self.confirm(f"Replace the target {cut(known.name, 40, self.symbols)}?", body, "r", "Replace")

    # --- jobs ------------------------------------------------------------------------------------------

    def jobs_listed(self, ended: list[JobView]) -> None:
        """Show how far a scan is."""
        for view in self.state.active_jobs:
            if view.id == self._scan and view.progress:
                self.report.show(Text(f"Scanning: {view.progress.done:,} of {view.progress.total:,} files"))
        super().jobs_listed(ended)

    @background(exclusive=False)
    async def _scan_ended(self, path: str, view: JobView) -> None:
        if view.job.state != "done":
            words = f"The scan was {view.job.state}. {view.reason or 'There is no result.'}"
            self.report.show(Text(f"{self.symbols.missing} {words}"))
            return
        scan: Scan = await self.source.outcome(view)
        self.report.show(scan_text(scan, self.symbols), f"Scan of {cut(Path(path).name, 40, self.symbols)}")
        self.report.scroll_home(animate=False)

    @background(exclusive=False)
    async def _target_ended(self, values: dict[str, Any], view: JobView) -> None:
        self._saving = {}
        if view.job.state != "done":
            words = view.reason or f"It was {view.job.state}."
            self.report.show(Text(f"{self.symbols.missing} The target was not created. {words}"))
            return
        target: TargetOutcome = await self.source.outcome(view)
        self._new = target.name
        left_out = f" {target.left_out}." if target.left_out else ""
        self.report.show(Text(f"{self.symbols.done} {target.name} was created.{left_out}"))
        self.post_message(TargetChosen(target.name))
        keys = self.keys
        words = f"Next: press {keys('tab_experts')} for experts, or {keys('tab_select')} to rank those on disk."
        if target.uncovered:
            words = (
                f"No expert in the catalog covers {', '.join(target.uncovered)}. Next: press {keys('tab_experts')}, "
                f"then {keys('hub')} to search the Hub."
            )
        self.app.notify(words, title=f"The current target is {target.name}", markup=False, timeout=10)
        if self.form.values == values:  # nobody has begun another one meanwhile
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
