"""The fields of a merge, and its plan as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text
from textual import on
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Button, Select, Static

from sam_hub.merging.methods import DEFAULT_METHOD
from sam_hub.tui.symbols import Symbols, cut, megabytes
from sam_hub.tui.widgets.form import ChoiceField, Field, Form, TextField

if TYPE_CHECKING:
    from sam_hub.services.merges import MergeMethod, MergeMethods, MergePreview, MergesPreview
    from sam_hub.services.options import MergeOptions

SCORES = "scores"  # instead of weights
BY = {"both": "both rankings, a merge each", "similarity": "similarity alone", "sampling": "sampling alone"}
ADAPTERS = {"none": "none", "0": "of all ranks together"} | {
    str(rank): f"of rank {rank} at most" for rank in (8, 16, 32, 64)
}
FIELDS: tuple[Field, ...] = (
    ChoiceField("method", "Method", {DEFAULT_METHOD: DEFAULT_METHOD}),
    ChoiceField("by", "Experts by", BY),
    TextField("parameters", "Parameters"),
    TextField("weights", "Weights", hint=f"best first, or: {SCORES}"),
    ChoiceField("trimming", "Trimming", {"mergekit": "as mergekit-yaml does", "stable": "stable, and quicker"}),
    ChoiceField("adapter", "Adapter", ADAPTERS),
    ChoiceField("leave-out", "Each adds", {"no": "not measured", "yes": "measured"}),
)
NAME = 60  # cells for the name of an expert


class MergeForm(Form):
    """What can be set for a merge."""

    DEFAULT_CSS = """
    MergeForm #merge-hint { color: $text-muted; height: auto; }
    """

    class Confirmed(Message):
        """The button was pressed."""

    def __init__(self, key: str) -> None:
        super().__init__("merge", [[field] for field in FIELDS], classes="pane -airy")
        self.border_title = "Merge"
        self._key = key
        self._methods: dict[str, MergeMethod] = {}

    def at_end(self) -> Iterator[Widget]:
        """Return a hint on the method's parameters, and the button."""
        yield Static(id="merge-hint", markup=False)
        yield Button(Text(f"Merge ({self._key})"), id="merge-button", variant="primary", compact=True, disabled=True)

    # --- what can be chosen ----------------------------------------------------------------------------

    @property
    def has_methods(self) -> bool:
        """Whether mergekit's methods are there to choose from."""
        return bool(self._methods)

    def offer_methods(self, methods: MergeMethods) -> None:
        """Put mergekit's methods into the field."""
        self._methods = {method.name: method for method in methods.methods}
        self.offer("method", {name: name for name in self._methods})
        self._hint()

    def offer_rankings(self, made: Sequence[str]) -> None:
        """Offer only rankings that were made; both, if both were."""
        names = ["both", *made] if len(made) == 2 else made
        self.offer("by", {name: BY[name] for name in names})

    @on(Select.Changed)
    def _hint(self) -> None:
        """Say what the method takes: in the empty field, and below in words."""
        method = self._methods.get(self.choice("method"))
        if method is None:
            return
        # What is tuned before what is switched: the field has room for a few only.
        taken = dict(sorted(method.parameters.items(), key=lambda item: isinstance(item[1], bool)))
        shown = [f"{name}={_plain(value)}" for name, value in taken.items()]
        self.input("parameters").placeholder = " ".join(shown) if taken else "it takes none"
        takes = ", ".join(shown) if taken else "no parameters"
        weighted = "" if method.weighted else "; it has no weights"
        self.query_one("#merge-hint", Static).update(Text(f"{method.name} takes {takes}{weighted}."))
        self.input("weights").disabled = not method.weighted
        self.select("trimming").disabled = not method.trims

    # --- what was chosen -------------------------------------------------------------------------------

    def options(self, target: str) -> MergeOptions:
        """Return what was filled in.

        Raises:
            UsageError: parameters or weights can't be read, or options exclude each other.
        """
        from sam_hub.merging.parameters import pairs, parameters, weights
        from sam_hub.services.options import By, MergeOptions

        given = "" if self.input("weights").disabled else self.text("weights")
        adapter = self.choice("adapter")
        options = MergeOptions(
            target=target,
            method=self.choice("method"),
            by=By(self.choice("by")),
            parameters=parameters(pairs(self.text("parameters"))),
            weights=() if given == SCORES else weights(given),
            by_score=given == SCORES,
            stable=not self.select("trimming").disabled and self.choice("trimming") == "stable",
            as_adapter=adapter != "none",
            rank=0 if adapter == "none" else int(adapter),
            leave_one_out=self.choice("leave-out") == "yes",
        )
        options.check()
        return options

    def can_merge(self, possible: bool) -> None:
        """Open or close the button."""
        self.query_one(Button).disabled = not possible

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.post_message(self.Confirmed())


