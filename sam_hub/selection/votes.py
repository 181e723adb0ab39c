"""Votes on (span, label): entities on which enough experts agree serve as pseudo-labels.

An expert votes on a label only if it was trained on it. `VoteCounts` counts the votes once. To leave voters out or to
select sentences needs no second count, so a ranking of fifty experts takes seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum

from sam_hub.errors import InputError, UsageError
from sam_hub.ner.text import Entity, Sentence
from sam_hub.selection.agreement import pairwise_f1

LEAVE_SELF_OUT, PLAIN = "leave-self-out", "plain"
UNIFORM, BY_SIMILARITY, BY_AGREEMENT = WEIGHTS = ("uniform", "similarity", "agreement")
# A threshold of a half finds too few entities: what two of eight experts name is more often right than wrong, and an
# expert that finds more than the others would lose score for it (see the trials in docs/results).
THRESHOLD = 0.25
MINIMUM = 2
MIN_VOTERS = 2  # a single expert has nobody to agree with
ROUNDING = 1e-9  # a sum of weights, such as 0.1 + 0.1 + 0.1, can differ from the exact share in its last bit

Rows = Sequence[Sequence[Entity]]


class TooFewVoters(InputError):
    """Fewer than two experts have a vote."""


@dataclass(frozen=True)
class VoteOptions:
    """How votes become pseudo-labels, and whose votes an expert is scored against.

    Attributes:
        threshold: the share, by weight, of the experts covering a label that must agree on (span, label).
        minimum: the number of experts that must agree, unless fewer cover the label.
        votes: "leave-self-out" scores an expert against the votes of all others, "plain" against those of all.
        seed: of the sample and of the bootstrap.
        weights: "uniform", or "similarity": a vote weighs the cosine between the descriptors of the expert and the
            target. A cosine of 0 or less means no vote. Or "agreement": a vote weighs the voter's mean strict F1 with
            the other voters (see `VoteCounts.weights_without`).
    """

    threshold: float = THRESHOLD
    minimum: int = MINIMUM
    votes: str = LEAVE_SELF_OUT
    seed: int = 0
    weights: str = UNIFORM

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise UsageError(f"The vote threshold can't be {self.threshold}", "Use a number above 0, up to 1.")
        if self.votes not in (LEAVE_SELF_OUT, PLAIN):
            raise UsageError(f"Unknown votes '{self.votes}'", f"Known: {LEAVE_SELF_OUT}, {PLAIN}.")
        if self.weights not in WEIGHTS:
            raise UsageError(f"Votes can't be weighted by '{self.weights}'", f"Known: {', '.join(WEIGHTS)}.")


@dataclass(frozen=True)
class VoteCounts:
    """The votes on each of N sentences.

    Attributes:
        voters: the labels on which each voter may vote.
        weights: of each voter, above 0.
        named: for each sentence, its entities and the voters that named them.
        agreement: strict F1 between each two voters, if votes are weighted by it instead.
    """

    voters: Mapping[str, frozenset[str]]
    weights: Mapping[str, float]
    named: tuple[Mapping[Entity, frozenset[str]], ...]
    agreement: Mapping[str, Mapping[str, float]] | None = None

    def weights_without(self, without: Collection[str]) -> dict[str, float]:
        """Return the weights of the voters other than ``without``.

        By agreement, a weight is the mean strict F1 with the other voters. Agreement with those left out does not
        count, or an expert would choose its own judges. A voter that shares no label with another has the mean weight.
        """
        names = [name for name in self.voters if name not in without]
        if self.agreement is None:
            return {name: self.weights[name] for name in names}
        pairs = {name: [self.agreement[name][n] for n in names if n in self.agreement[name]] for name in names}
        means = {name: fsum(values) / len(values) for name, values in pairs.items() if values}
        middle = fsum(means.values()) / len(means) if means else 1.0
        return {name: weight for name in names if (weight := means.get(name, middle)) > 0}

    def votable(self, without: Collection[str]) -> frozenset[str]:
        """Return the labels on which a voter other than ``without`` may vote."""
        return frozenset().union(*(self.voters[name] for name in self.weights_without(without)))

    def agreed(
        self, voting: VoteOptions, without: Collection[str] = (), among: Iterable[int] | None = None
    ) -> list[tuple[Entity, ...]]:
        """Return the entities on which enough voters agree, one tuple a sentence.

        Of two entities that overlap, the one with more votes by weight stays, then the longer, then the earlier.

        Args:
            without: voters whose votes do not count.
            among: indices of the sentences; all by default.
        """
        weights = self.weights_without(without)
        voter_counts = Counter(label for name in weights for label in self.voters[name])
        equal = len(set(weights.values())) <= 1

        def weight(names: Collection[str]) -> float:
            return len(names) if equal else fsum(weights[name] for name in names)

        totals = {label: weight([n for n in weights if label in self.voters[n]]) for label in voter_counts}
        ignored, agreed = self.voters.keys() - weights.keys(), []
        for i in range(len(self.named)) if among is None else among:
            candidates = []
            for entity, all_names in self.named[i].items():
                names = all_names - ignored
                if len(names) < min(voting.minimum, voter_counts[entity.label]) or not names:
                    continue
                votes = weight(names)
                if votes / totals[entity.label] >= voting.threshold - ROUNDING:
                    candidates.append((-votes, entity.start - entity.end, entity))
            agreed.append(without_overlaps(entity for *_, entity in sorted(candidates)))
        return agreed


def without_overlaps(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    """Return entities in the order of the text; of those that overlap, the first one given stays."""
    kept: list[Entity] = []
    for entity in entities:
        if all(entity.end <= k.start or entity.start >= k.end for k in kept):
            kept.append(entity)
    return tuple(sorted(kept))


def count_votes(
    predictions: Mapping[str, Rows], voters: Mapping[str, Collection[str]], weights: Mapping[str, float] | None = None
) -> VoteCounts:
    """Count which voter named which entity.

    Args:
        predictions: entities on N sentences by expert. Those of experts that are no voters are ignored.
        voters: the labels on which each voter may vote.
        weights: of each voter; 1 by default. A voter without a positive weight has no vote.
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


