"""Merges: of a target's chosen experts, or of experts that are named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sam_hub.errors import DiskFull
from sam_hub.evaluation.contributions import Contributions
from sam_hub.evaluation.validation import Validation
from sam_hub.merging.lora_extraction import MergedAdapter
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.merge_search import MergeSearch, MergeSearcher, SearchPlan, plan_search
from sam_hub.services.options import By, MergeOptions, copied

if TYPE_CHECKING:
    from sam_hub.config import Settings
    from sam_hub.inference.models import ModelLoader
    from sam_hub.merging.plan import MergePlan
    from sam_hub.services.context import AppContext
    from sam_hub.services.validated_merges import SampleVotes


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
        refused: why it must not answer for the target, if it is on disk and failed its check or its validation.
        serving: the merge that is used instead, in words; empty if there is none.
        search_plan: what a search will try before; None without one.
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
    refused: str
    serving: str
    search_plan: SearchPlan | None

    def findings(self) -> list[tuple[str, str]]:
        """Return what there is to know, in words: each with "error", "warning", "note", "done", "failed", or "cost"."""
        from humanize import naturalsize

        lists = {"error": self.errors, "warning": self.warnings, "note": self.notes}
        found = [(kind, text) for kind, texts in lists.items() for text in texts]
        if not self.errors:
            found.append(("done", "compatible: the checks found no error"))
        if self.reused:
            found.append(("done", f"already on disk{'; will be checked' if self.problems is None else ''}"))
            found += [("failed", f"failed the sanity check: {problem}") for problem in self.problems or ()]
            if self.refused and not self.problems:
                found.append(("failed", self.refused))
            elif self.problems == ():
                found.append(("done", "passed the sanity check"))
            if self.serving:
                found.append(("done", f"{self.serving} is used instead"))
        elif not self.errors:
            time = f"{self.seconds:.0f} s" if self.seconds < 100 else f"{self.seconds / 60:.0f} min"
            size, memory = naturalsize(self.bytes), naturalsize(self.memory)
            found.append(("cost", f"writes {size}, takes about {time} and {memory} of memory"))
        return found


@dataclass(frozen=True)
class MergesPreview:
    """What `run_merges` would do. ``free_disk`` and ``free_memory`` are in bytes.

    ``contribution_bytes``: what the merges without each expert write, at most. ``nothing``: why there is nothing to
    merge, and what answers; empty if there is.
    """

    merges: tuple[MergePreview, ...]
    contribution_bytes: int
    free_disk: int
    free_memory: int
    nothing: str = ""


@dataclass(frozen=True)
class MergePlans:
    """The plans of merges, by name, and of the merges without each expert, by name and by what they are without.

    ``standings``: why a merge that is on disk must not answer, and which one is used instead, by name. ``nothing``: why
    there is nothing to merge, and what answers. ``searches``: what a search will try, and what the last one tried.
    """

    merges: Mapping[str, MergePlan]
    without: Mapping[str, Mapping[str, MergePlan]]
    standings: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    nothing: str = ""
    searches: Mapping[str, SearchPlan] = field(default_factory=dict)

    @property
    def contribution_bytes(self) -> int:
        """What the merges without each expert write, each once."""
        plans = (plan for plans in self.without.values() for plan in plans.values())
        return sum({plan.output: plan.bytes_to_write for plan in plans}.values())

    def previews(self) -> tuple[MergePreview, ...]:
        """Return what each merge would do."""
        return tuple(
            preview(name, plan, *self.standings.get(name, ("", "")), self.searches.get(name))
            for name, plan in self.merges.items()
        )


def plan_merges(context: AppContext, options: MergeOptions, *, dry_run: bool = False) -> MergePlans:
    """Check and estimate merges; nothing is written.

    Args:
        dry_run: the plans are not going to be run; else mergekit is loaded meanwhile.
    """
    from sam_hub.catalog.tables import Target
    from sam_hub.merging.service import chosen_experts, plan_for, preload_for, standing

    options.check()
    catalog, plans, standings, searches = context.catalog, {}, {}, {}
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
        if choice.selection and plans[choice.name].reused:
            target, method = catalog.get(Target, choice.selection.target_id), choice.selection.method
            standings[choice.name] = standing(catalog, target, method, plans[choice.name].output)
        if options.search and choice.selection:
            searches[choice.name] = plan_search(catalog, choice.selection, plans[choice.name].recipe)
    if not plans:
        why = _base_answers(context, options) or f"No expert is chosen by {options.by}."
        return MergePlans({}, {}, nothing=f"There is nothing to merge. {why}")
    return MergePlans(plans, _plans_without_each(context, options), standings, searches=searches)


def _base_answers(context: AppContext, options: MergeOptions) -> str:
    """Return a sentence on why the untuned base answers for the target; empty if it does not."""
    from sam_hub.catalog.targets import get_target
    from sam_hub.merging.service import base_answers

    if options.target is None or options.experts:
        return ""
    return base_answers(context.catalog, get_target(context.catalog, options.target))


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
        plans.nothing,
    )


def preview(
    name: str, plan: MergePlan, refused: str = "", serving: str = "", search: SearchPlan | None = None
) -> MergePreview:
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
        refused=refused,
        serving=serving,
        search_plan=search,
    )


@dataclass(frozen=True)
class MergeOutcome(MergePreview):
    """A merged model on disk, what its sanity check found (``problems``), and what else was made of it.

    Args:
        rejected: a line on each merge that was tried before, and why it must not answer.
        validation: what the votes said of it; None if none were counted, for the reason in ``not_validated``.
        search: what was tried in memory before; None if that was not wanted.
    """

    id: int
    path: str
    weights_sha256: str
    rejected: tuple[str, ...] = ()
    validation: Validation | None = None
    not_validated: str = ""
    adapter: MergedAdapter | None = None
    contributions: Contributions | None = None
    search: MergeSearch | None = None

    @property
    def usable(self) -> bool:
        """Whether it passed the sanity check, and no vote is against it."""
        return not self.problems and (self.validation is None or self.validation.passed)


@dataclass(frozen=True)
class MergesOutcome:
    """The merges, in their order. ``warnings`` say which merges of the target can't be used, or are in doubt.

    ``base_answers``: a sentence, if there is nothing to merge, or no merge can be used. ``answer``: which of the merges
    answer, if votes have decided it.
    """

    merges: tuple[MergeOutcome, ...]
    warnings: tuple[str, ...] = ()
    base_answers: str = ""
    answer: str = ""


def run_merges(
    context: AppContext, options: MergeOptions, reporter: Reporter = SILENT, plans: MergePlans | None = None
) -> MergesOutcome:
    """Merge, check and validate each merge, and measure what else is wanted.

    A merge that is on disk is not made again. Instead of one that failed, others are tried (see
    `sam_hub.services.validated_merges`).

    Args:
        plans: those of `plan_merges` for the same options; computed where not given.
    """
    from sam_hub.catalog.targets import get_target
    from sam_hub.evaluation.leave_one_out import leave_one_out
    from sam_hub.inference.models import ModelLoader
    from sam_hub.merging.service import merge_warnings
    from sam_hub.services.validated_merges import sample_votes

    plans, settings = plans or plan_merges(context, options), context.settings
    if plans.nothing:
        reporter.log(plans.nothing)
        return MergesOutcome((), base_answers=plans.nothing)
    load = ModelLoader(device=settings.device, dtype=settings.dtype, threads=settings.threads)
    sampled = sample_votes(context, options, reporter)
    searcher = MergeSearcher(context, options, sampled, load)
    outcomes = {
        name: _run_merge(context, options, name, plan, searcher, load, reporter) for name, plan in plans.merges.items()
    }
    answer = _choose_answer_rule(context, options, sampled, load, reporter)
    del load  # and the model that it holds
    for name, without in plans.without.items():
        target = get_target(context.catalog, str(options.target))
        found = leave_one_out(
            context.catalog, target, without, settings=context.settings, timeout=options.timeout, reporter=reporter
        )
        for line in found.lines(name):
            reporter.log(line)
        outcomes[name] = replace(outcomes[name], contributions=found)
    warnings: list[str] = []
    if options.target and not options.experts:
        warnings = merge_warnings(context.catalog, get_target(context.catalog, options.target))
    return MergesOutcome(tuple(outcomes.values()), tuple(warnings), _base_answers(context, options), answer)


def _choose_answer_rule(
    context: AppContext, options: MergeOptions, sampled: SampleVotes, load: ModelLoader, reporter: Reporter
) -> str:
    """Return a sentence on which merges answer for the target; empty if there is nothing to choose."""
    from sam_hub.catalog.targets import get_target
    from sam_hub.services.answer_rule import answer_in_words, choose_answer_rule

    if sampled.votes is None:
        return ""
    rule = choose_answer_rule(context, get_target(context.catalog, str(options.target)), sampled, load, reporter)
    if rule is None:
        return ""
    reporter.log(answer_in_words(rule))
    return answer_in_words(rule)


def _run_merge(
    context: AppContext,
    options: MergeOptions,
    name: str,
    plan: MergePlan,
    searcher: MergeSearcher,
    load: ModelLoader,
    reporter: Reporter,
) -> MergeOutcome:
    from sam_hub.merging.lora_extraction import extract_adapter
    from sam_hub.services.validated_merges import make_usable_merge

    reporter.log(f"{name}: {plan.recipe.method} of {', '.join(e.repo for e in plan.recipe.experts)}")
    reporter, adapter, found = reporter.named(name), None, None
    if options.search:
        plan, found = searcher.search(plan, reporter)
    made = make_usable_merge(context, options, plan, searcher.sampled, load, reporter, found)
    if options.as_adapter or options.rank:
        adapter = extract_adapter(made.plan.recipe, Path(made.row.path), options.rank, reporter, options.timeout)
        for line in adapter.lines():
            reporter.log(line)
    return copied(
        MergeOutcome,
        preview(name, made.plan),
        problems=tuple(made.check.problems),
        adapter=adapter,
        contributions=None,
        id=made.row.id,
        path=made.row.path,
        weights_sha256=made.row.weights_sha256,
        rejected=made.rejected,
        validation=made.validation,
        not_validated=made.not_validated,
        search=found,
    )


def clean_up_merges(settings: Settings, options: MergeOptions) -> None:
    """Delete unfinished folders whose process is gone."""
    from sam_hub.merging.run import clean_up_merges

    clean_up_merges(settings.merges)
