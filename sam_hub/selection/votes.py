"""Votes on (span, type): what enough experts agree on takes the place of labels that nobody has.

An expert votes on a label only if it was trained on it. Votes are counted once (`VoteCounts`); to leave voters out, or
to look at some sentences alone, costs no second count, so that a ranking of fifty experts takes seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import fsum
from typing import Any

from sam_hub.errors import UsageError
from sam_hub.ner.text import Entity

LEAVE_SELF_OUT, PLAIN = "leave-self-out", "plain"
UNIFORM, BY_SIMILARITY = "uniform", "similarity"
# A half finds too few: what two of eight experts name is likelier right than wrong, and an expert that finds more than
# the others is marked down for it (the trials in docs/results).
THRESHOLD = 0.25
MINIMUM = 2
ROUNDING = 1e-9  # sums of weights, such as three tenths, miss a share by their last bit

Rows = Sequence[Sequence[Entity]]


@dataclass(frozen=True)
class Voting:
    """How votes become pseudo-labels, and whose votes an expert is scored against.

    ``threshold``: the share of those who know a label, by weight, that must agree on (span, label). ``minimum``: and
    at least so many of them, where there are so many. ``votes``: "leave-self-out" (of all others) or "plain" (of all,
    oneself too). ``weights``: "uniform", or "similarity": a vote weighs the cosine of the expert's descriptor to the
    target's, and nothing where that is not positive.
    """

    threshold: float = THRESHOLD
    minimum: int = MINIMUM
    votes: str = LEAVE_SELF_OUT
    seed: int = 0
    weights: str = UNIFORM

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise UsageError(
                f"A vote threshold of {self.threshold} makes no sense", "Give a share above 0, up to 1."
            )
        if self.votes not in (LEAVE_SELF_OUT, PLAIN):
            raise UsageError(f"There are no '{self.votes}' votes", f"Known: {LEAVE_SELF_OUT}, {PLAIN}.")
        if self.weights not in (UNIFORM, BY_SIMILARITY):
            raise UsageError(
                f"Votes can't be weighted by '{self.weights}'", f"Known: {UNIFORM}, {BY_SIMILARITY}."
            )

    @property
    def name(self) -> str:
        """All settings but the threshold in one spelling; probes are kept under it and the threshold."""
        weighted = "" if self.weights == UNIFORM else f", weighted by {self.weights}"
        minimum = "" if self.minimum == MINIMUM else f", at least {self.minimum}"
        return f"{self.votes}{weighted}{minimum}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the parameters of a ranking."""
        return asdict(self)


@dataclass(frozen=True)
class VoteCounts:
    """Who named what in each of N sentences.

    ``voters``: the labels on which each may vote. ``weights``: above 0, of each. ``named``: for each sentence, the
    voters who named an entity of a label that they know.
    """

    voters: Mapping[str, frozenset[str]]
    weights: Mapping[str, float]
    named: tuple[Mapping[Entity, frozenset[str]], ...]

    def votable(self, without: Collection[str]) -> frozenset[str]:
        """The labels on which someone else may vote."""
        return frozenset().union(*(labels for name, labels in self.voters.items() if name not in without))

    def agreed(
        self, voting: Voting, without: Collection[str] = (), among: Iterable[int] | None = None
    ) -> list[tuple[Entity, ...]]:
        """Entities on which enough voters agree, per sentence; of two that overlap, the one with more votes (by
        weight) stays, then the longer, then the earlier.

        Args:
            without: voters whose votes do not count.
            among: the places of the sentences; all, where not given.
        """
        left = [name for name in self.voters if name not in without]
        able = Counter(label for name in left for label in self.voters[name])
        equal = len({self.weights[name] for name in left}) <= 1

        def weight(names: Collection[str]) -> float:
            return len(names) if equal else fsum(self.weights[name] for name in names)

        whole = {label: weight([n for n in left if label in self.voters[n]]) for label in able}
        absent, found = frozenset(without), []
        for i in range(len(self.named)) if among is None else among:
            standing = []
            for entity, all_names in self.named[i].items():
                names = all_names - absent
                if len(names) < min(voting.minimum, able[entity.label]) or not names:
                    continue
                votes = weight(names)
                if votes / whole[entity.label] >= voting.threshold - ROUNDING:
                    standing.append((-votes, entity.start - entity.end, entity))
            found.append(_without_overlaps(entity for *_, entity in sorted(standing)))
        return found


def _without_overlaps(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    kept: list[Entity] = []
    for entity in entities:
        if all(entity.end <= k.start or entity.start >= k.end for k in kept):
            kept.append(entity)
    return tuple(sorted(kept))


def collect(
    predictions: Mapping[str, Rows],
    voters: Mapping[str, Collection[str]],
    weights: Mapping[str, float] | None = None,
) -> VoteCounts:
    """Count who named what.

    Args:
        predictions: the voters' predictions on N sentences; those of others are not looked at.
        voters: the labels on which each may vote.
        weights: of each voter; 1, where not given. A voter of no weight has no vote.
    """
    weights = {name: 1.0 if weights is None else weights.get(name, 0.0) for name in voters}
    weighty = {name: frozenset(labels) for name, labels in voters.items() if weights[name] > 0}
    length = len(next(iter(predictions.values()), ()))
    named: list[dict[Entity, set[str]]] = [{} for _ in range(length)]
    for name, labels in weighty.items():
        for names, row in zip(named, predictions[name], strict=True):
            for entity in row:
                if entity.label in labels:
                    names.setdefault(entity, set()).add(name)
    frozen = tuple({entity: frozenset(names) for entity, names in row.items()} for row in named)
    return VoteCounts(weighty, {name: weights[name] for name in weighty}, frozen)


def answer_together(predictions: Mapping[str, Rows], known: Mapping[str, Collection[str]]) -> Rows:
    """The answer of several experts as one: an entity stands if at least half of those who know its label name it.

    Their merge is expected to answer much like that, and this costs no pass. Of one expert it is its own answer.
    """
    return collect(predictions, known).agreed(Voting(0.5, minimum=1))
