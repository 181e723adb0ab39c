"""Merges: of a target's chosen experts, or of experts that are named."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_hub.errors import CatalogError, DiskFull
from sam_hub.evaluation.contributions import Contributions
from sam_hub.merging.lora_extraction import MergedAdapter
from sam_hub.merging.methods import DEFAULT_METHOD, METHODS, default_parameters
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.options import By, MergeOptions, copied

if TYPE_CHECKING:
    from sam_hub.config import Settings
    from sam_hub.merging.plan import MergePlan
    from sam_hub.services.context import AppContext


@dataclass(frozen=True)
class MergeMethod:
    """A method of mergekit. A parameter without a default is None; ``trims``: it has a stable variant."""

    name: str
    parameters: dict[str, Any]
    weighted: bool
    trims: bool


@dataclass(frozen=True)
class MergeMethods:
    """The methods that mergekit knows, and the one that is used by default."""

    methods: tuple[MergeMethod, ...]
    default: str


def merge_methods(context: AppContext) -> MergeMethods:
    """Return mergekit's methods with their parameters."""
    described = (
        MergeMethod(name, {**method.defaults, **default_parameters(name)}, method.weighted, method.trims)
        for name, method in METHODS.items()
    )
    return MergeMethods(tuple(described), DEFAULT_METHOD)


@dataclass(frozen=True)
class MergePreview:
    """What a merge would do.

    Args:
        name: "by similarity", "by sampling" or "by hand".
        experts: as ``repo@commit``.
        configuration: the mergekit configuration, YAML.
        bytes, memory, seconds: estimates; ``seconds`` includes the sanity check.
        reused: this very merge is on disk already.
        problems: what the sanity check found; None before it.
    """

    name: str
    method: str
    experts: tuple[str, ...]
    weights: tuple[float, ...]
    configuration: str
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    bytes: int
    memory: int
    seconds: float
    reused: bool
    problems: tuple[str, ...] | None


@dataclass(frozen=True)
class MergesPreview:
    """What `run_merges` would do. ``free_disk`` and ``free_memory`` are in bytes.

    ``contribution_bytes``: what the merges without each expert write, at most.
    """

    merges: tuple[MergePreview, ...]
    contribution_bytes: int
    free_disk: int
    free_memory: int


@dataclass(frozen=True)
class MergePlans:
    """The plans of merges, by name, and of the merges without each expert, by name and by what they are without."""

    merges: Mapping[str, MergePlan]
    without: Mapping[str, Mapping[str, MergePlan]]

    @property
    def contribution_bytes(self) -> int:
        """What the merges without each expert write, each once."""
        plans = (plan for plans in self.without.values() for plan in plans.values())
        return sum({plan.output: plan.bytes_to_write for plan in plans}.values())

    def previews(self) -> tuple[MergePreview, ...]:
        """Return what each merge would do."""
        return tuple(preview(name, plan) for name, plan in self.merges.items())


def plan_merges(context: AppContext, options: MergeOptions, *, dry_run: bool = False) -> MergePlans:
    """Check and estimate merges; nothing is written.

    Args:
        dry_run: the plans are not going to be run; else mergekit is loaded meanwhile.
    """
    from sam_hub.merging.service import chosen_experts, plan_for, preload_for

    options.check()
    catalog, plans = context.catalog, {}
    choices = chosen_experts(catalog, options.target, options.by, options.experts)
    if not dry_run:
        preload_for(catalog, choices, options.method)
    for choice in choices:
        plans[choice.name] = plan_for(
            catalog,
            choice.experts,
            context.settings.merges,
            weights=choice.weights_by_score() if options.by_score else options.weights,
            selection_id=choice.selection.id if choice.selection else None,
            **options.recipe,
        )
    return MergePlans(plans, _plans_without_each(context, options))


def _plans_without_each(context: AppContext, options: MergeOptions) -> dict[str, dict[str, MergePlan]]:
    if not options.leave_one_out or options.target is None:
        return {}
    import shutil

    from humanize import naturalsize

    from sam_hub.catalog.tables import RankingMethod
    from sam_hub.catalog.targets import get_target
    from sam_hub.evaluation.leave_one_out import plans_without_each

    target, merges = get_target(context.catalog, options.target), context.settings.merges
    plans = {
        f"by {by}": plans_without_each(context.catalog, target, by, merges, **options.recipe)
        for by in (RankingMethod if options.by == By.both else (str(options.by),))
    }
    needed = MergePlans({}, plans).contribution_bytes
    free = shutil.disk_usage(context.catalog.path.parent).free
    if free < needed:
        raise DiskFull(
            f"The merges without each expert need {naturalsize(needed)}, and only {naturalsize(free)} is free",
            "Free some space (`sam-hub remove --merge unused`), or run without --leave-one-out.",
        )
    return plans


