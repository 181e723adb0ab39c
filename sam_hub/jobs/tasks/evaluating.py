"""The work of evaluating: strict scores of the merged models, of each expert, and of the base."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sam_hub.jobs.task import Log, OnProgress, Task

if TYPE_CHECKING:
    from sam_hub.catalog.tables import Target
    from sam_hub.evaluation.systems import System
    from sam_hub.ner.text import Sentence
    from sam_hub.services.context import AppContext


@dataclass(frozen=True)
class EvaluationPlan:
    """The systems that would be scored, and the labelled sentences (of the file ``path``) to score them on."""

    target: Target
    path: Path
    gold: list[Sentence]
    systems: list[System]


@dataclass(frozen=True)
class EvaluateTarget(Task):
    """Score a target's merged models on labelled sentences (``gold``, else those of the target).

    ``singles``: each expert on disk and their untuned base, too. ``types``: whose types SaM's answer has.
    """

    KIND: ClassVar[str] = "evaluate"

    target: str
    gold: str | None = None
    rule: str = "union"
    free: bool = False
    singles: bool = False
    types: str = "auto"

    def __post_init__(self) -> None:
        if self.gold:
            object.__setattr__(self, "gold", str(Path(self.gold).expanduser().absolute()))

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"evaluate {self.target}"

    def plan(self, context: AppContext) -> EvaluationPlan:
        """What would be scored on which sentences; no model is asked.

        Raises:
            UsageError: there are no labelled sentences.
            InputError: they can't be used for this target.
            CatalogError: nothing was merged for the target yet.
        """
        from sam_hub.catalog.targets import get_target
        from sam_hub.errors import UsageError
        from sam_hub.evaluation.systems import read_gold, sam_systems, single_systems
        from sam_hub.selection.choice import candidates

        target = get_target(context.catalog, self.target)
        path = self.gold or target.gold_path
        if path is None:
            raise UsageError(f"{target.name} has no labelled sentences", "Give some with --gold FILE.")
        gold = read_gold(Path(path), target.labels)
        systems = sam_systems(context.catalog, target, self.rule, self.types)
        if self.singles:
            systems = [*single_systems(context.catalog, candidates(context.catalog)), *systems]
        return EvaluationPlan(target, Path(path), gold, systems)

    def run(self, context: AppContext, on_progress: OnProgress, log: Log) -> dict[str, Any]:
        """Ask every model that was not asked before, and score all."""
        from sam_hub.catalog.targets import set_gold
        from sam_hub.evaluation.systems import evaluate
        from sam_hub.merging.service import merge_warnings, passed_methods

        plan = self.plan(context)
        target, gold = plan.target, plan.gold
        if target.gold_path is None:
            set_gold(context.catalog, target.id, plan.path)
        told = plan.systems[-1].typing.told if plan.systems[-1].typing else ""
        warnings = merge_warnings(context.catalog, target)
        for line in filter(None, (told, *warnings)):
            log(line)
        results = evaluate(
            context.catalog,
            target,
            gold,
            plan.systems,
            settings=context.settings,
            free=self.free,
            on_progress=on_progress,
        )
        for result in results:
            log(f"{result.name}: F1 {result.scores.f1:.3f}")
        return {
            "target": target.name,
            "sentences": len(gold),
            "types": told,
            "warnings": warnings,
            "passed": passed_methods(context.catalog, target),
            "scores": [result.as_dict() for result in results],
        }
