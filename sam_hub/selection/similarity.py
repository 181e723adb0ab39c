"""Selection by domain similarity: the cosine of the expert's descriptor and the target's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sam_hub.inference.embedding import Descriptor, cosine
from sam_hub.selection.ranking import Ranked, Ranking, known_labels


def rank_by_similarity(
    target: Descriptor,
    experts: Mapping[str, Descriptor],
    labels: Sequence[str],
    expert_labels: Mapping[str, Collection[str] | None],
) -> Ranking:
    """Rank experts by the cosine of their training text's descriptor to the target's.

    Raises:
        InputError: a descriptor is of another embedder than the target's.
    """
    rows = []
    for name, descriptor in experts.items():
        near, knows = cosine(target, descriptor), known_labels(labels, expert_labels.get(name))
        rows.append(Ranked(name, near, near, near, knows, "" if knows else "knows none of the labels"))
    rows.sort(key=lambda row: (-row.score, row.expert))
    return Ranking("similarity", tuple(rows), {"embedder": target.embedder, "revision": target.revision})
