"""The work of selecting: both rankings, and who is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from sam_hub.jobs.task import Log, OnProgress, Task

if TYPE_CHECKING:
    from sam_hub.selection.votes import Voting
    from sam_hub.services.context import AppContext


@dataclass(frozen=True)
class SelectExperts(Task):
    """Rank experts for a target by similarity, by sampling, or by both, and choose the best k of each ranking.

    ``experts`` are names; empty: all that are on disk. ``k`` is a number, or "auto": as many as there is evidence
    for. The other fields are those of `sam-hub select`.
    """

    KIND: ClassVar[str] = "select"

    target: str
    experts: tuple[str, ...] = ()
    by: str = "both"
    k: int | str = 3
    sample: int = 40
    votes: str = "leave-self-out"
    threshold: float = 0.25
    seed: int = 0
    free: bool = False
    allow_blind: bool = False
    weights: str = "uniform"
    support: float = 0.67

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"rank experts for {self.target}"

    @property
    def voting(self) -> Voting:
        """How votes are counted. Raises UsageError where that makes no sense."""
        from sam_hub.selection.votes import Voting

        return Voting(threshold=self.threshold, votes=self.votes, seed=self.seed, weights=self.weights)

    def check(self) -> None:
        """Refuse what can't be done, before a job is made of it or a model is asked.

        Raises:
            UsageError: the sample is too small or too large, or k, the votes or the support make no sense.
        """
        from sam_hub.selection.choice import check_count, check_support
        from sam_hub.selection.sampling import check_size

        check_count(self.k, self.by)
        check_size(self.sample)
        check_support(self.support)
        _ = self.voting

    def run(self, context: AppContext, on_progress: OnProgress, log: Log) -> dict[str, Any]:
        """Make the rankings; what an expert has predicted stays, whatever happens to the next one."""
        from sam_hub.catalog.registration import resolve_experts
        from sam_hub.catalog.targets import get_target
        from sam_hub.selection.choice import AUTO, candidates, choose_best, supported
        from sam_hub.selection.ranking import FAILED, side_by_side, uncovered
        from sam_hub.selection.service import sampling_ranking, similarity_ranking

        self.check()
        catalog, settings = context.catalog, context.settings
        target = get_target(catalog, self.target)
        experts = resolve_experts(catalog, self.experts) if self.experts else candidates(catalog)
        rankings = []
        if self.by != "sampling":
            on_progress("similarity", 0, 1)
            rankings.append(similarity_ranking(catalog, target, experts, settings=settings))
        if self.by != "similarity":
            voted = sampling_ranking(
                catalog,
                target,
                experts,
                settings=settings,
                size=self.sample,
                voting=self.voting,
                free=self.free,
                by_evidence=self.k == AUTO,
                on_progress=on_progress,
            )
            hold = partial(supported, voted=voted, share=self.support, allow_blind=self.allow_blind)
            rankings = [*map(hold, rankings), voted]
            for name, why in voted.parameters.get("failed", {}).items():
                log(f"{name} {FAILED}, and has no vote: {why}")
        # Both at once, at the end: a ranking that is cancelled changes no choice.
        chosen = choose_best(catalog, target, experts, rankings, self.k, allow_blind=self.allow_blind)
        for method, names in chosen.items():
            log(f"By {method}: {', '.join(names)}")
        for ranking in rankings:
            if why := ranking.parameters.get("fit", {}).get("why"):
                log(f"{why}.")
        return {
            "target": target.name,
            "labels": list(target.labels),
            "rankings": {
                ranking.method: {
                    "ranking": ranking.as_dict(),
                    "chosen": list(chosen[ranking.method]),
                    "k": len(chosen[ranking.method]) if self.k == AUTO else self.k,
                }
                for ranking in rankings
            },
            "chosen": side_by_side(chosen),
            "uncovered": list(uncovered(target.labels, {e.repo: e.labels for e in experts})),
        }
