"""The plan of a ranking: who is asked how much, and what can be set about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tui.screens.form import Field, Form

if TYPE_CHECKING:
    from sam_hub.catalog.queries import TargetRow

WAYS = ("both", "similarity", "sampling")
VOTES = ("leave-self-out", "plain")
WEIGHTS = ("uniform", "similarity")
AUTO = "auto"
SHOWN = 4  # experts named


def ranking_form(target: TargetRow, selected: Sequence[str], on_disk: int, before: Mapping[str, str]) -> Form:
    """A form with the fields by, k, sample, votes, weights and threshold.

    Args:
        selected: the repos to be ranked; none: all that are on disk.
        before: what was filled in the last time.
    """
    alone = (len(selected) or on_disk) == 1
    values = {
        "by": "similarity" if alone else "both",
        "k": "3",
        "sample": "40",
        "votes": VOTES[0],
        "weights": WEIGHTS[0],
        "threshold": "0.25",
        **before,
    }
    fields = [
        Field("by", "Rankings: both, similarity or sampling", values["by"], check=lambda v: _one_of(v, WAYS)),
        Field("k", "Experts that each ranking chooses, or auto", values["k"], check=_count),
        Field("sample", "Sentences that each is asked about, 20 to 500", values["sample"], check=_size),
        Field("votes", "Votes: leave-self-out, or plain", values["votes"], check=lambda v: _one_of(v, VOTES)),
        Field(
            "weights",
            "Votes weigh: uniform, or similarity",
            values["weights"],
            check=lambda v: _one_of(v, WEIGHTS),
        ),
        Field("threshold", "Share of the voters that must agree", values["threshold"], check=_share),
    ]
    return Form(f"Rank experts for {target.name}", _plan(target, selected, on_disk), fields, "Rank")


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


def _one_of(value: str, known: Sequence[str]) -> str:
    return "" if value in known else f"write {', '.join(known[:-1])} or {known[-1]}."


def _count(value: str) -> str:
    known = value == AUTO or (_is_number(value) and 0 < int(value) < 10**6)
    return "" if known else "give 1 or more."


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
