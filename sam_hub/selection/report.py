"""Explain rankings in words, for the command line and the UI."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sam_hub.ner.text import Entity
from sam_hub.selection.ranking import Ranked, RankingChoice

METHODS = ("similarity", "sampling")
ORIGINS = {
    "repo": "from its repository",
    "dataset": "from the data set named in its card",
    "corpus": "from the text given for it",
    "card": "from its card only, which is weak: it describes the model and is not text of its domain",
}
ADVICE = "Don't merge these experts. Find experts that are more similar to the target (`sam-hub search`)."

NOTES_APART = re.compile(r"; (?![^(]*\))")  # not inside of parentheses
MENTIONS = 4  # named for a sentence; more are counted

Facts = list[tuple[str, str]]
Number = Callable[[float | None], str]


def two_digits(value: float | None) -> str:
    """Return a score with two digits, for sentences."""
    return "–" if value is None else f"{value:.2f}"


def reasons(
    expert: str,
    rankings: Mapping[str, RankingChoice],
    labels: Sequence[str],
    *,
    room: int = 88,
    number: Number = two_digits,
    ellipsis: str = "…",
) -> Facts:
    """Return why an expert has its rank in both rankings: facts with a short head, empty for further lines of a fact.

    Args:
        rankings: by method.
        labels: of the target.
        room: characters of a line, to which sentences are cut.
    """
    facts: Facts = []
    rows = {}
    for method in METHODS:
        choice = rankings.get(method)
        ranked = choice.ranking.rows if choice else ()
        for rank, row in enumerate(ranked, 1):
            if choice and row.expert == expert:
                rows[method] = row
                by = _by_similarity if method == "similarity" else _by_votes
                if method == "sampling" and "similarity" not in rows:
                    facts += _nearness(row, choice, number)
                facts += by(f"rank {rank} of {len(ranked)}", row, choice, number)
    notes = dict.fromkeys(note for row in rows.values() for note in NOTES_APART.split(row.note) if note)
    facts += [("note", note) for note in notes]
    if rows:
        row = list(rows.values())[-1]
        missing = [label for label in labels if label not in row.covers]
        facts += [("covers", ", ".join(row.covers_in_words))] if row.covers else []
        facts += [("missing", ", ".join(missing))] if missing else []
    return facts + (_differences(rows["sampling"], room, ellipsis) if "sampling" in rows else [])


def _by_similarity(place: str, row: Ranked, choice: RankingChoice, number: Number) -> Facts:
    chosen = _chosen(row, choice)
    if row.score is None:
        return [("text", f"not compared with the target's text, {chosen}")]
    embedder = choice.ranking.parameters.get("embedder")
    source = "; ".join(filter(None, (_origin(row), f"by {embedder}" if embedder else "")))
    facts = [("text", f"{number(row.score)} cosine to the target's text, {place}, {chosen}")]
    return facts + ([("", source)] if source else [])


def _nearness(row: Ranked, choice: RankingChoice, number: Number) -> Facts:
    """Return the facts on the rank by similarity for an expert that is ranked only by votes."""
    if not row.near:
        return [("text", f"no descriptor to compare{f' (domain {row.domain})' if row.domain else ''}")]
    compared = sum(bool(other.near) for other in choice.ranking.rows)
    place = f"rank {row.near.rank} of {compared} by similarity"
    facts = [("text", f"{number(row.near.cosine)} cosine to the target's text, {place}")]
    return facts + ([("", source)] if (source := _origin(row)) else [])


def _origin(row: Ranked) -> str:
    source = ORIGINS.get(row.near.origin, "") if row.near else ""
    parts = (f"domain {row.domain}" if row.domain else "", f"descriptor {source}" if source else "")
    return ", ".join(filter(None, parts))


def _by_votes(place: str, row: Ranked, choice: RankingChoice, number: Number) -> Facts:
    parameters = choice.ranking.parameters
    if row.score is None:
        return [("votes", f"none, {place}, {_chosen(row, choice)}: {row.unfit or row.note}")]
    pseudo_entities = (parameters.get("pseudo_entities") or {}).get(row.expert, "the")
    weighted = f", weighted by {parameters['weights']}" if parameters.get("weights", "uniform") != "uniform" else ""
    facts = [
        ("votes", f"F1 {number(row.score)}, {place}, {_chosen(row, choice)}"),
        ("", f"95% {number(row.low)} to {number(row.high)}"),
        (
            "",
            f"precision {number(row.precision)}, recall {number(row.recall)}, against {pseudo_entities} voted entities",
        ),
        (
            "",
            f"on {parameters.get('sentences')} sentences; {parameters.get('votes')} votes{weighted}, "
            f"{parameters.get('threshold')} of the voters must agree",
        ),
    ]
    if row.agreement is not None:
        facts.append(("agrees", f"F1 {number(row.agreement)} with the other experts, on average"))
    steps = (parameters.get("evidence") or {}).get("steps", ())
    return facts + [("adds", _step(step, number)) for step in steps if step["expert"] == row.expert]


def _chosen(row: Ranked, choice: RankingChoice) -> str:
    if row.expert not in choice.chosen:
        return "not chosen"
    if choice.by_hand:
        return "chosen by hand"
    return f"chosen{' by --k auto' if 'evidence' in choice.ranking.parameters else ''} (k is {choice.k})"


def _differences(row: Ranked, room: int, ellipsis: str) -> Facts:
    facts: Facts = []
    for difference in row.disagreements:
        first = min(entity.start for entity in (*difference.says, *difference.others))
        facts.append(("differs", f'"{excerpt(difference.text, first, room - 2, ellipsis)}"'))
        facts += [
            ("", f"{who}: {_mentions(entities, ellipsis)}")
            for who, entities in (("expert only", difference.says), ("votes only", difference.others))
            if entities
        ]
    return facts


def _mentions(entities: Sequence[Entity], ellipsis: str) -> str:
    named = [f"{excerpt(each.text, 0, 60, ellipsis)} [{each.label}]" for each in entities[:MENTIONS]]
    more = len(entities) - len(named)
    return f"{', '.join(named)}{f' and {more} more' if more else ''}"


def excerpt(text: str, at: int, room: int, ellipsis: str = "…") -> str:
    """Return at most ``room`` characters of a text around position ``at``, cut between words if possible."""
    if len(text) <= room:
        return text
    start = max(0, min(at - room // 3, len(text) - room))
    end = start + room
    if start:
        start += len(ellipsis)
        space = text.find(" ", start, min(at, start + 20) + 1)
        start = space + 1 if space >= 0 else start
    if end < len(text):
        end -= len(ellipsis)
        space = text.rfind(" ", max(at, end - 20), end + 1)
        end = space if space > start else end
    return f"{ellipsis if start else ''}{text[start:end]}{ellipsis if end < len(text) else ''}"


def verdict(parameters: Mapping[str, Any], number: Number = two_digits) -> str:
    """Return a sentence on the comparison with the untuned base in a ranking by sampling; empty if there is none."""
    fit = parameters.get("fit")
    if not fit:
        return ""
    if not fit["fits"]:
        return f"{fit['why']}. {fit.get('advice', ADVICE)}"
    if fit["base"] is None:
        return "Not compared with the untuned base, which is not on disk."
    interval = f"95% {number(fit['best_low'])} to {number(fit['best_high'])}"
    return (
        f"Against the same votes, {fit['best']} has F1 {number(fit['best_f1'])} ({interval}), and the untuned base "
        f"{fit['base']} {number(fit['base_f1'])}."
    )


def no_fit(parameters: Mapping[str, Any]) -> str:
    """Return the sentence of `verdict` if no expert fits, else an empty string."""
    return verdict(parameters) if not (parameters.get("fit") or {"fits": True})["fits"] else ""


def evidence_lines(parameters: Mapping[str, Any], number: Number = two_digits) -> list[str]:
    """Return the steps of the forward selection, one a line; empty if the user gave the number of experts."""
    evidence = parameters.get("evidence")
    if not evidence:
        return []
    lines = [f"{place}. {step['expert']}: {_step(step, number)}" for place, step in enumerate(evidence["steps"], 1)]
    return [*lines, f"Stopped: {evidence['stopped']}."]


def _step(step: Mapping[str, Any], number: Number) -> str:
    if step["gain"] is None:
        return f"the first, with F1 {number(step['f1'])} on one half of the sample"
    f1 = f"with it F1 {number(step['before'])} becomes {number(step['f1'])} on one half"
    gains = f"{step['gain']:+.3f} there, {step['checked']:+.3f} on the other half"
    return f"{f1}, {gains}: {'taken' if step['taken'] else 'not taken'}"
