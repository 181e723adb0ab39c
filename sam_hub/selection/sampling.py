"""Selection by sampling evaluation: experts predict on sampled sentences, scored by each other's votes.

By default an expert is scored against the votes of the *others* (leave-self-out): otherwise each one partly
marks its own work, and the majority always wins. An expert votes on a label only if it was trained on it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sam_hub.errors import InputError, UsageError
from sam_hub.ner.text import Entity, Sentence
from sam_hub.selection.ranking import Ranked, Ranking, known_labels

LEAVE_SELF_OUT, PLAIN = "leave-self-out", "plain"
RESAMPLES = 1000

Rows = Sequence[Sequence[Entity]]


@dataclass(frozen=True)
class Voting:
    """How votes become pseudo-labels.

    ``threshold``: the share of those who know a label, that must agree on (span, label). ``minimum``: and at
    least so many of them, where there are so many. ``votes``: "leave-self-out" or "plain".
    """

    threshold: float = 0.5
    minimum: int = 2
    votes: str = LEAVE_SELF_OUT
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise UsageError(
                f"A vote threshold of {self.threshold} makes no sense", "Give a share from 0 to 1."
            )
        if self.votes not in (LEAVE_SELF_OUT, PLAIN):
            raise UsageError(f"There are no '{self.votes}' votes", f"Known: {LEAVE_SELF_OUT}, {PLAIN}.")


def draw_sample(sentences: Sequence[Sentence], size: int, seed: int = 0) -> list[Sentence]:
    """A seeded sample without replacement, stratified by length, without repeated texts and without labels.

    The corpus, sorted by length, is cut into ``size`` strata; one sentence is drawn of each.

    Raises:
        UsageError: ``size`` is not positive.
    """
    if size < 1:
        raise UsageError(f"A sample of {size} sentences makes no sense", "Give 1 or more.")
    unique = sorted({s.text for s in sentences}, key=lambda text: (len(text), text))
    chance = random.Random(seed)
    if len(unique) > size:
        bounds = [round(i * len(unique) / size) for i in range(size + 1)]
        unique = [unique[chance.randrange(a, b)] for a, b in pairwise(bounds)]
    chance.shuffle(unique)
    return [Sentence(text) for text in unique]


def pseudo_labels(
    predictions: Mapping[str, Rows], voters: Mapping[str, Collection[str]], voting: Voting
) -> list[tuple[Entity, ...]]:
    """Entities on which enough voters agree, per sentence; of two that overlap, the one with more votes
    stays, then the longer, then the earlier.

    Args:
        predictions: the voters' predictions on N sentences.
        voters: the labels on which each may vote.
    """
    knowing = Counter(label for labels in voters.values() for label in labels)
    length = len(next(iter(predictions.values()), ()))
    found = []
    for i in range(length):
        count = Counter(
            e for name, labels in voters.items() for e in set(predictions[name][i]) if e.label in labels
        )
        kept: list[Entity] = []
        for entity, votes in sorted(count.items(), key=lambda c: (-c[1], c[0].start - c[0].end, c[0])):
            able = knowing[entity.label]
            # The share is compared, since .55 * 20 is more than 11 in binary numbers.
            enough = votes / able >= voting.threshold and votes >= min(voting.minimum, able)
            if enough and all(entity.end <= k.start or entity.start >= k.end for k in kept):
                kept.append(entity)
        found.append(tuple(sorted(kept)))
    return found


def rank_by_sampling(
    predictions: Mapping[str, Rows],
    labels: Sequence[str],
    expert_labels: Mapping[str, Collection[str] | None],
    voting: Voting | None = None,
    parse_failures: Mapping[str, int] | None = None,
) -> Ranking:
    """Rank experts by strict F1 against the votes, with a 95% bootstrap interval over sentences.

    Args:
        predictions: each expert's entities on the same N sampled sentences.
        labels: the target's label set.
        expert_labels: what each was trained on; None where that is not recorded.
        parse_failures: answers of each that broke the format, for the notes.

    Raises:
        InputError: fewer than two experts know any of the labels, so that there is nobody to vote.
    """
    voting = voting or Voting()
    known = {name: known_labels(labels, expert_labels.get(name)) for name in predictions}
    voters = {name: set(knows) for name, knows in known.items() if knows}
    if len(voters) < 2:
        raise InputError(
            f"Only {len(voters)} of {len(predictions)} experts know any of the labels {', '.join(labels)}",
            "Votes need two at least: add experts, or select by similarity.",
        )
    rows, sizes = [], {}
    for name, found in predictions.items():
        leave_out = voting.votes == LEAVE_SELF_OUT
        others = {n: v for n, v in voters.items() if not (leave_out and n == name)}
        votes = pseudo_labels(predictions, others, voting)
        # On a label that nobody else knows there are no votes, for or against: it is not counted.
        votable = set().union(*others.values())
        own = [[entity for entity in row if entity.label in votable] for row in found]
        sizes[name] = sum(map(len, votes))
        f1, low, high = bootstrap_f1(votes, own, voting.seed)
        hits = sum(len(set(v) & set(p)) for v, p in zip(votes, own, strict=True))
        precision, recall = hits / max(1, sum(map(len, own))), hits / max(1, sizes[name])
        note = _note(known[name], sizes[name], (parse_failures or {}).get(name, 0))
        rows.append(Ranked(name, f1, low, high, known[name], note, precision, recall))
    rows.sort(key=lambda row: (-row.score, row.expert))
    parameters = {
        "votes": voting.votes,
        "threshold": voting.threshold,
        "minimum": voting.minimum,
        "seed": voting.seed,
        "sentences": len(next(iter(predictions.values()))),
        "pseudo_entities": sizes,
    }
    return Ranking("sampling", tuple(rows), parameters)


def _note(knows: Sequence[str], votes: int, failures: int) -> str:
    notes = [] if knows else ["knows none of the labels"]
    if not votes:
        notes.append("the others agree on nothing")
    if failures:
        notes.append(f"{failures} answers broke the format")
    return "; ".join(notes)


def bootstrap_f1(gold: Rows, predicted: Rows, seed: int = 0) -> tuple[float, float, float]:
    """Strict micro F1 and its 95% percentile interval over resampled sentences (Efron, 1979)."""
    import numpy as np

    counts = np.array(
        [(len(set(g) & set(p)), len(set(g)), len(set(p))) for g, p in zip(gold, predicted, strict=True)],
        dtype=float,
    ).reshape(-1, 3)
    draws = np.random.default_rng(seed).integers(0, len(counts), (RESAMPLES, len(counts)))
    sums = counts[draws].sum(axis=1)
    f1 = _f1(counts.sum(axis=0)[None])[0]
    low, high = np.percentile(_f1(sums), [2.5, 97.5])
    return float(f1), float(low), float(high)


def _f1(sums):
    import numpy as np

    both = sums[:, 1] + sums[:, 2]
    return np.divide(2 * sums[:, 0], both, out=np.zeros(len(sums)), where=both > 0)
