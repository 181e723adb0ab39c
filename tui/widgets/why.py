"""Why an expert stands where it stands, and where the two rankings agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from tui.symbols import Symbols, interval_bar, number
from tui.widgets.details import BAR, INDENT, fact_lines

METHODS = ("similarity", "sampling")


def why_text(
    expert: str, rankings: Mapping[str, Any], labels: Sequence[str], symbols: Symbols, width: int
) -> Text:
    """What both rankings (an answer of `Rankings`) say of an expert, for a target of these labels.

    Lines have at most ``width`` cells, and a sentence two of them.
    """
    from sam_hub.selection.report import reasons

    told = reasons(
        expert,
        rankings,
        labels,
        room=2 * (max(width, 40) - INDENT) - 10,
        number=lambda value: number(value, symbols),
        ellipsis=symbols.cut,
    )
    signs = {"note": symbols.warning, "covers": symbols.done, "misses": symbols.missing}
    facts, bar = [], ""
    for head, words in told:
        facts.append((head, f"{signs[head]} {words}" if head in signs else f"{bar}{words}"))
        bar = ""
        if head == "votes":  # the interval is told next
            row = next(row for row in rankings["sampling"]["rows"] if row["expert"] == expert)
            bar = (
                ""
                if row["score"] is None
                else interval_bar(symbols, row["low"], row["score"], row["high"], BAR) + " "
            )
    return fact_lines(facts, width)


def agreement_text(rankings: Mapping[str, Any], symbols: Symbols) -> Text:
    """Who was chosen by both, who by one alone, whether any expert fits, and what nobody covers."""
    from sam_hub.selection.report import no_fit

    chosen = {
        method: [row["expert"] for row in rankings[method]["rows"] if row["chosen"]]
        for method in METHODS
        if rankings[method]
    }
    text = Text()
    if len(chosen) == 2:
        text.append("In both: ", style="bold")
        text.append(", ".join(rankings["both"]) or "none")
        for method in chosen:
            text.append(f"  {symbols.dot} {method} only: ", style="bold")
            text.append(", ".join(rankings[f"{method}_only"]) or "none")
    else:
        for method, names in chosen.items():
            text.append(f"Chosen by {method}: ", style="bold")
            text.append(", ".join(names))
    for method in chosen:
        if warning := no_fit(rankings[method]["parameters"]):
            text.append(f"\n{symbols.warning} {warning}")
        elif not any(row["score"] for row in rankings[method]["rows"]):
            text.append(f"\n{symbols.warning} By {method} all scores are 0: that ranking says nothing. ")
            text.append("Rank again with a larger sample, or merge by the other one.")
    if rankings["uncovered"]:
        text.append(
            f"\n{symbols.missing} No expert in the catalog covers: {', '.join(rankings['uncovered'])}"
        )
    return text
