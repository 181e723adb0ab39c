"""A ranking of experts for a target that explains itself, and the choice of the best k."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sam_hub.errors import InputError, UsageError
from sam_hub.ner.text import Entity

UNINFORMED = "covers none of the labels"
OTHER_BASE = "of another base"
FAILED = "could not be asked"


@dataclass(frozen=True)
class Disagreement:
    """A sentence on which an expert and the votes differ: what it alone says, and what the votes alone say."""

    text: str
    says: tuple[Entity, ...]
    others: tuple[Entity, ...]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Disagreement:
        """Read plain values."""
        says, others = (tuple(Entity(**entity) for entity in values[side]) for side in ("says", "others"))
        return cls(values["text"], says, others)


@dataclass(frozen=True)
class DomainSimilarity:
    """How near an expert's text lies to the target's: the cosine of their descriptors, -1 to 1.

    ``rank``: its place by cosine among those that were compared, from 1 on. ``origin``: what its descriptor was made
    from, "repo", "dataset", "corpus" or "card" (weak: a card is about a model, not text of its domain).
    """

    cosine: float
    rank: int
    origin: str = ""


@dataclass(frozen=True)
class Ranked:
    """One expert's place: its score, the 95% interval (equal to the score where there is none), and why.

    ``score`` is None where there is nothing to rank it by. ``knows``: the target's labels that it was trained on.
    Precision and recall belong to a sampling score. An expert that could not be asked has none, and the reason in its
    note. ``unfit``: why it can't be chosen, other than that it knows no
    label. ``base``: what it was tuned from, as an id. ``near``: None where it has no descriptor to compare.
    ``agreement``: mean strict F1 with each other expert, on the labels that both know. Rows of older catalogs lack
    what follows ``recall``.
    """

    expert: str
    score: float | None
    low: float | None
    high: float | None
    knows: tuple[str, ...]
    note: str = ""
    precision: float = 0.0
    recall: float = 0.0
    misses: tuple[str, ...] = ()
    unfit: str = ""
    base: str = ""
    domain: str = ""
    near: DomainSimilarity | None = None
    agreement: float | None = None
    disagreements: tuple[Disagreement, ...] = ()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Ranked:
        """Read plain values."""
        lists = {name: tuple(values[name]) for name in ("knows", "misses") if name in values}
        near = DomainSimilarity(**values["near"]) if values.get("near") else None
        differ = tuple(Disagreement.from_dict(each) for each in values.get("disagreements", ()))
        return cls(**{**values, **lists, "near": near, "disagreements": differ})


@dataclass(frozen=True)
class Ranking:
    """Experts, the best first. ``method`` is "similarity" or "sampling"."""

    method: str
    rows: tuple[Ranked, ...]
    parameters: Mapping[str, Any]

    def fit(self, *, allow_blind: bool = False) -> tuple[str, ...]:
        """The experts that can be chosen, the best first.

        A merge needs one base, so they are those of the first one's base. One that knows none of the target's labels
        is passed over unless allowed.
        """
        fit = [row for row in self.rows if not row.unfit and (allow_blind or row.knows)]
        return tuple(row.expert for row in fit if row.base == fit[0].base)

    def top(self, k: int, *, allow_blind: bool = False) -> tuple[str, ...]:
        """The best k of the experts that are fit.

        Raises:
            InputError: no expert is left.
            UsageError: k is not positive.
        """
        if k < 1:
            raise UsageError(f"{k} experts can't be chosen", "Give 1 or more.")
        if fit := self.fit(allow_blind=allow_blind):
            return fit[:k]
        if reasons := [row for row in self.rows if row.unfit]:
            raise InputError(
                f"No expert can be chosen by {self.method}: {reasons[0].expert}: {reasons[0].unfit}",
                "Add other experts (`sam-hub search`), or choose by hand (`sam-hub choose`).",
            )
        raise InputError(
            "No expert covers any of the target's labels",
            "Add an expert that does (`sam-hub search --label …`), or call the labels as the experts do.",
        )

    def explained(
        self, bases: Mapping[str, str], domains: Mapping[str, str], near: Mapping[str, DomainSimilarity]
    ) -> Ranking:
        """The same ranking, its rows with base, domain and nearness; those of another base than the first fit expert's
        are noted."""
        rows = tuple(
            replace(
                row,
                base=bases.get(row.expert, ""),
                domain=domains.get(row.expert, ""),
                near=near.get(row.expert),
            )
            for row in self.rows
        )
        first = next((row.base for row in rows if row.knows and not row.unfit), "")
        rows = tuple(row if row.base == first else noted(row, OTHER_BASE) for row in rows)
        return replace(self, rows=rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the catalog and JSON."""
        return {
            "method": self.method,
            "rows": [asdict(r) for r in self.rows],
            "parameters": dict(self.parameters),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Ranking:
        """Read plain values, also of a ranking that an earlier version made."""
        rows = tuple(Ranked.from_dict(row) for row in values["rows"])
        return cls(values["method"], rows, values["parameters"])


def noted(row: Ranked, note: str) -> Ranked:
    """The row with one more note."""
    return replace(row, note="; ".join(filter(None, (row.note, note))))


def failures_in_words(failed: Mapping[str, Any]) -> str:
    """Who could not be asked, and why, in a line; of many, the first five."""
    told = [f"{name} {FAILED}: {getattr(why, 'title', why)}" for name, why in list(failed.items())[:5]]
    return "; ".join([*told, *([f"and {len(failed) - 5} more"] if len(failed) > 5 else [])])


def known_labels(labels: Sequence[str], expert_labels: Collection[str] | None) -> tuple[str, ...]:
    """Which of the target's labels an expert was trained on; all, where its labels are not recorded."""
    return tuple(label for label in labels if not expert_labels or label in expert_labels)


def missed_labels(labels: Sequence[str], knows: Collection[str]) -> tuple[str, ...]:
    """Which of the target's labels are not among those an expert knows."""
    return tuple(label for label in labels if label not in knows)


def uncovered(labels: Sequence[str], experts: Mapping[str, Collection[str] | None]) -> tuple[str, ...]:
    """The target's labels that no expert knows."""
    return tuple(x for x in labels if not any(known_labels([x], known) for known in experts.values()))


def side_by_side(chosen: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """Who is chosen in both rankings, and who in one alone: "both", "similarity_only", "sampling_only".

    Args:
        chosen: the chosen experts by method; of a ranking that was not made nothing is known, and nothing is in both.
    """
    near, voted = (list(chosen.get(method, ())) for method in ("similarity", "sampling"))
    return {
        "both": sorted(set(near) & set(voted)),
        "similarity_only": [name for name in near if name not in voted],
        "sampling_only": [name for name in voted if name not in near],
    }
