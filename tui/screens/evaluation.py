"""Before an evaluation: on which sentences, of which systems, by which rule; and what that takes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Select, Static

from sam_hub.errors import SamHubError
from tui.symbols import cut

if TYPE_CHECKING:
    from sam_hub.catalog.queries import TargetRow
    from tui.app import SamHubApp

TYPING = 0.4  # seconds without a change until the cost is asked for
SINGLES = {True: "yes: each expert, and the untuned base", False: "no: only what was merged"}
RULES = {
    "union": "union: found by either merge",
    "intersection": "intersection: found by both",
    "first": "first: the merge by similarity alone",
    "second": "second: the merge by sampling alone",
}
NAMES = 8  # systems that are named


class EvaluationForm(ModalScreen[dict[str, Any] | None]):
    """Ask how to evaluate; the result has "gold", "singles" and "rule", None after Esc."""

    BINDINGS: ClassVar = [("escape", "dismiss(None)", "Back")]
    DEFAULT_CSS = """
    EvaluationForm { align: center middle; }
    EvaluationForm .dialog-body { margin: 0 0 1 0; max-height: 9; }
    EvaluationForm .dialog Input, EvaluationForm Select { margin-bottom: 1; }
    EvaluationForm .dialog-buttons { height: 1; }
    """
    app: SamHubApp

    def __init__(self, target: TargetRow) -> None:
        super().__init__()
        self._target = target
        self._planned: dict[str, Any] | None = None
        self._looked = False

    def compose(self) -> ComposeResult:
        gold = self._target.gold_path
        with Vertical(classes="dialog"):
            yield Static(
                Text(f"Evaluate {self._target.name}", style="bold"), classes="dialog-title", markup=False
            )
            if gold is None:
                yield Label("File of labelled sentences (.jsonl or .conll)")
                yield Input(id="gold", compact=True, placeholder="a path on this machine")
            yield Label("Evaluate the single models, too, to compare with")
            singles = [(text, value) for value, text in SINGLES.items()]
            yield Select(singles, value=True, allow_blank=False, compact=True, id="singles")
            yield Label("How both merges become one answer")
            rules = [(text, name) for name, text in RULES.items()]
            yield Select(rules, value="union", allow_blank=False, compact=True, id="rule")
            with VerticalScroll(classes="dialog-body", can_focus=False):
                yield Static("Looking what it takes ...", id="cost", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Button("Evaluate", id="confirm", variant="primary", compact=True, disabled=True)
                yield Button("Back (Esc)", id="leave", compact=True)

    def on_mount(self) -> None:
        fields = self.query(Input)
        (fields.first() if fields else self.query_one("#singles")).focus()
        self._look(0.0)

    def _values(self) -> dict[str, Any]:
        fields = self.query(Input)
        return {
            "gold": fields.first().value.strip() or None if fields else None,
            "singles": bool(self.query_one("#singles", Select).value),
            "rule": str(self.query_one("#rule", Select).value),
        }

    # --- the cost --------------------------------------------------------------------------------------

    @on(Input.Changed)
    @on(Select.Changed)
    def _changed(self) -> None:
        self._look(TYPING)

    @work(exclusive=True, group="evaluation-cost")
    async def _look(self, delay: float) -> None:
        await asyncio.sleep(delay)
        ready, menu = await self._plan(), self.query_one("#singles", Select)
        if ready and not self._looked and menu.has_focus and not menu.expanded:
            self.query_one("#confirm").focus()  # nothing has to be filled in: Enter is enough
        self._looked = True

    async def _plan(self) -> bool:
        """Show what the evaluation of these values takes, or why it can't be; True if it can."""
        from sam_hub.jobs.inquiries import PlanEvaluation

        values, symbols = self._values(), self.app.symbols
        if values == self._planned:
            return True
        cost, confirm = self.query_one("#cost", Static), self.query_one("#confirm", Button)
        self._planned, confirm.disabled = None, True
        if self._target.gold_path is None and values["gold"] is None:
            cost.update(Text("Name a file: scores need sentences whose entities are known."))
            return False
        try:
            plan = await self.app.source.ask(PlanEvaluation(self._target.name, **values))
        except SamHubError as error:
            cost.update(Text(f"{symbols.missing} {error}", style="bold"))
            return False
        cost.update(self._cost(plan))
        self._planned, confirm.disabled = values, False
        return True

    def _cost(self, plan: dict[str, Any]) -> Text:
        symbols, names = self.app.symbols, plan["systems"]
        text = Text(
            f"Systems: {len(names)}, of {plan['models']} models. Labelled sentences: {plan['sentences']:,}, with "
            f"entities: {plan['entities']:,}.\nEvery model reads every sentence; what was asked before is kept.\n"
        )
        for name in names[:NAMES]:
            text.append(f"  {cut(name, 58, symbols, keep_end=True)}\n", style="italic")
        if len(names) > NAMES:
            text.append(f"  and {len(names) - NAMES} more\n", style="italic")
        return text

    # --- leaving ---------------------------------------------------------------------------------------

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self._finish()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "confirm":
            self._finish()
        else:
            self.dismiss(None)

    @work(exclusive=True, group="evaluation-finish")
    async def _finish(self) -> None:
        if await self._plan():
            self.dismiss(self._planned)
