"""Selection by domain similarity: the cosine between the descriptors of expert and target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sam_hub.catalog.descriptor_sources import CARD
from sam_hub.errors import InputError
from sam_hub.inference.embedding import Descriptor
from sam_hub.selection.ranking import UNINFORMED, DomainSimilarity, Ranked, Ranking, missing_labels

WEAK = "weak: described by its card alone"


def domain_similarities(
    cosines: Mapping[str, float], origins: Mapping[str, str] | None = None
) -> dict[str, DomainSimilarity]:
    """Return the similarity of each expert to the target, best first; ties are sorted by name.

    Args:
        cosines: between the descriptors of each expert and the target.
        origins: the source of each descriptor, if known.
    """
    ordered = sorted(cosines, key=lambda name: (-cosines[name], name))
    return {
        name: DomainSimilarity(cosines[name], rank, (origins or {}).get(name, ""))
        for rank, name in enumerate(ordered, 1)
    }


def rank_by_similarity(
    target: Descriptor,
    near: Mapping[str, DomainSimilarity],
    labels: Sequence[str],
    covered: Mapping[str, tuple[str, ...]],
) -> Ranking:
    """Rank experts by the cosine between the descriptors of their training text and the target.

    Args:
        near: the experts that have a descriptor to compare (see `domain_similarities`).
        covered: the labels that each expert covers. Experts not in ``near`` come last and can't be chosen.

    Raises:
        InputError: no expert has a descriptor.
    """
    if not near:
        raise InputError(
            f"No expert has a descriptor by {target.embedder} at {target.revision}",
            "Run `sam-hub describe EXPERT --corpus FILE` with text of its domain, or rank by votes alone "
            "(--by sampling).",
        )
    rows = []
    for name in [*near, *sorted(set(covered) - set(near))]:
        covers = covered[name]
        score = near[name].cosine if name in near else None
        unfit = "" if name in near else f"no descriptor: run `sam-hub describe {name}`"
        weak = WEAK if name in near and near[name].origin == CARD else ""
        note = "; ".join(filter(None, ("" if covers else UNINFORMED, unfit, weak)))
        missing = missing_labels(labels, covers)
        rows.append(Ranked(name, score, score, score, covers, note, missing=missing, unfit=unfit, near=near.get(name)))
    return Ranking("similarity", tuple(rows), {"embedder": target.embedder, "revision": target.revision})
