"""The fields of a merge: method, whose choice, parameters, weights, what else is made; and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.widgets import Button, Input, Label, Select, Static

from sam_hub.merging.methods import DEFAULT_METHOD
from tui.actions import LEAVE_FIELDS

if TYPE_CHECKING:
    from tui.app import SamHubApp

SCORES = "scores"  # instead of weights
TRIMMING = {"mergekit": "as mergekit-yaml does", "stable": "stable, and quicker"}
ADAPTERS = {"none": "none", "0": "of all ranks together"} | {
    str(rank): f"of rank {rank} at most" for rank in (8, 16, 32, 64)
}
LEAVE_OUT = {"no": "not measured", "yes": "measured"}
BY = {"both": "both rankings, a merge each", "similarity": "similarity alone", "sampling": "sampling alone"}


class MergeForm(VerticalScroll):
    """What can be set for a merge. Every change of a field posts `Changed`."""

    BINDINGS: ClassVar = [LEAVE_FIELDS]
    SCOPED_CSS = False  # the rules for tall terminals begin at the screen
    DEFAULT_CSS = """
    MergeForm { height: auto; }
    MergeForm .field { height: 1; }
    .-tall MergeForm .field { margin-bottom: 1; }
    MergeForm Label { width: 12; color: $text-muted; }
    MergeForm Select, MergeForm Input { width: 1fr; }
    MergeForm #merge-hint { color: $text-muted; height: auto; }
    """

    app: SamHubApp

    class Changed(Message):
        """A field has another value."""

    def __init__(self) -> None:
        super().__init__(id="merge-form", classes="pane", can_focus=False)
        self._methods: dict[str, dict[str, Any]] = {}

    def compose(self) -> ComposeResult:
        method, by = [(DEFAULT_METHOD, DEFAULT_METHOD)], [(text, name) for name, text in BY.items()]
        with Horizontal(classes="field"):
            yield Label("Method")
            yield Select(method, value=DEFAULT_METHOD, allow_blank=False, compact=True, id="merge-method")
        with Horizontal(classes="field"):
            yield Label("Experts by")
            yield Select(by, value="both", allow_blank=False, compact=True, id="merge-by")
        with Horizontal(classes="field"):
            yield Label("Parameters")
            yield Input(compact=True, id="merge-parameters")
        with Horizontal(classes="field"):
            yield Label("Weights")
            yield Input(compact=True, placeholder=f"best first, or: {SCORES}", id="merge-weights")
        for label, field, offered in (
            ("Trimming", "trimming", TRIMMING),
            ("Adapter", "adapter", ADAPTERS),
            ("Each adds", "leave-out", LEAVE_OUT),
        ):
            options = [(text, value) for value, text in offered.items()]
            with Horizontal(classes="field"):
                yield Label(label)
                yield Select(options, allow_blank=False, compact=True, id=f"merge-{field}")
        yield Static(id="merge-problem", classes="field-error", markup=False)
        yield Static(id="merge-hint", markup=False)
        yield Button("Merge", id="merge-button", variant="primary", compact=True, disabled=True)

    def on_mount(self) -> None:
        self.border_title = "Merge"
        self.query_one(Button).label = Text(f"Merge ({self.app.keys_of('merge')})")

    # --- what can be chosen ----------------------------------------------------------------------------

    @property
    def knows_methods(self) -> bool:
        """Whether mergekit's methods are there to choose from."""
        return bool(self._methods)

    def offer_methods(self, methods: list[dict[str, Any]], default: str) -> None:
        """Put mergekit's methods into the field."""
        self._methods = {method["name"]: method for method in methods}
        select = self.query_one("#merge-method", Select)
        with self.prevent(Select.Changed):
            select.set_options((name, name) for name in self._methods)
            select.value = default
        self._hint()

    def offer_rankings(self, there: list[str]) -> None:
        """Only rankings that were made can be chosen; both, if both were."""
        select = self.query_one("#merge-by", Select)
        names = ["both", *there] if len(there) == 2 else there
        kept = select.value if select.value in names else names[0]
        with self.prevent(Select.Changed):
            select.set_options((BY[name], name) for name in names)
            select.value = kept

    def _hint(self) -> None:
        """What the method takes: in the empty field, and below in words."""
        method = self._methods.get(str(self.query_one("#merge-method", Select).value))
        if method is None:
            return
        # What is tuned before what is switched: the field has room for a few only.
        taken = dict(sorted(method["parameters"].items(), key=lambda item: isinstance(item[1], bool)))
        shown = [f"{name}={_plain(value)}" for name, value in taken.items()]
        field = self.query_one("#merge-parameters", Input)
        field.placeholder = " ".join(shown) if taken else "it takes none"
        takes = ", ".join(shown) if taken else "no parameters"
        weighted = "" if method["weighted"] else "; it has no weights"
        self.query_one("#merge-hint", Static).update(Text(f"{method['name']} takes {takes}{weighted}."))
        self.query_one("#merge-weights", Input).disabled = not method["weighted"]
        self.query_one("#merge-trimming", Select).disabled = not method["trims"]

    # --- what was chosen -------------------------------------------------------------------------------

    def choice(self) -> dict[str, Any]:
        """The fields of `PlanMerge`, which are of `MergeExperts`, too.

        Raises:
            UsageError: parameters or weights can't be read.
        """
        from sam_hub.merging.parameters import pairs, parameters, weights

        weighted, trimming = (
            self.query_one("#merge-weights", Input),
            self.query_one("#merge-trimming", Select),
        )
        given = "" if weighted.disabled else weighted.value.strip()
        return {
            "method": self._chosen("method"),
            "by": self._chosen("by"),
            "parameters": parameters(pairs(self.query_one("#merge-parameters", Input).value)),
            "weights": () if given == SCORES else weights(given),
            "by_score": given == SCORES,
            "stable": not trimming.disabled and trimming.value == "stable",
        }

    def extras(self) -> dict[str, Any]:
        """The other fields of `MergeExperts`: what is made or measured beside the merge."""
        adapter = self._chosen("adapter")
        return {
            "as_adapter": adapter != "none",
            "rank": 0 if adapter == "none" else int(adapter),
            "leave_one_out": self._chosen("leave-out") == "yes",
        }

    def _chosen(self, field: str) -> str:
        return str(self.query_one(f"#merge-{field}", Select).value)

    def show_problem(self, text: str) -> None:
        """Say what is wrong with a field; empty: nothing is."""
        self.query_one("#merge-problem", Static).update(Text(text))
        self.query_one("#merge-problem").display = bool(text)

    def can_merge(self, possible: bool) -> None:
        """Open or close the button."""
        self.query_one(Button).disabled = not possible

    @on(Select.Changed)
    @on(Input.Changed)
    def _changed(self, event: Select.Changed | Input.Changed) -> None:
        event.stop()
        if isinstance(event, Select.Changed):
            self._hint()
        self.post_message(self.Changed())

    @on(Button.Pressed)
    async def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        await self.app.action_do("merge")


def _plain(value: object) -> str:
    """A default as a person would type it."""
    if value is None:
        return "?"
    return str(value).lower() if isinstance(value, bool) else str(value)
