"""Where experts agree with each other, and where one of them disagrees with the votes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

from sam_hub.ner.text import Entity, Sentence
from sam_hub.selection.ranking import Disagreement
from sam_hub.selection.votes import Rows, Votes

SENTENCES = 3  # shown of those on which an expert disagrees with the votes


def pairwise_f1(votes: Votes) -> dict[str, dict[str, float]]:
    """Strict micro F1 of each two experts on the labels that both know: the same both ways.

    A pair that shares no label, or of whom neither names anything, is left out, as are experts whose answers could
    not be read: there is nothing on which to agree.
    """
    said: dict[str, dict[str, set[tuple[int, Entity]]]] = {}
    for name, covers in votes.covered.items():
        by_label = defaultdict(set)
        for i, row in enumerate(votes.predictions[name]):
            for entity in row:
                by_label[entity.label].add((i, entity))
        if name not in votes.unreadable:
            said[name] = {label: by_label[label] for label in covers}
    found: dict[str, dict[str, float]] = {name: {} for name in said}
    for one, other in combinations(said, 2):
        shared = [(said[one][label], said[other][label]) for label in said[one] if label in said[other]]
        if total := sum(len(a) + len(b) for a, b in shared):
            f1 = 2 * sum(len(a & b) for a, b in shared) / total
            found[one][other] = found[other][one] = f1
    return found


def disagreements(sentences: Sequence[Sentence], said: Rows, votes: Rows) -> tuple[Disagreement, ...]:
    """Up to three sentences on which an answer and the votes differ most, the worst first.

    Differences are the entities that one side alone has. Of equals the shorter sentence is given: it is read sooner.
    """
    differ = []
    for sentence, answer, voted in zip(sentences, said, votes, strict=True):
        alone, others = set(answer) - set(voted), set(voted) - set(answer)
        if alone or others:
            differ.append(Disagreement(sentence.text, tuple(sorted(alone)), tuple(sorted(others))))
    differ.sort(key=lambda d: (-len(d.says) - len(d.others), len(d.text), d.text))
    return tuple(differ[:SENTENCES])