def preview_merges(context: AppContext, options: MergeOptions) -> MergesPreview:
    """Return what merging would do, in plain values."""
    import shutil

    import psutil

    plans = plan_merges(context, options, dry_run=True)
    return MergesPreview(
        plans.previews(),
        plans.contribution_bytes,
        shutil.disk_usage(context.catalog.path.parent).free,
        psutil.virtual_memory().available,
    )


def preview(name: str, plan: MergePlan) -> MergePreview:
    """Return what a plan would do, in plain values."""
    from sam_hub.merging.sanity_check import saved_check, seconds_needed

    report = plan.report
    check = saved_check(plan.output) if plan.reused else None
    check_seconds = seconds_needed(plan.recipe) if check is None and not report.errors else 0
    return MergePreview(
        name=name,
        method=plan.recipe.method,
        experts=tuple(f"{e.repo}@{e.commit}" for e in plan.recipe.experts),
        weights=tuple(e.weight for e in plan.recipe.experts),
        configuration=plan.config_text,
        errors=tuple(map(str, report.errors)),
        warnings=tuple(map(str, report.warnings)),
        notes=tuple(map(str, report.notes)),
        bytes=plan.bytes_to_write,
        memory=plan.memory,
        seconds=round(plan.seconds + check_seconds, 1),
        reused=plan.reused,
        problems=None if check is None else tuple(check.problems),
    )


@dataclass(frozen=True)
class MergeOutcome(MergePreview):
    """A merged model on disk, what its sanity check found (``problems``), and what else was made of it."""

    id: int
    path: str
    weights_sha256: str
    adapter: MergedAdapter | None = None
    contributions: Contributions | None = None


@dataclass(frozen=True)
class MergesOutcome:
    """The merges, in their order. ``warnings`` say what to know of those that serve the target, if one failed."""

    merges: tuple[MergeOutcome, ...]
    warnings: tuple[str, ...] = ()


def run_merges(
    context: AppContext, options: MergeOptions, reporter: Reporter = SILENT, plans: MergePlans | None = None
) -> MergesOutcome:
    """Merge, check each merge, and measure what else is wanted; a merge that is on disk is not made again.

    Args:
        plans: those of `plan_merges` for the same options; computed where not given.
    """
    from sam_hub.catalog.targets import get_target
    from sam_hub.evaluation.leave_one_out import leave_one_out
    from sam_hub.merging.service import merge_warnings

    plans = plans or plan_merges(context, options)
    outcomes = {name: _run_merge(context, options, name, plan, reporter) for name, plan in plans.merges.items()}
    for name, without in plans.without.items():
        target = get_target(context.catalog, str(options.target))
        found = leave_one_out(
            context.catalog, target, without, settings=context.settings, timeout=options.timeout, reporter=reporter
        )
        for line in found.lines(name):
            reporter.log(line)
        outcomes[name] = replace(outcomes[name], contributions=found)
    warnings: list[str] = []
    if options.target and any(outcome.problems for outcome in outcomes.values()):
        with suppress(CatalogError):  # experts that were named serve no selection
            warnings = merge_warnings(context.catalog, get_target(context.catalog, options.target))
    return MergesOutcome(tuple(outcomes.values()), tuple(warnings))


def _run_merge(
    context: AppContext, options: MergeOptions, name: str, plan: MergePlan, reporter: Reporter
) -> MergeOutcome:
    from sam_hub.merging.lora_extraction import extract_adapter
    from sam_hub.merging.service import merge_and_check

    reporter.log(f"{name}: {plan.recipe.method} of {', '.join(e.repo for e in plan.recipe.experts)}")
    planned, adapter = preview(name, plan), None
    reporter = reporter.named(name)
    row, check = merge_and_check(context.catalog, plan, context.settings, reporter, options.timeout)
    reporter.log(f"Merged: {row.path}")
    for problem in check.problems:
        reporter.log(f"Failed the sanity check: {problem}")
    if options.as_adapter or options.rank:
        adapter = extract_adapter(plan.recipe, Path(row.path), options.rank, reporter, options.timeout)
        for line in adapter.lines():
            reporter.log(line)
    values = {"problems": tuple(check.problems), "adapter": adapter, "contributions": None}
    facts = {"id": row.id, "path": row.path, "weights_sha256": row.weights_sha256}
    return copied(MergeOutcome, planned, **values, **facts)


def clean_up_merges(settings: Settings, options: MergeOptions) -> None:
    """Delete unfinished folders whose process is gone."""
    from sam_hub.merging.run import clean_up_merges

    clean_up_merges(settings.merges)
