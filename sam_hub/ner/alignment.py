"""From an answer's mentions to entities with offsets.

The rule: mentions are taken in the answer's order. Each is matched to its first occurrence, on word
boundaries and in the same case, at or after the end of the mention before it; where there is none, to
its first occurrence that overlaps nothing matched yet (``out_of_order``). A mention that occurs in the
sentence, but whose every occurrence is taken, is ``repeated``; one that does not occur is ``invented``;
one whose label is not of the label set is ``unknown_label``. These three are dropped, and counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sam_hub.ner.text import Entity, Sentence


@dataclass(frozen=True)
class Aligned:
    """Entities (sorted, not overlapping) and the counts of what did not fit."""

    entities: tuple[Entity, ...]
    out_of_order: int = 0
    repeated: int = 0
    invented: int = 0
    unknown_label: int = 0


def align(sentence: Sentence, mentions: Iterable[tuple[str, str]], labels: Collection[str]) -> Aligned:
    """Place (label, mention) pairs in the sentence by the rule above."""
    taken: list[Entity] = []
    cursor = out_of_order = repeated = invented = unknown = 0
    for label, mention in mentions:
        if label not in labels:
            unknown += 1
            continue
        places = occurrences(sentence, mention)
        ahead = next((p for p in places if p >= cursor and _free(taken, p, p + len(mention))), None)
        place = ahead
        if place is None:
            place = next((p for p in places if _free(taken, p, p + len(mention))), None)
        if place is None:
            repeated += bool(places)
            invented += not places
            continue
        out_of_order += ahead is None
        taken.append(sentence.entity(place, place + len(mention), label))
        cursor = max(cursor, place + len(mention))
    return Aligned(tuple(sorted(taken)), out_of_order, repeated, invented, unknown)


def occurrences(sentence: Sentence, mention: str) -> list[int]:
    """Start offsets at which the mention stands on word boundaries."""
    if not mention:
        return []
    starts = {start for start, _ in sentence.words}
    ends = {end for _, end in sentence.words}
    found, at = [], sentence.text.find(mention)
    while at >= 0:
        if at in starts and at + len(mention) in ends:
            found.append(at)
        at = sentence.text.find(mention, at + 1)
    return found


def _free(taken: Iterable[Entity], start: int, end: int) -> bool:
    return all(end <= e.start or start >= e.end for e in taken)
