"""Before a ranking: who is asked how much, and what can be set about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from sam_hub.tui.screens.dialogs import FormScreen
from sam_hub.tui.widgets.form import TextField

if TYPE_CHECKING:
    from sam_hub.catalog.queries import TargetRow

AUTO = "auto"
SHOWN = 4  # experts named
DEFAULTS = {
    "by": "both",
    "k": "3",
    "sample": "40",
    "votes": "leave-self-out",
    "weights": "uniform",
    "threshold": "0.25",
}


def ranking_form(target: TargetRow, selected: Sequence[str], on_disk: int, before: Mapping[str, str]) -> FormScreen:
    """Return a form with the fields by, k, sample, votes, weights and threshold.

    Args:
        selected: the repos to be ranked; none: all that are on disk.
        before: what was filled in the last time.
    """
    alone = (len(selected) or on_disk) == 1
    values = {**DEFAULTS, **({"by": "similarity"} if alone else {}), **before}
    checks: Mapping[str, tuple[str, Callable[[str], str]]] = {
        "by": ("Rankings: both, similarity or sampling", _one_of("both", "similarity", "sampling")),
        "k": ("Experts that each ranking chooses, or auto", _count),
        "sample": ("Sentences that each is asked about, 20 to 500", _size),
        "votes": ("Votes: leave-self-out, or plain", _one_of("leave-self-out", "plain")),
        "weights": ("Votes weigh: uniform, or similarity", _one_of("uniform", "similarity")),
        "threshold": ("Share of the voters that must agree", _share),
    }
    fields = [TextField(name, label, values[name], check=check) for name, (label, check) in checks.items()]
    return FormScreen(f"Rank experts for {target.name}", _plan(target, selected, on_disk), fields, "Rank")


def _plan(target: TargetRow, selected: Sequence[str], on_disk: int) -> str:
    who = f"all that are on disk ({on_disk})"
    if selected:
        more = f" and {len(selected) - SHOWN} more" if len(selected) > SHOWN else ""
        who = f"the {'one' if len(selected) == 1 else len(selected)} selected: {', '.join(selected[:SHOWN])}{more}"
    lines = [
        f"Experts: {who}.",
        f"{target.name} has {target.sentence_count:,} sentences. Predictions are kept: on the same sample only new "
        "experts are asked.",
    ]
    if (len(selected) or on_disk) == 1:
        lines.append("Votes need two experts: of one, only the similarity can be ranked.")
    return "\n".join(lines)


def _one_of(*known: str) -> Callable[[str], str]:
    return lambda value: "" if value in known else f"write {', '.join(known[:-1])} or {known[-1]}."


def _count(value: str) -> str:
    fits = value == AUTO or (_is_number(value) and 0 < int(value) < 10**6)
    return "" if fits else "give 1 or more."


def _size(value: str) -> str:
    from sam_hub.selection.sampling import LARGEST, SMALLEST

    fits = _is_number(value) and SMALLEST <= int(value) <= LARGEST
    return "" if fits else f"give {SMALLEST} to {LARGEST}."


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 10


def _share(value: str) -> str:
    try:
        return "" if 0 < float(value) <= 1 else "give a share above 0, up to 1."
    except ValueError:
        return "give a number, such as 0.5."
