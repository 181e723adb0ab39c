"""Why an expert stands where it stands, and where the two rankings agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from tui.symbols import Symbols, interval_bar, number
from tui.widgets.details import BAR, fact_lines

METHODS = ("similarity", "sampling")


def why_text(
    expert: str, rankings: Mapping[str, Any], labels: Sequence[str], symbols: Symbols, width: int
) -> Text:
    """What both rankings (an answer of `Rankings`) say of an expert, for a target of these labels.

    Lines have at most ``width`` cells.
    """
    places = {}
    for method in METHODS:
        rows = rankings[method]["rows"] if rankings[method] else []
        places[method] = next(
            ((rank, row) for rank, row in enumerate(rows, 1) if row["expert"] == expert), None
        )
    facts = []
    for method in METHODS:
        if place := places[method]:
            facts += _facts(method, *place, rankings[method], symbols)
    notes = {place[1]["note"] for place in places.values() if place and place[1]["note"]}
    facts += [("note", f"{symbols.warning} {note}") for note in sorted(notes)]
    if place := places["sampling"] or places["similarity"]:
        knows = place[1]["knows"]
        missing = [label for label in labels if label not in knows]
        facts += [("covers", f"{symbols.done} {', '.join(knows)}")] if knows else []
        facts += [("misses", f"{symbols.missing} {', '.join(missing)}")] if missing else []
    return fact_lines(facts, width)


def _facts(
    method: str, rank: int, row: Mapping[str, Any], ranking: Mapping[str, Any], symbols: Symbols
) -> list[tuple[str, str]]:
    """One ranking's facts on one expert, and how that ranking was made."""
    place = f"rank {rank} of {len(ranking['rows'])}, {_chosen(row, ranking)}"
    asked = ranking["parameters"]
    if method == "similarity":
        facts = [("text", f"{number(row['score'], symbols)} cosine to the target's text, {place}")]
        facts += [("", f"by {asked['embedder']}")] if "embedder" in asked else []
    else:
        bar = interval_bar(symbols, row["low"], row["score"], row["high"], BAR)
        interval = f"{number(row['low'], symbols)} to {number(row['high'], symbols)}"
        parts = f"precision {number(row['precision'], symbols)}, recall {number(row['recall'], symbols)}"
        voted = (asked.get("pseudo_entities") or {}).get(row["expert"])
        votes = f"{asked.get('votes')} votes, {asked.get('threshold')} of the voters must agree"
        facts = [
            ("votes", f"F1 {number(row['score'], symbols)}, {place}"),
            ("", f"{bar} 95% {interval}"),
            ("", f"{parts}, against {voted if voted is not None else 'the'} voted entities"),
            ("", f"on {asked.get('sentences')} sentences; {votes}"),
        ]
    return facts


def _chosen(row: Mapping[str, Any], ranking: Mapping[str, Any]) -> str:
    if not row["chosen"]:
        return "not chosen"
    return "chosen by hand" if ranking["by_hand"] else f"chosen (k is {ranking['k']})"


def agreement_text(rankings: Mapping[str, Any], symbols: Symbols) -> Text:
    """Who was chosen by both, who by one alone, and what nobody covers."""
    chosen = {
        method: [row["expert"] for row in rankings[method]["rows"] if row["chosen"]]
        for method in METHODS
        if rankings[method]
    }
    text = Text()
    if len(chosen) == 2:
        text.append("In both: ", style="bold")
        text.append(", ".join(rankings["both"]) or "none")
        for method, names in chosen.items():
            text.append(f"  {symbols.dot} {method} only: ", style="bold")
            text.append(", ".join(name for name in names if name not in rankings["both"]) or "none")
    else:
        for method, names in chosen.items():
            text.append(f"Chosen by {method}: ", style="bold")
            text.append(", ".join(names))
    for method in chosen:
        if not any(row["score"] for row in rankings[method]["rows"]):
            text.append(f"\n{symbols.warning} By {method} all scores are 0: that ranking says nothing. ")
            text.append("Rank again with a larger sample, or merge by the other one.")
    if rankings["uncovered"]:
        text.append(
            f"\n{symbols.missing} No expert in the catalog covers: {', '.join(rankings['uncovered'])}"
        )
    return text
