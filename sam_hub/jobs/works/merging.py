"""The work of merging: one merge for each ranking, or one of experts that were named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from sam_hub.jobs.work import Say, Watch, Work

if TYPE_CHECKING:
    from sam_hub.jobs.place import Place
    from sam_hub.merging.merge import MergePlan
    from sam_hub.settings import Settings


@dataclass(frozen=True)
class MergeExperts(Work):
    """Merge a target's chosen experts (``by`` similarity, sampling or both), or those that are named."""

    KIND: ClassVar[str] = "merge"

    target: str | None = None
    by: str = "both"
    experts: tuple[str, ...] = ()
    method: str = "ties"
    parameters: dict[str, Any] = field(default_factory=dict)
    weights: tuple[float, ...] = ()
    seed: int = 0

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"merge for {self.target}" if self.target else f"merge {', '.join(self.experts)}"

    def plans(self, place: Place) -> Iterator[tuple[str, MergePlan]]:
        """Each merge's name and plan, one at a time: a later plan sees what an earlier merge has written."""
        from sam_hub.merging.merged import chosen_experts, plan_for

        for name, experts in chosen_experts(place.catalog, self.target, self.by, self.experts).items():
            yield (
                name,
                plan_for(
                    place.catalog,
                    experts,
                    place.settings.merges,
                    method=self.method,
                    parameters=self.parameters,
                    weights=self.weights,
                    seed=self.seed,
                ),
            )

    def run(self, place: Place, watch: Watch, say: Say) -> dict[str, Any]:
        """Merge; one that is there already is not made again."""
        from sam_hub.merging.merged import merge

        made = []
        for name, plan in self.plans(place):
            say(f"{name}: {plan.recipe.method} of {', '.join(e.repo for e in plan.recipe.experts)}")
            row = merge(place.catalog, plan, lambda p, name=name: watch(f"merge {name}", p.done, p.total))
            say(f"Merged: {row.path}")
            made.append({**merge_values(name, plan), "path": row.path, "weights_sha256": row.weights_sha256})
        return {"merges": made}

    def sweep(self, settings: Settings) -> None:
        """Unfinished folders whose process is gone."""
        from sam_hub.merging.merge import sweep_merges

        sweep_merges(settings.merges)


def merge_values(name: str, plan: MergePlan) -> dict[str, Any]:
    """A plan as plain values, for JSON and the UI."""
    report = plan.report
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
        "seconds": plan.seconds,
        "reused": plan.reused,
    }