def combine_predictions(predictions: Mapping[str, Rows], covered: Mapping[str, Collection[str]]) -> Rows:
    """Return the joint prediction of several experts: entities that at least half of those covering their label name.

    It estimates the predictions of their merge without running a model. One expert alone keeps its own prediction.
    """
    return count_votes(predictions, covered).agreed(VoteOptions(0.5, minimum=1))


@dataclass(frozen=True)
class Votes:
    """The predictions of all experts on the same N sentences, and their votes.

    Attributes:
        covered: the target's labels that each expert was trained on.
        parse_failures: by expert, how many of its answers broke the format.
        unreadable: experts of which no answer could be parsed. They have no vote, because an answer that can't be
            parsed says nothing against an entity.
    """

    labels: tuple[str, ...]
    sentences: tuple[Sentence, ...]
    predictions: Mapping[str, Rows]
    covered: Mapping[str, tuple[str, ...]]
    parse_failures: Mapping[str, int]
    unreadable: frozenset[str]
    vote_counts: VoteCounts
    voting: VoteOptions

    def left_out(self, expert: str) -> tuple[str, ...]:
        """Return whose votes do not count when this expert is scored: its own, unless votes are plain."""
        return (expert,) if self.voting.votes == LEAVE_SELF_OUT else ()

    def score_against(
        self, prediction: Rows, without: Collection[str] = (), among: Sequence[int] | None = None
    ) -> tuple[list[tuple[Entity, ...]], list[list[Entity]]]:
        """Return the pseudo-labels, and the part of a prediction that can be compared with them.

        Entities of a label on which nobody has a vote are dropped from the prediction.

        Args:
            prediction: entities on the N sentences.
            without: voters whose votes do not count.
            among: indices of the sentences; all by default.
        """
        votable = self.vote_counts.votable(without)
        indices = range(len(self.sentences)) if among is None else among
        compared = [[entity for entity in prediction[i] if entity.label in votable] for i in indices]
        return self.vote_counts.agreed(self.voting, without, among), compared


def collect_votes(
    sentences: Sequence[Sentence],
    predictions: Mapping[str, Rows],
    labels: Sequence[str],
    covered: Mapping[str, tuple[str, ...]],
    voting: VoteOptions | None = None,
    parse_failures: Mapping[str, int] | None = None,
    cosines: Mapping[str, float] | None = None,
) -> Votes:
    """Count the votes of the experts.

    Args:
        sentences: the N sampled sentences.
        predictions: each expert's entities on them.
        labels: the target's labels.
        covered: those that each expert covers.
        parse_failures: by expert, how many of its answers broke the format.
        cosines: between the descriptors of each expert and the target, for votes weighted by similarity.

    Raises:
        TooFewVoters: fewer than two experts have a vote.
    """
    voting, failures = voting or VoteOptions(), dict(parse_failures or {})
    covered = {name: covered[name] for name in predictions}
    unreadable = frozenset(name for name in predictions if sentences and failures.get(name, 0) >= len(sentences))
    voters = {name: own for name, own in covered.items() if own and name not in unreadable}
    vote_counts = count_votes(predictions, voters, cosines or {} if voting.weights == BY_SIMILARITY else None)
    if voting.weights == BY_AGREEMENT:
        agreement = pairwise_f1({name: predictions[name] for name in voters}, covered)
        vote_counts = replace(vote_counts, agreement=agreement)
    check_covered(labels, covered)
    _check_voters(
        len(voters),
        f"Only {len(voters)} of the {sum(map(bool, covered.values()))} experts that cover the labels gave answers that "
        "can be read",
        "Add experts, or select again without --free.",
    )
    _check_voters(
        len(vote_counts.voters),
        f"Only {len(vote_counts.voters)} of {len(voters)} votes have a weight by similarity",
        "Weight votes uniformly, or describe the experts (`sam-hub describe`).",
    )
    return Votes(tuple(labels), tuple(sentences), predictions, covered, failures, unreadable, vote_counts, voting)


def check_covered(labels: Sequence[str], covered: Mapping[str, Sequence[str]]) -> None:
    """Raise TooFewVoters if fewer than two experts cover any of the labels.

    Args:
        covered: the labels that each expert covers, by its name.
    """
    informed = sum(map(bool, covered.values()))
    title = f"Only {informed} of {len(covered)} experts cover any of the labels {', '.join(labels)}"
    _check_voters(informed, title, "Add experts, or select by similarity.")


def _check_voters(count: int, title: str, action: str) -> None:
    if count < MIN_VOTERS:
        raise TooFewVoters(title, f"Votes need at least two experts. {action}")
