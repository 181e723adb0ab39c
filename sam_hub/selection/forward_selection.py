"""How many experts to merge, by evidence: greedy forward selection against the votes of those outside.

The sample is cut into halves A and B of like length. The best expert on A comes first. An expert is added if the set
answers better with it than without it, on A (where it was found) and on B (where it was not looked for): a gain by
chance on A is unlikely to be one on B, too. Both sets, with and without it, are scored against the votes of the
experts outside of the larger one: nobody marks their own work, and both face the same pseudo-labels, so that their
difference is the added expert's doing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sam_hub.selection.scores import f1_of
from sam_hub.selection.votes import MIN_VOTERS, Votes, combine_predictions

MOST = 5  # experts; each further one costs a merge memory and says less


@dataclass(frozen=True)
class Step:
    """An expert that was tried: strict F1 on half A without it and with it, and the gains on A and on B.

    The first one has nothing to be compared with: its F1 on A alone is told.
    """

    expert: str
    before: float | None
    f1: float
    gain: float | None
    checked: float | None
    taken: bool


@dataclass(frozen=True)
class Evidence:
    """Who was chosen, in the order of the choice, by which steps, and why there are no more."""

    chosen: tuple[str, ...]
    steps: tuple[Step, ...]
    stopped: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the parameters of a ranking."""
        return {
            "chosen": list(self.chosen),
            "steps": [asdict(step) for step in self.steps],
            "stopped": self.stopped,
        }


def halves(lengths: Sequence[int], seed: int = 0) -> tuple[list[int], list[int]]:
    """The places of N sentences in two halves of like length: of each two neighbours by length, chance sends one to
    the first half and the other to the second."""
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
    """Choose as many of the candidates as the votes of the others speak for.

    Args:
        candidates: at least one expert that can be chosen, the best first; of equals the earlier is taken.
    """
    a, b = halves([len(sentence.text) for sentence in votes.sentences], votes.voting.seed)
    trial = _Trial(votes)
    alone = {name: trial.f1([name], {name}, a) for name in candidates}
    first = max(candidates, key=alone.__getitem__)
    chosen, steps = [first], [Step(first, None, alone[first], None, None, True)]
    while True:
        left = [name for name in candidates if name not in chosen]
        if reason := _no_more(len(chosen), left, most):
            return Evidence(tuple(chosen), tuple(steps), reason)
        tried = [name for name in left if trial.voters_outside({*chosen, name}) >= MIN_VOTERS]
        if not tried:
            reason = "with one more, fewer than two voters would be left to judge it"
            return Evidence(tuple(chosen), tuple(steps), reason)
        gains = {name: trial.compare(chosen, name, a) for name in tried}
        best = max(tried, key=lambda name: gains[name][1] - gains[name][0])
        before, after = gains[best]
        checked = trial.compare(chosen, best, b)
        gain, gain_on_b = after - before, checked[1] - checked[0]
        taken = gain > 0 and gain_on_b > 0
        steps.append(Step(best, before, after, gain, gain_on_b, taken))
        if not taken:
            where = "first half" if gain <= 0 else "second half"
            return Evidence(tuple(chosen), tuple(steps), f"no further expert helps on the {where}")
        chosen.append(best)


def _no_more(count: int, left: Sequence[str], most: int) -> str:
    if not left:
        return "no further expert is fit"
    return f"{most} are the most that are chosen" if count >= most else ""


class _Trial:
    """Sets of experts before the votes of others."""

    def __init__(self, votes: Votes) -> None:
        self._votes = votes

    def voters_outside(self, members: set[str]) -> int:
        return sum(name not in members for name in self._votes.vote_counts.voters)

    def f1(self, members: Sequence[str], without: set[str], among: Sequence[int]) -> float:
        """Strict F1 of the members' common answer against the votes of those not in ``without``."""
        votes = self._votes
        known = {name: votes.covered[name] for name in members}
        together = combine_predictions({name: votes.predictions[name] for name in members}, known)
        return f1_of(*votes.score_against(together, without, among))

    def compare(self, chosen: Sequence[str], name: str, among: Sequence[int]) -> tuple[float, float]:
        """F1 without and with one more, both against the votes of those outside of the larger set."""
        larger = [*chosen, name]
        return self.f1(chosen, set(larger), among), self.f1(larger, set(larger), among)
