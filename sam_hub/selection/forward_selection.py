"""Greedy forward selection of the experts to merge, by the votes of the other experts.

The sample is split into halves A and B with sentences of similar lengths. The best expert on A comes first. Another
expert is added if the joint prediction is better with it than without it, both on A, where it was chosen, and on B. A
gain by chance on A is unlikely to occur on B, too. Both sets, with and without the expert, are scored against the votes
of the experts outside of the larger set. So no expert scores itself, and both sets face the same pseudo-labels.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sam_hub.selection.scores import f1_of
from sam_hub.selection.votes import MIN_VOTERS, Votes, combine_predictions

MOST = 5  # experts; each further one costs memory and contributes less


@dataclass(frozen=True)
class Step:
    """An expert that was tried.

    Attributes:
        before: strict F1 on half A without it; None for the first expert.
        f1: strict F1 on half A with it.
        gain: on half A; None for the first expert.
        checked: gain on half B; None for the first expert.
        taken: whether it was added.
    """

    expert: str
    before: float | None
    f1: float
    gain: float | None
    checked: float | None
    taken: bool


@dataclass(frozen=True)
class Evidence:
    """The chosen experts in order, the steps, and why the selection stopped."""

    chosen: tuple[str, ...]
    steps: tuple[Step, ...]
    stopped: str


def halves(lengths: Sequence[int], seed: int = 0) -> tuple[list[int], list[int]]:
    """Return the indices of N sentences in two halves of similar lengths.

    Of each two neighbors by length, one is drawn for the first half, and the other goes to the second.
    """
    chance, first, second = random.Random(seed), [], []
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    for at in range(0, len(order), 2):
        pair = order[at : at + 2]
        if len(pair) == 2 and chance.random() < 0.5:
            pair.reverse()
        first.append(pair[0])
        second += pair[1:]
    return sorted(first), sorted(second)


def choose_by_evidence(votes: Votes, candidates: Sequence[str], most: int = MOST) -> Evidence:
    """Choose as many of the candidates as improve F1 against the votes of the others.

    Args:
        candidates: at least one expert that can be chosen, best first. Of equals, the earlier is taken.
    """
    a, b = halves([len(sentence.text) for sentence in votes.sentences], votes.voting.seed)

    def f1(members: Sequence[str], without: Sequence[str], among: Sequence[int]) -> float:
        """Return strict F1 of the members' joint prediction against the votes of those not in ``without``."""
        covered = {name: votes.covered[name] for name in members}
        together = combine_predictions({name: votes.predictions[name] for name in members}, covered)
        return f1_of(*votes.score_against(together, without, among))

    def compare(chosen: Sequence[str], name: str, among: Sequence[int]) -> tuple[float, float]:
        """Return F1 without and with one more expert, both against the votes of those outside of the larger set."""
        larger = [*chosen, name]
        return f1(chosen, larger, among), f1(larger, larger, among)

    alone = {name: f1([name], [name], a) for name in candidates}
    first = max(candidates, key=alone.__getitem__)
    chosen, steps = [first], [Step(first, None, alone[first], None, None, True)]
    voters, stopped = set(votes.vote_counts.voters), ""
    while True:
        left = [name for name in candidates if name not in chosen]
        tried = [name for name in left if len(voters - {*chosen, name}) >= MIN_VOTERS]
        if not left:
            stopped = "no further expert is suitable"
        elif len(chosen) >= most:
            stopped = f"{most} experts are the maximum"
        elif not tried:
            stopped = "with one more, fewer than two voters would be left to judge it"
        if stopped:
            return Evidence(tuple(chosen), tuple(steps), stopped)
        gains = {name: compare(chosen, name, a) for name in tried}
        best = max(tried, key=lambda name: gains[name][1] - gains[name][0])
        before, after = gains[best]
        checked = compare(chosen, best, b)
        gain, gain_on_b = after - before, checked[1] - checked[0]
        taken = gain > 0 and gain_on_b > 0
        steps.append(Step(best, before, after, gain, gain_on_b, taken))
        if not taken:
            where = "first half" if gain <= 0 else "second half"
            return Evidence(tuple(chosen), tuple(steps), f"no further expert helps on the {where}")
        chosen.append(best)
