"""The work of merging: one merge for each ranking, or one of experts that were named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from sam_hub.errors import UsageError
from sam_hub.jobs.task import Log, OnProgress, Task
from sam_hub.merging.methods import DEFAULT_METHOD
from sam_hub.progress import Calling

if TYPE_CHECKING:
    from sam_hub.config import Settings
    from sam_hub.merging.plan import MergePlan
    from sam_hub.services.context import AppContext


@dataclass(frozen=True)
class MergeChoice:
    """What is merged, and how: a target's chosen experts (``by`` similarity, sampling or both), or those named.

    Args:
        weights: one for each expert.
        by_score: each weighs what it has in the ranking that chose it.
        stable: see `sam_hub.merging.stable_methods`.
    """

    target: str | None = None
    by: str = "both"
    experts: tuple[str, ...] = ()
    method: str = DEFAULT_METHOD
    parameters: dict[str, Any] = field(default_factory=dict)
    weights: tuple[float, ...] = ()
    by_score: bool = False
    seed: int = 0
    stable: bool = False

    def check(self) -> None:
        """Refuse what does not go together, before anything is merged or a job is made of it.

        Raises:
            UsageError: weights are given twice.
        """
        if self.by_score and (self.weights or self.experts):
            raise UsageError("--by-score and --weight or --expert exclude each other", "Give one of them.")

    @property
    def how(self) -> dict[str, Any]:
        """What `plan_for` is told beside the experts and their weights."""
        names = ("method", "parameters", "seed", "stable")
        return {name: getattr(self, name) for name in names}

    def plans(self, context: AppContext) -> Iterator[tuple[str, MergePlan]]:
        """Each merge's name and plan, one at a time: a later plan sees what an earlier merge has written."""
        from sam_hub.merging.service import chosen_experts, plan_for, weights_by_score

        self.check()
        for name, experts in chosen_experts(context.catalog, self.target, self.by, self.experts).items():
            weights = self.weights
            if self.by_score:
                weights = weights_by_score(context.catalog, self.target, name, experts)
            plan = plan_for(context.catalog, experts, context.settings.merges, weights=weights, **self.how)
            yield name, plan


@dataclass(frozen=True)
class MergeExperts(MergeChoice, Task):
    """Merge, look at what came of it, and measure what else is wanted.

    Args:
        as_adapter: write each merge as one adapter, too, of ``rank`` at most (0: the experts' sum).
        timeout: seconds for each merge; 0: none.
        leave_one_out: find what each expert adds (for a target's choices alone).
    """

    KIND: ClassVar[str] = "merge"

    as_adapter: bool = False
    rank: int = 0
    timeout: float = 0.0
    leave_one_out: bool = False

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"merge for {self.target}" if self.target else f"merge {', '.join(self.experts)}"

    def check(self) -> None:
        """As that of a choice.

        Raises:
            UsageError: what each adds is asked of experts that were named or weighted, too.
        """
        super().check()
        own = self.target is not None and not (self.experts or self.weights or self.by_score)
        if self.leave_one_out and not own:
            raise UsageError(
                "What each expert adds is found for a target's own choices, weighted alike",
                "Name a target, and leave experts and weights out.",
            )

    def run(self, context: AppContext, on_progress: OnProgress, log: Log) -> dict[str, Any]:
        """Merge; one that is there already is not made again."""
        from pathlib import Path

        from sam_hub.merging.lora_extraction import extract_adapter
        from sam_hub.merging.service import merge_and_check, selection_of

        made = []
        without = self.plans_without_each(
            context
        )  # first: what can't be had is said before anything is merged
        for name, plan in self.plans(context):
            log(f"{name}: {plan.recipe.method} of {', '.join(e.repo for e in plan.recipe.experts)}")
            reporter = Calling(on_progress).named(name)
            row, verdict = merge_and_check(
                context.catalog,
                plan,
                context.settings,
                reporter,
                self.timeout,
                selection_id=selection_of(context.catalog, self.target, name),
            )
            log(f"Merged: {row.path}")
            made.append({**merge_values(name, plan), "path": row.path, "weights_sha256": row.weights_sha256})
            made[-1]["problems"] = list(verdict.problems)
            for problem in verdict.problems:
                log(f"Failed the check: {problem}")
            if self.as_adapter:
                adapter = extract_adapter(plan.recipe, Path(row.path), self.rank, reporter, self.timeout)
                made[-1]["adapter"] = asdict(adapter)
                for line in adapter_lines(made[-1]["adapter"]):
                    log(line)
        contributions = self._contributions(context, on_progress, without)
        for name, found in contributions.items():
            for line in contribution_lines(name, found):
                log(line)
        return {"merges": made, "contributions": contributions}

    def plans_without_each(self, context: AppContext) -> dict[str, dict[str, MergePlan]]:
        """The merges that tell what each expert adds, by the name of the merge and what they are without.

        Raises:
            DiskFull: they need more disk than there is.
            CatalogError, UsageError: as `sam_hub.evaluation.leave_one_out.plans_without_each`.
        """
        if not self.leave_one_out or self.target is None:
            return {}
        import shutil

        from sam_hub.catalog.tables import RankingMethod
        from sam_hub.catalog.targets import get_target
        from sam_hub.errors import DiskFull
        from sam_hub.evaluation.leave_one_out import plans_without_each

        target, merges = get_target(context.catalog, self.target), context.settings.merges
        found = {
            f"by {by}": plans_without_each(context.catalog, target, by, merges, **self.how)
            for by in (RankingMethod if self.by == "both" else (self.by,))
        }
        needed, free = bytes_of(found), shutil.disk_usage(context.catalog.path.parent).free
        if free < needed:
            raise DiskFull(
                f"The merges without each expert need {needed / 1e6:.0f} MB; {free / 1e6:.0f} MB are free",
                "Free some space (`sam-hub remove --merge unused`), or leave --leave-one-out out.",
            )
        return found

    def _contributions(
        self, context: AppContext, on_progress: OnProgress, without: dict[str, dict[str, MergePlan]]
    ) -> dict[str, Any]:
        """What each expert adds, by the name of the merge."""
        from sam_hub.catalog.targets import get_target
        from sam_hub.evaluation.leave_one_out import leave_one_out

        return {
            name: leave_one_out(
                context.catalog,
                get_target(context.catalog, str(self.target)),
                plans,
                settings=context.settings,
                timeout=self.timeout,
                on_progress=on_progress,
            ).as_dict()
            for name, plans in without.items()
        }

    def clean_up(self, settings: Settings) -> None:
        """Unfinished folders whose process is gone."""
        from sam_hub.merging.run import sweep_merges

        sweep_merges(settings.merges)


