"""Explain rankings in words, for the command line and the UI, from plain values as `shown` returns them.

Rows of older catalogs lack some values, and facts on missing values are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

METHODS = ("similarity", "sampling")
ORIGINS = {
    "repo": "from the descriptor in its repository",
    "dataset": "from the data set named in its card",
    "corpus": "from the text given for it",
    "card": "from its card only, which is weak: it describes the model and is not text of its domain",
}
ADVICE = "A merge is not advised: look for experts that are nearer to the target (`sam-hub search`)."

MENTIONS = 4  # named for a sentence; more are counted

Facts = list[tuple[str, str]]
Number = Callable[[float | None], str]


def two_digits(value: float | None) -> str:
    """Return a score with two digits, for sentences."""
    return "–" if value is None else f"{value:.2f}"


def shown(
    rows: Sequence[Mapping[str, Any]],
    parameters: Mapping[str, Any],
    chosen: Collection[str],
    k: int,
    by_hand: bool = False,
) -> dict[str, Any]:
    """Return a ranking for display: "rows" with "chosen" added, "parameters", "k" and "by_hand"."""
    marked = [{**row, "chosen": row["expert"] in chosen} for row in rows]
    return {"rows": marked, "parameters": dict(parameters), "k": k, "by_hand": by_hand}


def reasons(
    expert: str,
    rankings: Mapping[str, Any],
    labels: Sequence[str],
    *,
    room: int = 88,
    number: Number = two_digits,
    ellipsis: str = "…",
) -> Facts:
    """Return why an expert has its rank in both rankings: facts with a short head, empty for further lines of a fact.

    Args:
        rankings: by method, as `shown` returns them, or None.
        labels: of the target.
        room: characters of a line, to which sentences are cut.
    """
    places = {}
    for method in METHODS:
        rows = rankings[method]["rows"] if rankings.get(method) else []
        at = next((i for i, row in enumerate(rows) if row["expert"] == expert), None)
        if at is not None:
            places[method] = (f"rank {at + 1} of {len(rows)}", rows[at])
    facts: Facts = []
    if "similarity" in places:
        facts += _by_similarity(*places["similarity"], rankings["similarity"], number)
    elif "sampling" in places:
        facts += _nearness(places["sampling"][1], rankings["sampling"], number)
    if "sampling" in places:
        facts += _by_votes(*places["sampling"], rankings["sampling"], number)
    rows = [row for _, row in places.values()]
    notes = dict.fromkeys(note for row in rows for note in row["note"].split("; ") if note)
    facts += [("note", note) for note in notes]
    if rows:
        covers = rows[-1]["covers"]
        missing = [label for label in labels if label not in covers]
        facts += [("covers", ", ".join(covers))] if covers else []
        facts += [("missing", ", ".join(missing))] if missing else []
    if "sampling" in places:
        facts += _differences(places["sampling"][1], room, ellipsis)
    return facts


def _by_similarity(place: str, row: Mapping[str, Any], ranking: Mapping[str, Any], number: Number) -> Facts:
    chosen = _chosen(row, ranking)
    if row["score"] is None:
        return [("text", f"not compared with the target's text, {chosen}")]
    facts = [("text", f"{number(row['score'])} cosine to the target's text, {place}, {chosen}")]
    embedder = ranking["parameters"].get("embedder")
    origin = _origin(row)
    by = f"by {embedder}" if embedder else ""
    return facts + [("", line) for line in ("; ".join(filter(None, (origin, by))),) if line]


def _nearness(row: Mapping[str, Any], ranking: Mapping[str, Any], number: Number) -> Facts:
    """Return the facts on the rank by similarity for an expert that is ranked only by votes."""
    near = row.get("near")
    if not near:
        return [("text", f"no descriptor to compare{_of_domain(row)}")] if "near" in row else []
    compared = sum(bool(other.get("near")) for other in ranking["rows"])
    place = f"rank {near['rank']} of {compared} by similarity"
    facts = [("text", f"{number(near['cosine'])} cosine to the target's text, {place}")]
    return facts + [("", line) for line in (_origin(row),) if line]


def _origin(row: Mapping[str, Any]) -> str:
    near = row.get("near") or {}
    source = ORIGINS.get(near.get("origin", ""), "")
    parts = (f"domain {row['domain']}" if row.get("domain") else "", f"described {source}" if source else "")
    return ", ".join(filter(None, parts))


def _of_domain(row: Mapping[str, Any]) -> str:
    return f" (domain {row['domain']})" if row.get("domain") else ""


def _by_votes(place: str, row: Mapping[str, Any], ranking: Mapping[str, Any], number: Number) -> Facts:
    parameters = ranking["parameters"]
    if row["score"] is None:
        return [("votes", f"none, {place}, not chosen: it could not be asked")]
    pseudo_entities = (parameters.get("pseudo_entities") or {}).get(row["expert"])
    weighted = f", weighted by {parameters['weights']}" if parameters.get("weights", "uniform") != "uniform" else ""
    facts = [
        ("votes", f"F1 {number(row['score'])}, {place}, {_chosen(row, ranking)}"),
        ("", f"95% {number(row['low'])} to {number(row['high'])}"),
        (
            "",
            f"precision {number(row['precision'])}, recall {number(row['recall'])}, against "
            f"{'the' if pseudo_entities is None else pseudo_entities} voted entities",
        ),
        (
            "",
            f"on {parameters.get('sentences')} sentences; {parameters.get('votes')} votes{weighted}, "
            f"{parameters.get('threshold')} of the voters must agree",
        ),
    ]
    if row.get("agreement") is not None:
        facts.append(("agrees", f"F1 {number(row['agreement'])} with the other experts, on average"))
    steps = (parameters.get("evidence") or {}).get("steps", ())
    return facts + [("adds", _step(step, number)) for step in steps if step["expert"] == row["expert"]]


def _chosen(row: Mapping[str, Any], ranking: Mapping[str, Any]) -> str:
    if not row["chosen"]:
        return "not chosen"
    if ranking["by_hand"]:
        return "chosen by hand"
    if "evidence" in ranking["parameters"]:
        return f"chosen by evidence (k is {ranking['k']})"
    return f"chosen (k is {ranking['k']})"


def _differences(row: Mapping[str, Any], room: int, ellipsis: str) -> Facts:
    facts: Facts = []
    for difference in row.get("disagreements") or ():
        first = min(entity["start"] for entity in (*difference["says"], *difference["others"]))
        facts.append(("differs", f'"{excerpt(difference["text"], first, room - 2, ellipsis)}"'))
        facts += [
            ("", f"{who}: {_mentions(entities, ellipsis)}")
            for who, entities in (("expert only", difference["says"]), ("votes only", difference["others"]))
            if entities
        ]
    return facts


def _mentions(entities: Sequence[Mapping[str, Any]], ellipsis: str) -> str:
    named = [f"{excerpt(each['text'], 0, 60, ellipsis)} [{each['label']}]" for each in entities[:MENTIONS]]
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
        return f"{fit['why']}. {ADVICE}"
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
