"""Rankings of experts for a target, with reasons, and the choice of the best k."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sam_hub.errors import InputError, UsageError
from sam_hub.ner.text import Entity
from sam_hub.selection.label_matching import LabelMatch

UNINFORMED = "covers none of the labels"
OTHER_BASE = "of another base"
FAILED = "failed to predict"


@dataclass(frozen=True)
class Disagreement:
    """A sentence on which an expert and the votes differ: the entities of the expert alone, and of the votes alone."""

    text: str
    says: tuple[Entity, ...]
    others: tuple[Entity, ...]


@dataclass(frozen=True)
class DomainSimilarity:
    """How similar an expert's text is to the target's.

    Attributes:
        cosine: between the descriptors, -1 to 1.
        rank: by cosine among the compared experts, from 1.
        origin: the source of the expert's descriptor: "repo", "dataset", "corpus", or "card". A card is a weak source,
            because it describes the model instead of containing text of its domain.
    """

    cosine: float
    rank: int
    origin: str = ""


@dataclass(frozen=True)
class Ranked:
    """One expert's row in a ranking: its score, and why it stands there.

    Attributes:
        score: None where there is nothing to rank the expert by.
        low: lower end of the 95% interval; equal to the score where there is no interval.
        high: its upper end.
        covers: the target's labels that the expert was trained on, by these or other names.
        precision: against the votes, like ``recall``; 0 in a ranking by similarity.
        missing: the target's labels that it was not trained on.
        unfit: why the expert can't be chosen, other than covering no label; empty if it can.
        base: the model it was tuned from, as an ID.
        near: None if there is no descriptor to compare.
        soft: the covered labels that the expert knows by other names.
        agreement: mean strict F1 with each other expert, on the labels that both cover.
    """

    expert: str
    score: float | None
    low: float | None
    high: float | None
    covers: tuple[str, ...]
    note: str = ""
    precision: float = 0.0
    recall: float = 0.0
    missing: tuple[str, ...] = ()
    unfit: str = ""
    base: str = ""
    domain: str = ""
    near: DomainSimilarity | None = None
    agreement: float | None = None
    disagreements: tuple[Disagreement, ...] = ()
    soft: tuple[LabelMatch, ...] = ()

    @property
    def covers_in_words(self) -> tuple[str, ...]:
        """The covered labels, with the expert's own names where they are others."""
        words = {match.label: str(match) for match in self.soft}
        return tuple(words.get(label, label) for label in self.covers)


def uninformed_row(expert: str, labels: Sequence[str]) -> Ranked:
    """Return the row of an expert that covers none of the labels, and was not asked."""
    return Ranked(expert, None, None, None, (), UNINFORMED, missing=tuple(labels))


@dataclass(frozen=True)
class Ranking:
    """Experts, best first. ``method`` is "similarity" or "sampling"."""

    method: str
    rows: tuple[Ranked, ...]
    parameters: Mapping[str, Any]

    def fit(self, *, allow_uninformed: bool = False) -> tuple[str, ...]:
        """Return the experts that can be chosen, best first.

        A merge needs one base, so all of them share the first one's base. Experts that cover none of the target's
        labels are skipped unless ``allow_uninformed``.
        """
        fit = [row for row in self.rows if not row.unfit and (allow_uninformed or row.covers)]
        return tuple(row.expert for row in fit if row.base == fit[0].base)

    def top(self, k: int, *, allow_uninformed: bool = False) -> tuple[str, ...]:
        """Return the best k of the experts that can be chosen; none if no expert covers any of the labels.

        Raises:
            InputError: no expert is left, for other reasons.
            UsageError: k is not positive.
        """
        if k < 1:
            raise UsageError(f"{k} experts can't be chosen", "Give 1 or more.")
        if fit := self.fit(allow_uninformed=allow_uninformed):
            return fit[:k]
        if reasons := [row for row in self.rows if row.unfit]:
            raise InputError(
                f"No expert can be chosen by {self.method}: {reasons[0].expert}: {reasons[0].unfit}",
                "Add other experts (`sam-hub search`), or choose by hand (`sam-hub choose`).",
            )
        return ()

    def explained(
        self,
        bases: Mapping[str, str],
        domains: Mapping[str, str],
        near: Mapping[str, DomainSimilarity],
        soft: Mapping[str, tuple[LabelMatch, ...]],
    ) -> Ranking:
        """Return the ranking with the base, domain, similarity and soft matches of labels of each row.

        Rows of another base than the first expert that can be chosen get a note.
        """
        rows = tuple(
            replace(
                row,
                base=bases.get(row.expert, ""),
                domain=domains.get(row.expert, ""),
                near=near.get(row.expert),
                soft=soft.get(row.expert, ()),
            )
            for row in self.rows
        )
        first = next((row.base for row in rows if row.covers and not row.unfit), "")
        rows = tuple(row if row.base == first else noted(row, OTHER_BASE) for row in rows)
        return replace(self, rows=rows)

    @classmethod
    def read(cls, method: str, rows: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]) -> Ranking:
        """Return a ranking from the plain values that the catalog holds; what its rows lack has its default."""
        from pydantic import TypeAdapter

        return cls(method, TypeAdapter(tuple[Ranked, ...]).validate_python(rows), parameters)


def noted(row: Ranked, note: str) -> Ranked:
    """Return the row with one more note."""
    return replace(row, note="; ".join(filter(None, (row.note, note))))


def missing_labels(labels: Sequence[str], covered: Collection[str]) -> tuple[str, ...]:
    """Return the target's labels that are not covered."""
    return tuple(label for label in labels if label not in covered)


@dataclass(frozen=True)
class RankingChoice:
    """A ranking, and the experts (repositories) chosen from it: the best ``k``, or those a person chose by hand."""

    ranking: Ranking
    chosen: tuple[str, ...]
    k: int
    by_hand: bool = False
    created_at: str = ""


@dataclass(frozen=True)
class SideBySide:
    """The experts that both rankings chose, and those that one alone chose."""

    both: tuple[str, ...] = ()
    similarity_only: tuple[str, ...] = ()
    sampling_only: tuple[str, ...] = ()

    @classmethod
    def of(cls, rankings: Mapping[str, RankingChoice]) -> SideBySide:
        """Compare the choices of rankings, by method."""
        near, voted = (rankings[m].chosen if m in rankings else () for m in ("similarity", "sampling"))
        return cls(
            tuple(sorted(set(near) & set(voted))),
            tuple(repo for repo in near if repo not in voted),
            tuple(repo for repo in voted if repo not in near),
        )
