"""A ranking of experts for a target, and the choice of the best k."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sam_hub.errors import InputError, UsageError


@dataclass(frozen=True)
class Ranked:
    """One expert's place: its score, the 95% interval (equal to the score where there is none), and why.

    ``knows``: the target's labels that it was trained on. Precision and recall belong to a sampling score.
    """

    expert: str
    score: float
    low: float
    high: float
    knows: tuple[str, ...]
    note: str = ""
    precision: float = 0.0
    recall: float = 0.0


@dataclass(frozen=True)
class Ranking:
    """Experts, the best first. ``method`` is "similarity" or "sampling"."""

    method: str
    rows: tuple[Ranked, ...]
    parameters: Mapping[str, Any]

    def top(self, k: int, *, allow_blind: bool = False) -> tuple[str, ...]:
        """The best k experts; one that knows none of the target's labels is passed over unless allowed.

        Raises:
            InputError: no expert is left.
            UsageError: k is not positive.
        """
        if k < 1:
            raise UsageError(f"{k} experts can't be chosen", "Give 1 or more.")
        fit = [row.expert for row in self.rows if allow_blind or row.knows]
        if not fit:
            raise InputError(
                "No expert knows any of the target's labels",
                "Add an expert that does (`sam-hub search --label …`), or call the labels as the experts do.",
            )
        return tuple(fit[:k])

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the catalog and JSON."""
        return {
            "method": self.method,
            "rows": [asdict(r) for r in self.rows],
            "parameters": dict(self.parameters),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Ranking:
        """Read plain values."""
        rows = tuple(Ranked(**{**row, "knows": tuple(row["knows"])}) for row in values["rows"])
        return cls(values["method"], rows, values["parameters"])


def known_labels(labels: Sequence[str], expert_labels: Collection[str] | None) -> tuple[str, ...]:
    """Which of the target's labels an expert was trained on; all, where its labels are not recorded."""
    return tuple(label for label in labels if not expert_labels or label in expert_labels)


def uncovered(labels: Sequence[str], experts: Mapping[str, Collection[str] | None]) -> tuple[str, ...]:
    """The target's labels that no expert knows."""
    return tuple(x for x in labels if not any(known_labels([x], known) for known in experts.values()))
