"""What each expert contributes to a merge, as scores of the merges without it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Contribution:
    """Strict F1 of the merge without one expert, or of the whole merge, which comes first and has no changes.

    Attributes:
        agreement: with the votes.
        change: of the agreement, compared to the whole merge; above 0, the merge is better without the expert.
        f1: on the target's labeled sentences; None if there are none.
        f1_change: of the F1, compared to the whole merge.
    """

    without: str
    agreement: float
    change: float | None
    f1: float | None
    f1_change: float | None


@dataclass(frozen=True)
class Contributions:
    """The rows, the whole merge first, and the votes: who voted, on how many sentences, for how many entities."""

    rows: tuple[Contribution, ...]
    voters: tuple[str, ...]
    pseudo_entities: int
    sentences: int

    def lines(self, name: str) -> list[str]:
        """Return a table of the contributions to the merge ``name``."""
        labelled = ", and against the labels" if self.rows[0].f1 is not None else ""
        lines = [
            f"What each expert adds to the merge {name}: strict F1 against {self.pseudo_entities} entities on which "
            f"{len(self.voters)} experts agree ({self.sentences} sentences){labelled}",
            f"{'without':32} {'votes':>7} {'change':>7} {'labels':>7} {'change':>7}",
        ]
        for row in self.rows:
            first = "(nothing)" if row.change is None else row.without
            cells = (row.agreement, row.change, row.f1, row.f1_change)
            shown = ["" if v is None else f"{v:+.3f}" if n % 2 else f"{v:.3f}" for n, v in enumerate(cells)]
            lines.append(f"{first:32} " + " ".join(f"{cell:>7}" for cell in shown))
        return lines
