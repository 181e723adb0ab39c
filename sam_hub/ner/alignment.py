"""Align the mentions of an answer with the sentence, to get entities with offsets.

Mentions are taken in the order of the answer. Each one is matched to its first occurrence, on word boundaries and in
the same case, at or after the end of the previous match. If there is none, it is matched to its first occurrence that
overlaps no earlier match, and counted as ``out_of_order``. Three kinds of mentions are dropped and counted:
``repeated`` ones occur only where earlier matches are, ``invented`` ones do not occur in the sentence, and
``unknown_label`` ones have a label outside of the label set.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sam_hub.ner.text import Entity, Sentence


@dataclass(frozen=True)
class Aligned:
    """Entities (sorted, without overlaps), and the number of mentions of each problem."""

    entities: tuple[Entity, ...]
    out_of_order: int = 0
    repeated: int = 0
    invented: int = 0
    unknown_label: int = 0


def align(sentence: Sentence, mentions: Iterable[tuple[str, str]], labels: Collection[str]) -> Aligned:
    """Align (label, mention) pairs with the sentence by the rule above."""
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
    """Return the start offsets of the mention's occurrences on word boundaries."""
    if not mention:
        return []
    starts = {start for start, _ in sentence.words}
    ends = {end for _, end in sentence.words}
    offsets, at = [], sentence.text.find(mention)
    while at >= 0:
        if at in starts and at + len(mention) in ends:
            offsets.append(at)
        at = sentence.text.find(mention, at + 1)
    return offsets


def _free(taken: Iterable[Entity], start: int, end: int) -> bool:
    return all(end <= e.start or start >= e.end for e in taken)