def merge_values(name: str, plan: MergePlan) -> dict[str, Any]:
    """A plan as plain values, for JSON and the UI.

    "problems" are what the check after the merge has found, None before it; "seconds" counts that check, too.
    """
    from sam_hub.merging.sanity_check import saved_check, seconds_needed

    report = plan.report
    seen = saved_check(plan.output) if plan.reused else None
    look = seconds_needed(plan.recipe) if seen is None and not report.errors else 0
    return {
        "name": name,
        "method": plan.recipe.method,
        "experts": [f"{e.repo}@{e.commit}" for e in plan.recipe.experts],
        "weights": [e.weight for e in plan.recipe.experts],
        "configuration": plan.config_text,
        "errors": [str(finding) for finding in report.errors],
        "warnings": [str(finding) for finding in report.warnings],
        "notes": [str(finding) for finding in report.notes],
        "bytes": plan.bytes_to_write,
        "memory": plan.memory,
        "seconds": round(plan.seconds + look, 1),
        "reused": plan.reused,
        "problems": None if seen is None else list(seen.problems),
    }


def bytes_of(without: dict[str, dict[str, MergePlan]]) -> int:
    """What the merges of `MergeExperts.plans_without_each` write, each once."""
    sizes = {plan.output: plan.bytes_to_write for plans in without.values() for plan in plans.values()}
    return sum(sizes.values())


def adapter_lines(made: dict[str, Any]) -> list[str]:
    """What `sam_hub.merging.lora_extraction` has made, in words."""
    lines = [f"As one adapter of rank {made['rank']}: {made['path']}"]
    if made["exact"]:
        return [*lines, "It is the merge itself: the experts' changes, added up."]
    worst, values = max(made["modules"].items(), key=lambda item: item[1]["error"])
    return [
        *lines,
        f"It lacks {made['error']:.0%} of the merge's changes (Frobenius norm); most in {worst}, "
        f"{values['error']:.0%}.",
        *(["A larger rank (--rank) lacks less."] if made["error"] >= 0.005 else []),
    ]


def contribution_lines(name: str, found: dict[str, Any]) -> list[str]:
    """A table of what each expert adds to the merge ``name`` (`sam_hub.evaluation.leave_one_out`)."""
    lines = [
        f"What each expert adds to the merge {name}: strict F1 with the {found['pseudo_entities']} entities on which "
        f"{len(found['voters'])} experts agree in {found['sentences']} sentences"
        + (", and with the labels" if found["rows"][0]["f1"] is not None else ""),
        f"{'without':32} {'votes':>7} {'change':>7} {'labels':>7} {'change':>7}",
    ]
    for row in found["rows"]:
        first = "(nothing)" if row["change"] is None else row["without"]
        cells = (row["agreement"], row["change"], row["f1"], row["f1_change"])
        shown = ["" if v is None else f"{v:+.3f}" if n % 2 else f"{v:.3f}" for n, v in enumerate(cells)]
        lines.append(f"{first:32} " + " ".join(f"{cell:>7}" for cell in shown))
    return lines
