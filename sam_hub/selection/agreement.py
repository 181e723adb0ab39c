"""Agreement between experts, and sentences on which an expert disagrees with the votes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from sam_hub.ner.text import Entity, Sentence
from sam_hub.selection.ranking import Disagreement

if TYPE_CHECKING:
    from sam_hub.selection.votes import Rows

SENTENCES = 3  # shown of an expert's disagreements with the votes


def pairwise_f1(predictions: Mapping[str, Rows], covered: Mapping[str, Collection[str]]) -> dict[str, dict[str, float]]:
    """Return strict micro F1 between each two experts on the labels that both cover; it is symmetric.

    Pairs without a common label or without any entity are left out.
    """
    by_expert: dict[str, dict[str, set[tuple[int, Entity]]]] = {}
    for name, rows in predictions.items():
        by_label = defaultdict(set)
        for i, row in enumerate(rows):
            for entity in row:
                by_label[entity.label].add((i, entity))
        by_expert[name] = {label: by_label[label] for label in covered[name]}
    agreement: dict[str, dict[str, float]] = {name: {} for name in by_expert}
    for one, other in combinations(by_expert, 2):
        first, second = by_expert[one], by_expert[other]
        shared = [(first[label], second[label]) for label in first if label in second]
        if total := sum(len(a) + len(b) for a, b in shared):
            f1 = 2 * sum(len(a & b) for a, b in shared) / total
            agreement[one][other] = agreement[other][one] = f1
    return agreement


def disagreements(sentences: Sequence[Sentence], prediction: Rows, votes: Rows) -> tuple[Disagreement, ...]:
    """Return up to three sentences on which a prediction and the votes differ most, worst first.

    A difference is an entity that only one side has. Of sentences with as many, the shorter comes first.
    """
    rows = []
    for sentence, answer, voted in zip(sentences, prediction, votes, strict=True):
        alone, others = set(answer) - set(voted), set(voted) - set(answer)
        if alone or others:
            rows.append(Disagreement(sentence.text, tuple(sorted(alone)), tuple(sorted(others))))
    rows.sort(key=lambda d: (-len(d.says) - len(d.others), len(d.text), d.text))
    return tuple(rows[:SENTENCES])
