"""Validate a merge by votes: whether it agrees with the other experts as well as the best of its own inputs.

The merge, each of its inputs, and the untuned base are scored by strict F1 against pseudo-labels on the target's
sample. Nothing may be scored against its own votes, and the merge has the votes of all of its inputs in it. So the
votes of the inputs do not count, as long as two voters are left for each label. Where they are not, each input is
scored against the votes of all others, as in the ranking, and the merge against the same pseudo-labels, one after
another: its score is the mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sam_hub.selection.scores import RESAMPLES, counts, f1_of_sums
from sam_hub.selection.votes import MIN_VOTERS, Rows, Votes

if TYPE_CHECKING:
    import numpy as np

CONFIDENCE = 0.9  # that a merge is worse than its best input, by the bootstrap: what it takes to reject it
FEWER = MORE = 3  # a merge that names a third of what its inputs name, or three times as much, is broken
PARSE_RATE_LOSS = 0.05  # what a merge may lose, compared with the worst of its inputs


@dataclass(frozen=True)
class SampleScores:
    """How a model answers on the sample: F1 against the votes, share of readable answers, number of entities."""

    name: str
    f1: float
    parse_rate: float
    entities: int


@dataclass(frozen=True)
class Validation:
    """The scores of a merge and of its inputs.

    Attributes:
        inputs: the best F1 first.
        low, high: 95% interval of the merge's F1 minus that of its best input, over resampled sentences.
        voters: who voted on the merge.
        pseudo_entities: on how many entities the voters agree.
        problems: why the merge must not answer, each in a few words; empty if it may.
        base: how the untuned base answers; None if it is not on disk.
    """

    merge: SampleScores
    inputs: tuple[SampleScores, ...]
    low: float
    high: float
    voters: tuple[str, ...]
    pseudo_entities: int
    sentences: int
    problems: tuple[str, ...]
    base: SampleScores | None = None

    @property
    def passed(self) -> bool:
        """Whether the merge may answer."""
        return not self.problems

    def in_words(self) -> str:
        """Return the figures in a line."""
        best, own = self.inputs[0], self.merge
        found = [scores.entities for scores in self.inputs]
        base = f"; untuned base: {self.base.f1:.2f}" if self.base else ""
        return (
            f"F1 {own.f1:.2f} against the votes of {len(self.voters)} experts on {self.sentences} sentences (best "
            f"input: {best.name}, {best.f1:.2f}; difference {self.low:+.2f} to {self.high:+.2f}{base}); "
            f"{own.parse_rate:.0%} of its answers keep the format; {own.entities} entities (inputs: {min(found)} to "
            f"{max(found)})"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Validation:
        """Return what `to_json` returned, read from a JSON column; what else was kept with it is left out."""
        inputs = tuple(SampleScores(**scores) for scores in content["inputs"])
        lists = {name: tuple(content[name]) for name in ("voters", "problems")}
        base = SampleScores(**content["base"]) if content.get("base") else None
        content = {name: value for name, value in content.items() if name in cls.__dataclass_fields__}
        return cls(**{**content, **lists, "merge": SampleScores(**content["merge"]), "inputs": inputs, "base": base})


def comparisons(votes: Votes, inputs: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return whose votes do not count: all inputs at once, or, where too few voters would be left, each in turn."""
    every, outside = (
        Counter(label for name, own in votes.vote_counts.voters.items() if name not in without for label in own)
        for without in ((), inputs)
    )
    shared = [label for label, count in every.items() if count >= MIN_VOTERS]
    if shared and all(outside[label] >= MIN_VOTERS for label in shared):
        return (tuple(inputs),)
    return tuple((name,) for name in inputs)


def vote_f1(
    votes: Votes,
    inputs: Sequence[str],
    prediction: Rows,
    among: Sequence[int] | None = None,
    *,
    members: Sequence[str] = (),
) -> float:
    """Return the F1 of a merge of inputs against the votes: the score by which candidates are compared.

    Args:
        inputs: of all candidates, so that all have the same judges.
        prediction: of the merge, on the N sentences of the sample.
        among: indices of the sentences; all by default.
        members: the experts in this merge; all inputs by default. It is scored against votes that leave out one or
            more of them.
    """
    turns = [turn for turn in comparisons(votes, inputs) if not members or set(turn) & set(members)]
    counted = _counted(votes, turns, prediction, among)
    return float(_f1(counted.sum(axis=1)[:, None])[0])


def input_scores(votes: Votes, inputs: Sequence[str]) -> list[SampleScores]:
    """Return how each input of a merge answers alone, the best F1 first."""
    scored = []
    for name in inputs:
        counted, failures = _counted_alone(votes, inputs, name), votes.parse_failures.get(name, 0)
        scored.append(_scores(name, counted, votes.predictions[name], failures))
    return sorted(scored, key=lambda scores: -scores.f1)


