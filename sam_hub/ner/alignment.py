"""Align the mentions of an answer with the sentence, to get entities with offsets.

Mentions are taken in the order of the answer. Each one is matched to its first occurrence, on word boundaries and in
the same case, at or after the end of the previous match. If there is none, it is matched to its first occurrence that
overlaps no earlier match, and counted as ``out_of_order``. Three kinds of mentions are dropped and counted:
``repeated`` ones occur only where earlier matches are, ``invented`` ones do not occur in the sentence, and
``unknown_label`` ones have a label outside of the label set.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sam_hub.ner.text import Entity, Sentence

MISALIGNED = ("out_of_order", "repeated", "invented", "unknown_label")


def align(
    sentence: Sentence, mentions: Iterable[tuple[str, str]], labels: Collection[str]
) -> tuple[tuple[Entity, ...], dict[str, int]]:
    """Align (label, mention) pairs with the sentence by the rule above.

    Returns:
        The entities, sorted and without overlaps, and the number of mentions of each problem.
    """
    taken: list[Entity] = []
    counts = dict.fromkeys(MISALIGNED, 0)
    cursor = 0
    for label, mention in mentions:
        if label not in labels:
            counts["unknown_label"] += 1
            continue
        places = _occurrences(sentence, mention)
        free = [p for p in places if all(p + len(mention) <= e.start or p >= e.end for e in taken)]
        if not free:
            counts["repeated" if places else "invented"] += 1
            continue
        ahead = next((place for place in free if place >= cursor), None)
        counts["out_of_order"] += ahead is None
        place = free[0] if ahead is None else ahead
        taken.append(sentence.entity(place, place + len(mention), label))
        cursor = max(cursor, place + len(mention))
    return tuple(sorted(taken)), counts


def _occurrences(sentence: Sentence, mention: str) -> list[int]:
    """The start offsets of the mention's occurrences on word boundaries."""
    starts, ends = {start for start, _ in sentence.words}, {end for _, end in sentence.words}
    at = sentence.text.find(mention) if mention else -1
    offsets = []
    while at >= 0:
        if at in starts and at + len(mention) in ends:
            offsets.append(at)
        at = sentence.text.find(mention, at + 1)
    return offsets
