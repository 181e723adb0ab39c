"""Before an evaluation: on which sentences, of which systems, by which rule; and what that takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from sam_hub.errors import SamHubError
from sam_hub.tui.messages import background
from sam_hub.tui.screens.dialogs import StackedForm
from sam_hub.tui.symbols import Symbols, cut
from sam_hub.tui.widgets.form import ChoiceField, Field, Form, TextField

if TYPE_CHECKING:
    from sam_hub.catalog.queries import TargetRow
    from sam_hub.services.evaluation import EvaluationPlan
    from sam_hub.services.options import EvaluationOptions

TYPING = 0.4  # seconds without a change until the cost is asked for
SINGLES = {"yes": "yes: each expert, and the untuned base", "no": "no: only what was merged"}
RULES = {
    "union": "union: found by either merge",
    "intersection": "intersection: found by both",
    "first": "first: the merge by similarity alone",
    "second": "second: the merge by sampling alone",
}
GOLD = TextField("gold", "File of labeled sentences (.jsonl or .conll)", hint="a path on this machine")
NAMES = 8  # systems that are named


class EvaluationScreen(ModalScreen["EvaluationOptions | None"]):
    """Ask how to evaluate; the result is None after Esc.

    Args:
        plan: tells what an evaluation takes. Raises SamHubError.
    """

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "Back")]
    DEFAULT_CSS = """
    EvaluationScreen { align: center middle; }
    EvaluationScreen .dialog-body { margin: 0 0 1 0; max-height: 9; }
    EvaluationScreen .dialog Input, EvaluationScreen Select { margin-bottom: 1; }
    EvaluationScreen .dialog-buttons { height: 1; }
    """

    def __init__(
        self, target: TargetRow, symbols: Symbols, plan: Callable[[EvaluationOptions], Awaitable[EvaluationPlan]]
    ) -> None:
        super().__init__()
        self._target, self._symbols, self._plan = target, symbols, plan
        fields: list[Field] = [
            ChoiceField("singles", "Evaluate the single models, too, to compare with", SINGLES),
            ChoiceField("rule", "How both merges become one answer", RULES),
        ]
        if target.gold_path is None:
            fields.insert(0, GOLD)
        self._form = StackedForm("evaluation", [[field] for field in fields], classes="-stacked")
        self._planned: EvaluationOptions | None = None
        self._looked = False

    def compose(self) -> ComposeResult:
        title = Text(f"Evaluate {self._target.name}", style="bold")
        with Vertical(classes="dialog"):
            yield Static(title, classes="dialog-title", markup=False)
            yield self._form
            with VerticalScroll(classes="dialog-body", can_focus=False):
                yield Static("Looking what it takes ...", id="cost", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Button("Evaluate", id="confirm", variant="primary", compact=True, disabled=True)
                yield Button("Back (Esc)", id="leave", compact=True)

    def on_mount(self) -> None:
        inputs = self.query(Input)
        (inputs.first() if inputs else self._form.select("singles")).focus()
        self._look(0.0)

    @property
    def _options(self) -> EvaluationOptions:
        from sam_hub.services.options import EvaluationOptions, Rule

        gold = self._form.text("gold") if self._target.gold_path is None else ""
        return EvaluationOptions(
            self._target.name,
            gold=Path(gold) if gold else None,
            rule=Rule(self._form.choice("rule")),
            singles=self._form.choice("singles") == "yes",
        )

    # --- the cost --------------------------------------------------------------------------------------

    @on(Form.Changed)
    def _changed(self) -> None:
        self._look(TYPING)

    @background()
    async def _look(self, delay: float) -> None:
        await asyncio.sleep(delay)
        ready, menu = await self._show_cost(), self._form.select("singles")
        if ready and not self._looked and menu.has_focus and not menu.expanded:
            self.query_one("#confirm").focus()  # nothing has to be filled in: Enter is enough
        self._looked = True

    async def _show_cost(self) -> bool:
        """Show what the evaluation takes, or why it can't be; True if it can."""
        options = self._options
        if options == self._planned:
            return True
        cost, confirm = self.query_one("#cost", Static), self.query_one("#confirm", Button)
        self._planned, confirm.disabled = None, True
        if self._target.gold_path is None and options.gold is None:
            cost.update(Text("Name a file: scores need sentences whose entities are known."))
            return False
        try:
            plan = await self._plan(options)
        except SamHubError as error:
            cost.update(Text(f"{self._symbols.missing} {error}", style="bold"))
            return False
        cost.update(self._cost(plan))
        self._planned, confirm.disabled = options, False
        return True

    def _cost(self, plan: EvaluationPlan) -> Text:
        text = Text(
            f"Systems: {len(plan.systems)}, of {plan.models} models. Labeled sentences: {plan.sentences:,}, with "
            f"entities: {plan.entities:,}.\nEvery model reads every sentence; what was asked before is kept.\n"
        )
        for name in plan.systems[:NAMES]:
            text.append(f"  {cut(name, 58, self._symbols, keep_end=True)}\n", style="italic")
        if len(plan.systems) > NAMES:
            text.append(f"  and {len(plan.systems) - NAMES} more\n", style="italic")
        return text

    # --- leaving ---------------------------------------------------------------------------------------

    @on(Form.Submitted)
    def _entered(self) -> None:
        self._finish()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "confirm":
            self._finish()
        else:
            self.dismiss(None)

    @background()
    async def _finish(self) -> None:
        if await self._show_cost():
            self.dismiss(self._planned)