def validate(
    votes: Votes,
    inputs: Sequence[str],
    prediction: Rows,
    parse_failures: int,
    base: tuple[Rows, int] | None = None,
    *,
    alone: bool = False,
) -> Validation:
    """Compare a merge with its inputs, and with the untuned base.

    Args:
        inputs: experts that predicted on the sample, at least one.
        prediction: of the merge, on the N sentences of the sample.
        parse_failures: how many of its answers broke the format.
        base: the same of the untuned base, which has no vote.
        alone: the merge is the base plus one input: what differs from it is rounding, and does not count.
    """
    import numpy as np

    turns, total = comparisons(votes, inputs), len(votes.sentences)
    own = _counted(votes, turns, prediction)
    merged, singles = _scores("merge", own, prediction, parse_failures), input_scores(votes, inputs)
    best = singles[0]
    draws = np.random.default_rng(votes.voting.seed).integers(0, total, (RESAMPLES, total))

    def difference(counted: np.ndarray) -> np.ndarray:
        return _f1(own[:, draws].sum(axis=2)) - _f1(counted[:, draws].sum(axis=2))

    def is_worse_than(f1: float, over: np.ndarray) -> bool:
        return merged.f1 < f1 and bool(np.mean(over < 0) >= CONFIDENCE)

    over_best, problems, untuned = difference(_counted_alone(votes, inputs, best.name)), [], None
    low, high = np.percentile(over_best, [2.5, 97.5])
    less = f"it agrees less with the votes than {{}} (F1 {merged.f1:.2f}, not {{:.2f}})"
    if not alone:
        problems += [less.format(f"{best.name} alone", best.f1)] if is_worse_than(best.f1, over_best) else []
        problems += _suspicions(votes, merged, singles)
    if base is not None:
        counted = _counted(votes, turns, base[0])
        untuned = _scores("untuned base", counted, *base)
        if is_worse_than(untuned.f1, difference(counted)):
            problems.append(less.format("the untuned base", untuned.f1))
    left_out = turns[0] if len(turns) == 1 else ()
    return Validation(
        merged,
        tuple(singles),
        float(low),
        float(high),
        tuple(sorted(set(votes.vote_counts.voters) - set(left_out))),
        round(float(own[:, :, 1].sum()) / len(turns)),
        total,
        tuple(problems),
        untuned,
    )


def _suspicions(votes: Votes, merged: SampleScores, inputs: Sequence[SampleScores]) -> list[str]:
    """Return what speaks against a merge, whatever the votes say."""
    problems, found = [], [scores.entities for scores in inputs]
    worst = min(scores.parse_rate for scores in inputs)
    if merged.parse_rate < worst - PARSE_RATE_LOSS:
        problems.append(f"{merged.parse_rate:.0%} of its answers keep the format, of its inputs' at least {worst:.0%}")
    rows = zip(*(votes.predictions[scores.name] for scores in inputs), strict=True)
    together = sum(len(set().union(*sentence)) for sentence in rows)  # experts of different labels add up
    few, many = merged.entities * FEWER <= min(found), merged.entities >= max(*found, 1) * MORE
    if (few and min(found)) or (many and merged.entities > together):
        problems.append(f"it names {merged.entities} entities, its inputs {min(found)} to {max(found)}")
    return problems


def _scores(name: str, counted: np.ndarray, rows: Rows, failures: int) -> SampleScores:
    f1 = float(_f1(counted.sum(axis=1)[:, None])[0])
    return SampleScores(name, f1, 1 - failures / len(rows), sum(map(len, rows)))


def _counted_alone(votes: Votes, inputs: Sequence[str], name: str) -> np.ndarray:
    """Return the counts of an input, in the comparisons in which its own votes do not count, (T, N, 3)."""
    turns = [turn for turn in comparisons(votes, inputs) if name in turn]
    return _counted(votes, turns, votes.predictions[name])


def _counted(
    votes: Votes, turns: Sequence[Sequence[str]], prediction: Rows, among: Sequence[int] | None = None
) -> np.ndarray:
    """Return the counts (see `counts`) of T comparisons, (T, N, 3)."""
    import numpy as np

    return np.stack([counts(*votes.score_against(prediction, turn, among)) for turn in turns])


def _f1(sums: np.ndarray) -> np.ndarray:
    """Return the mean F1 over T comparisons of R samples, (T, R, 3) → (R,)."""
    turns, samples, _ = sums.shape
    return f1_of_sums(sums.reshape(-1, 3)).reshape(turns, samples).mean(axis=0)
