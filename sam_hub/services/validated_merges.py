"""Make a merge that may answer: the one that was asked for, or the next that passes its check and the votes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from sam_hub.errors import CatalogError, InputError, Interrupted, SamHubError, UnusableModel
from sam_hub.evaluation.validation import Validation
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.options import MergeOptions

if TYPE_CHECKING:
    from sam_hub.catalog.tables import Merge
    from sam_hub.inference.models import ModelLoader
    from sam_hub.merging.plan import MergePlan
    from sam_hub.merging.sanity_check import CheckResult
    from sam_hub.selection.votes import Votes
    from sam_hub.services.context import AppContext
    from sam_hub.services.merge_search import MergeSearch

BASE = "untuned base"
SUM = "task_arithmetic"  # of the deltas, each by its weight: of one expert, the base plus that expert


@dataclass(frozen=True)
class SampleVotes:
    """The votes on a target's sample, or why there are none; ``free``: the experts were asked without a grammar."""

    votes: Votes | None = None
    reason: str = ""
    free: bool = False


@dataclass(frozen=True)
class CheckedMerge:
    """A merge that was made, and what was found. ``rejected``: a line on each that was tried before.

    ``validation`` is None if no votes were counted: ``not_validated`` says why.
    """

    plan: MergePlan
    row: Merge
    check: CheckResult
    validation: Validation | None
    not_validated: str = ""
    rejected: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether nothing speaks against the merge."""
        return self.check.passed and (self.validation is None or self.validation.passed)

    def rejection(self) -> str:
        """Return a line on why the merge must not answer."""
        from sam_hub.merging.service import in_words

        problems = self.check.problems or (self.validation.problems if self.validation else ())
        return f"{in_words(self.row)}: {'; '.join(problems)}"


def sample_votes(context: AppContext, options: MergeOptions, reporter: Reporter = SILENT) -> SampleVotes:
    """Return the votes of the target's ranking by sampling. No expert predicts, unless something has changed."""
    from sam_hub.catalog.history import latest_selection
    from sam_hub.catalog.tables import RankingMethod
    from sam_hub.catalog.targets import get_target
    from sam_hub.selection.service import repeat_votes

    if not options.validate:
        return SampleVotes(reason="--no-validate was given")
    if options.target is None or options.experts:
        return SampleVotes(reason="experts that are named have no selection, and so no votes")
    target = get_target(context.catalog, options.target)
    selection = latest_selection(context.catalog, target.id, RankingMethod.SAMPLING)
    if selection is None:
        return SampleVotes(reason=f"{target.name} has no ranking by sampling, and so no votes")
    if "sentences" not in selection.parameters:
        return SampleVotes(reason=f"there are no votes for {target.name}")
    try:
        votes = repeat_votes(context.catalog, target, selection, settings=context.settings, reporter=reporter)
    except (CatalogError, InputError, UnusableModel) as error:
        return SampleVotes(reason=f"the votes can't be counted: {error.title}")
    return SampleVotes(votes, free=selection.parameters.get("free", False))


def make_usable_merge(
    context: AppContext,
    options: MergeOptions,
    plan: MergePlan,
    sampled: SampleVotes,
    load: ModelLoader,
    reporter: Reporter = SILENT,
    search: MergeSearch | None = None,
) -> CheckedMerge:
    """Merge by a plan, check it and validate it. If it fails, try the next candidates (see `candidates`).

    Args:
        search: what was tried in memory before; kept with the validation.

    Returns:
        The first that passed. If all failed, or nothing else is to be tried, the merge of the plan.
    """
    best_first = _inputs(context, plan, sampled.votes)
    asked = _make(context, options, plan, best_first, sampled, load, reporter, search)
    if asked.usable or plan.selection_id is None or not options.validate:
        return asked
    rejected = [asked.rejection()]
    for candidate in candidates(context, options, plan, best_first, reporter):
        reporter.log(f"Rejected: {rejected[-1]}")
        made = _make(context, options, candidate, best_first, sampled, load, reporter, search)
        if made.usable:
            return replace(made, rejected=tuple(rejected))
        rejected.append(made.rejection())
    reporter.log(f"Rejected: {rejected[-1]}")
    return replace(asked, rejected=tuple(rejected))


def _inputs(context: AppContext, plan: MergePlan, votes: Votes | None) -> list[str]:
    """Return the experts of a plan: those that predicted on the sample by their votes, then the others as ranked."""
    from sam_hub.catalog.tables import Selection
    from sam_hub.evaluation.validation import input_scores

    repos = [expert.repo for expert in plan.recipe.experts]
    if plan.selection_id is not None:
        chosen = [ref.rpartition("@")[0] for ref in context.catalog.get(Selection, plan.selection_id).chosen]
        repos.sort(key=lambda repo: chosen.index(repo) if repo in chosen else len(chosen))
    if votes is None:
        return repos
    scored = [scores.name for scores in input_scores(votes, [repo for repo in repos if repo in votes.predictions])]
    return [*scored, *(repo for repo in repos if repo not in scored)]