def _plain(value: object) -> str:
    """Return a default as a person would type it."""
    if value is None:
        return "?"
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- the plan ------------------------------------------------------------------------------------------


def plan_text(plan: MergesPreview, symbols: Symbols) -> RenderableType:
    """Return all merges, one under another; a reason that forbids them comes first."""
    parts: list[RenderableType] = []
    if errors := errors_of(plan):
        parts.append(Text(f"{symbols.missing} This can't be merged: {errors[0]}\n", style="bold"))
    names: dict[str, str] = {}  # by configuration
    for merge in plan.merges:
        if (same := names.get(merge.configuration)) is not None:  # both rankings chose the same experts
            parts.append(Text(merge.name, style="bold"))
            parts.append(Text(f"{symbols.done} the same experts as {same}: one merge serves both\n"))
            continue
        names[merge.configuration] = merge.name
        parts.append(_merge_text(merge, plan, symbols))
        parts.append(Padding(Text(merge.configuration.rstrip(), overflow="fold"), (0, 0, 1, 2)))
    return Group(*parts)


def errors_of(plan: MergesPreview) -> list[str]:
    """Return every error of every merge: one is enough to forbid them."""
    return [error for merge in plan.merges for error in merge.errors]


def _merge_text(merge: MergePreview, plan: MergesPreview, symbols: Symbols) -> Text:
    count = len(merge.experts)
    text = Text()
    text.append(f"{merge.name}: {merge.method} of {count} {'expert' if count == 1 else 'experts'}\n", "bold")
    for expert, weight in zip(merge.experts, merge.weights, strict=True):
        repo, _, commit = expert.rpartition("@")
        text.append(f"  {cut(repo, NAME, symbols, keep_end=True)}")
        text.append(f" @{commit[:7]}  weight {weight:g}\n", style="italic")
    for error in merge.errors:
        text.append(f"{symbols.missing} error: ", style="bold")
        text.append(f"{error}\n")
    for warning in merge.warnings:
        text.append(f"{symbols.warning} warning: ", style="bold")
        text.append(f"{warning}\n")
    for note in merge.notes:
        text.append(f"{symbols.dot} {note}\n", style="italic")
    if not merge.errors:
        text.append(f"{symbols.done} compatible: the checks found no error\n")
    text.append_text(_cost(merge, plan, symbols))
    text.append("mergekit configuration", style="bold")
    return text


def _cost(merge: MergePreview, plan: MergesPreview, symbols: Symbols) -> Text:
    if merge.reused:
        text = Text(f"{symbols.done} already on disk\n", style="bold")
        for problem in merge.problems or ():
            text.append(f"{symbols.missing} it failed the sanity check: {problem}\n")
        if merge.problems == ():
            words = "it passed the sanity check: it loads, and predicts no worse than its experts"
            text.append(f"{symbols.done} {words}\n")
        return text
    if merge.errors:
        return Text()
    return Text(
        f"disk    writes {megabytes(merge.bytes)}; {megabytes(plan.free_disk)} are free\n"
        f"memory  takes {megabytes(merge.memory)}; {megabytes(plan.free_memory)} are free\n"
        f"time    about {duration(merge.seconds)}\n"
    )


def duration(seconds: float) -> str:
    """Return seconds as people read them."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def problem_text(title: str, action: str, symbols: Symbols) -> Text:
    """Say why there is no plan, and what to do."""
    text = Text()
    text.append(f"{symbols.missing} This can't be merged: {title}.\n", style="bold")
    return text.append(action)