def _make(
    context: AppContext,
    options: MergeOptions,
    plan: MergePlan,
    inputs: Sequence[str],
    sampled: SampleVotes,
    load: ModelLoader,
    reporter: Reporter,
    search: MergeSearch | None,
) -> CheckedMerge:
    """Make, check and validate one merge. ``inputs`` are those of the first candidate, best first."""
    from sam_hub.merging.service import merge_and_check

    row, check = merge_and_check(context.catalog, plan, load, reporter, options.timeout)
    reporter.log(f"Merged: {row.path}")
    for problem in check.problems:
        reporter.log(f"Failed the sanity check: {problem}")
    if not check.passed:
        return CheckedMerge(plan, row, check, None)
    try:
        validation, reason = _validate(context, row, inputs, sampled, load, reporter)
    except KeyboardInterrupt as stop:
        raise Interrupted(
            "Interrupted before the merge was validated",
            "The merge is complete. Run the same command again to validate it, or with --no-validate.",
        ) from stop
    _record(context, plan, row, validation, reason, search)
    reporter.log(f"Validation: {validation.in_words()}" if validation else f"Not validated: {reason}")
    return CheckedMerge(plan, row, check, validation, reason)


def _validate(
    context: AppContext, row: Merge, inputs: Sequence[str], sampled: SampleVotes, load: ModelLoader, reporter: Reporter
) -> tuple[Validation | None, str]:
    """Return what the votes say of a merge; None and a reason if they say nothing."""
    from sam_hub.evaluation.validation import validate
    from sam_hub.inference.cached_predict import ask, base_model, base_of_merge, merged_model

    votes = sampled.votes
    if votes is None:
        return None, sampled.reason
    voting = [repo for repo in inputs if repo in votes.predictions]
    if not voting:
        return None, "its experts are not in the ranking by sampling"
    models = [merged_model(context.catalog, row, f"merge {row.id}")]
    try:
        models.append(replace(base_model(base_of_merge(context.catalog, row), models[0].prompt_format), name=BASE))
    except InputError as error:  # the base was removed since
        reporter.log(f"Not compared with the untuned base: {error.title}")
    answers = ask(
        context.catalog,
        models,
        votes.sentences,
        votes.labels,
        settings=context.settings,
        free=sampled.free,
        reporter=reporter,
        load=load,
    )
    merged, base = answers[models[0].name], answers.get(BASE)
    untuned = (base.entities, base.parse_failures) if base else None
    alone = _is_alone(row, voting[0])
    return validate(votes, voting, merged.entities, merged.parse_failures, untuned, alone=alone), ""


def _is_alone(row: Merge, repo: str) -> bool:
    """Return whether a merge is the base plus this one expert."""
    return row.method == SUM and [(item["repo"], item["weight"]) for item in row.inputs] == [(repo, 1.0)]


def _record(
    context: AppContext,
    plan: MergePlan,
    row: Merge,
    validation: Validation | None,
    reason: str,
    search: MergeSearch | None,
) -> None:
    from sam_hub.catalog.history import record_validation
    from sam_hub.catalog.tables import MergeValidation, ValidationOutcome

    if plan.selection_id is None:
        return
    if validation is None:
        outcome, figures = ValidationOutcome.SKIPPED, {}
    else:
        outcome = ValidationOutcome.PASSED if validation.passed else ValidationOutcome.REJECTED
        reason, figures = "; ".join(validation.problems), validation.to_json()
        figures |= {"search": asdict(search)} if search else {}
    record_validation(
        context.catalog,
        MergeValidation(
            selection_id=plan.selection_id, merge_id=row.id, outcome=outcome, reason=reason, figures=figures
        ),
    )


def candidates(
    context: AppContext, options: MergeOptions, plan: MergePlan, best_first: Sequence[str], reporter: Reporter = SILENT
) -> Iterator[MergePlan]:
    """Plan what is tried after a merge that failed, one after another.

    The same experts by other weights, the sum of their deltas or its mean; the best k - 1 of them, and so on; at last
    the best one alone. A candidate that can't be merged is left out, with a line in the log.
    """
    from sam_hub.catalog.experts import resolve_experts
    from sam_hub.merging.recipe import recipe_hash
    from sam_hub.merging.service import plan_for

    inputs, count = {expert.repo: expert for expert in plan.recipe.experts}, len(plan.recipe.experts)
    summed: Mapping[str, Any] = {"method": SUM, "parameters": {"density": 1.0}, "seed": options.seed}
    weight = 1 / count if plan.recipe.method == SUM else 1.0
    tries: list[tuple[int, Sequence[float], Mapping[str, Any]]] = [(count, [weight] * count, summed)]
    for fewer in range(count - 1, 1, -1):
        tries.append((fewer, [inputs[repo].weight for repo in best_first[:fewer]], options.recipe))
    tries.append((1, [1.0], summed))
    seen = {recipe_hash(plan.recipe)}
    for size, weights, recipe in tries:
        refs = [f"{repo}@{inputs[repo].commit}" for repo in best_first[:size]]
        try:
            candidate = plan_for(
                context.catalog,
                resolve_experts(context.catalog, refs),
                context.settings.merges,
                weights=weights,
                selection_id=plan.selection_id,
                **recipe,
            )
            candidate.report.raise_errors()
        except SamHubError as error:  # the method can't merge so few, for example
            reporter.log(f"Not tried: {recipe['method']} of {', '.join(best_first[:size])}: {error.title}")
            continue
        if recipe_hash(candidate.recipe) not in seen:
            seen.add(recipe_hash(candidate.recipe))
            yield candidate
