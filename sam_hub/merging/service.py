"""Merge experts of the catalog, and keep the merged model there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import base_of, folder_on_disk, get_base, resolve_experts
from sam_hub.catalog.history import latest_selection, list_merges, merges_of_selection, record_merge, validations_of
from sam_hub.catalog.tables import RankingMethod, ValidationOutcome
from sam_hub.catalog.targets import get_target
from sam_hub.errors import CatalogError, InputError, Interrupted, UsageError
from sam_hub.inference.cached_predict import base_of_merge
from sam_hub.inference.models import LoadedModel
from sam_hub.merging.mergekit_tasks import preload_mergekit
from sam_hub.merging.methods import DEFAULT_METHOD, get_method
from sam_hub.merging.plan import MergePlan, merge_folder, plan_merge, read_record
from sam_hub.merging.recipe import make_recipe, pin, recipe_hash, to_json
from sam_hub.merging.run import clean_up_merges, run_merge
from sam_hub.merging.sanity_check import UNCHECKED, CheckResult, check_merge, problem_in_words
from sam_hub.progress import SILENT, Reporter


@dataclass(frozen=True)
class Choice:
    """Experts to merge: those of a selection, or those that a person named ("by hand")."""

    name: str
    experts: list[tables.Expert]
    selection: tables.Selection | None = None

    def weights_by_score(self) -> tuple[float, ...]:
        """Return a weight for each expert: its score in the selection's ranking over the mean of theirs.

        Raises:
            UsageError: they were named or chosen by hand, or a score is not positive.
        """
        scored = {row["expert"]: row["score"] for row in self.selection.ranking} if self.selection else {}
        scores = [score for expert in self.experts if (score := scored.get(expert.repo)) is not None]
        if len(scores) < len(self.experts):
            raise UsageError("--by-score needs experts that a ranking chose", "Use --weight, or no weights.")
        for expert, score in zip(self.experts, scores, strict=True):
            if score <= 0:
                raise UsageError(
                    f"{expert.repo} has a score of {score:.2f} {self.name}, which can't be a weight",
                    "Choose fewer experts, or give each a weight.",
                )
        mean = sum(scores) / len(scores)
        return tuple(round(score / mean, 4) for score in scores)


def chosen_experts(catalog: Catalog, target: str | None, by: str, names: Sequence[str]) -> list[Choice]:
    """Return what to merge: experts that were named, or a target's latest selections, without those of no expert.

    Args:
        by: "similarity", "sampling" or "both"; not looked at where experts are named.

    Raises:
        UsageError: neither a target nor experts are given.
        CatalogError: the target has no such selection yet, or a chosen expert was removed since.
    """
    if names:
        return [Choice("by hand", resolve_experts(catalog, names))]
    if target is None:
        raise UsageError("Nothing to merge", "Name a target, or experts with --expert.")
    row = get_target(catalog, target)
    methods = list(RankingMethod) if by == "both" else [RankingMethod(by)]
    latest = {method: latest_selection(catalog, row.id, method) for method in methods}
    if missing := [method for method, selection in latest.items() if selection is None]:
        raise CatalogError(
            f"{row.name} has no selection by {' and '.join(missing)}", f"Run `sam-hub select {row.name}` first."
        )
    return [
        Choice(f"by {method}", resolve_experts(catalog, selection.chosen), selection)
        for method, selection in latest.items()
        if selection and selection.chosen
    ]


def preload_for(catalog: Catalog, choices: Sequence[Choice], method: str) -> None:
    """Load mergekit in a thread while merges are planned, unless it looks as if all of them are on disk.

    Raises:
        UsageError: there is no such method.
    """
    get_method(method)
    on_disk = [merge.refs for merge in list_merges(catalog) if merge.method == method and Path(merge.path).is_dir()]
    if any({expert.ref for expert in choice.experts} not in on_disk for choice in choices):
        preload_mergekit()


def plan_for(
    catalog: Catalog,
    experts: Sequence[tables.Expert],
    merges: Path,
    *,
    method: str = DEFAULT_METHOD,
    parameters: Mapping[str, Any] | None = None,
    weights: Sequence[float] | None = None,
    seed: int = 0,
    stable: bool = False,
    selection_id: int | None = None,
) -> MergePlan:
    """Plan a merge of experts of one base. The same experts by the same method are one merge, in any order.

    Args:
        merges: the folder of merged models.
        weights: one for each expert; all alike by default.
        selection_id: the selection for which it is made.

    Raises:
        InputError: they are not of one base, or not on disk.
        UsageError: the method or a parameter is unknown.
    """
    bases = {base.weights_sha256: base for base in (base_of(catalog, expert) for expert in experts)}
    if len(bases) != 1:
        names = ", ".join(f"{e.repo} of {e.base_repo}" for e in experts)
        raise InputError(f"The experts have different bases: {names}", "Merge experts with the same base.")
    (base,) = bases.values()
    if weights and len(weights) != len(experts):
        raise UsageError(f"{len(weights)} weights for {len(experts)} experts", "Give one weight for each expert.")
    weighted = zip(experts, weights or [1.0] * len(experts), strict=True)
    inputs = [
        pin(folder_on_disk(expert.path, expert.repo), expert.repo, expert.commit, weight)
        for expert, weight in sorted(weighted, key=lambda pair: pair[0].repo)
    ]
    pinned = pin(folder_on_disk(base.path, base.repo, experts[0].repo), base.repo, base.commit)
    recipe = make_recipe(pinned, inputs, method=method, parameters=parameters, seed=seed, stable=stable)
    licenses = {expert.repo: expert.license for expert in experts} | {base.repo: base.license}
    return plan_merge(recipe, merge_folder(recipe, merges), licenses, selection_id=selection_id)


def merge(catalog: Catalog, plan: MergePlan, reporter: Reporter = SILENT, timeout: float | None = None) -> tables.Merge:
    """Run a plan and record the merged model; one that is there already is not made again.

    Args:
        plan: of `plan_for`; what killed merges left in the same home is deleted.

    Raises:
        UnusableModel, DiskFull, SamHubError: as `run_merge`.
    """
    clean_up_merges(plan.output.parent)
    folder = run_merge(plan, reporter, timeout)
    record = read_record(folder)
    row = tables.Merge(
        recipe_hash=recipe_hash(plan.recipe),
        method=plan.recipe.method,
        recipe=to_json(plan.recipe),
        path=str(folder),
        weights_sha256=record["weights_sha256"],
        seconds=record["seconds"],
    )
    return record_merge(catalog, row, plan.selection_id)


def merge_and_check(
    catalog: Catalog,
    plan: MergePlan,
    load: Callable[[Path], LoadedModel],
    reporter: Reporter = SILENT,
    timeout: float | None = None,
) -> tuple[tables.Merge, CheckResult]:
    """Merge as `merge` does, and check the merged model, which ``load`` loads last.

    Raises:
        Interrupted: the person stopped the check; the merge is whole, and stays.
        UnusableModel, DiskFull, SamHubError: as `merge`.
    """
    row = merge(catalog, plan, reporter, timeout)
    try:
        return row, check_merge(plan.recipe, Path(row.path), load, reporter)
    except KeyboardInterrupt as stop:
        raise Interrupted(
            "Interrupted before the sanity check ended",
            "The merge is complete, but not checked. Run the same command again to check it.",
        ) from stop


def in_words(merge: tables.Merge) -> str:
    """Return a line on a merge, such as "merge 3: ties (density 0.5) of acme/ner-law, 0.4 × acme/ner-news"."""
    parameters = ", ".join(f"{name} {value}" for name, value in merge.recipe["parameters"].items())
    experts = merge.recipe["experts"]
    plain = all(item["weight"] == 1 for item in experts)
    names = [item["repo"] if plain else f"{item['weight']:.2g} × {item['repo']}" for item in experts]
    if plain and len(experts) == 1:
        return f"merge {merge.id}: {names[0]} alone"
    return f"merge {merge.id}: {merge.method}{f' ({parameters})' if parameters else ''} of {', '.join(names)}"


def serving_merges(catalog: Catalog, target: tables.Target) -> list[str]:
    """Return a line on the merge that serves each of a target's selections, and on a newer one that is gone.

    There are none if the base answers: `merge_warnings` says so.

    Raises:
        CatalogError: as `merges_for`.
    """
    lines = []
    for method, merge in merges_for(catalog, target).items():
        lines.append(f"by {method}, {in_words(merge)}")
        newer = _candidates(catalog, target, method)[0].merge
        if newer.id != merge.id and not Path(newer.path).is_dir():
            lines.append(f"  ({in_words(newer)} was made later, and is no longer on disk)")
    return lines


@dataclass(frozen=True)
class _Candidate:
    """A merge that was made for a selection. ``problem`` speaks against it, and ``ruined`` forbids to use it."""

    merge: tables.Merge
    problem: str
    ruined: bool


def merge_warnings(catalog: Catalog, target: tables.Target) -> list[str]:
    """Return what a person must know of the merges of a target, a line each; empty if all may be used.

    That the one that serves is in doubt, and what to do; that a newer one can't be used, and is passed over; or that
    none can be used, or none was chosen, so the base answers.
    """
    lines: dict[str, None] = {}
    for method in RankingMethod:
        candidates = [one for one in _candidates(catalog, target, method) if Path(one.merge.path).is_dir()]
        serving = _serving(candidates)
        if candidates and serving is None:
            lines[f"Warning: no merge by {method} can be used: {_in_short(candidates[0])}."] = None
        elif serving is not None:
            if serving.problem:
                lines[f"Warning: {_in_short(serving)}. To check it, run `sam-hub merge {target.name}` again."] = None
            for newer in candidates[: candidates.index(serving)]:
                lines[f"Merge {serving.merge.id} stays in use: the newer {_in_short(newer)}."] = None
    return [*lines, *filter(None, [base_answers(catalog, target)])]


def _in_short(candidate: _Candidate) -> str:
    return f"merge {candidate.merge.id} {candidate.problem.removesuffix('.')}"


def merge_problem(catalog: Catalog, target: tables.Target, method: str, merge: tables.Merge) -> str:
    """Return what speaks against a merge for a target's selection, to be put behind its name; or nothing."""
    return next((one.problem for one in _candidates(catalog, target, method) if one.merge.id == merge.id), "")


def standing(catalog: Catalog, target: tables.Target, method: str, folder: Path) -> tuple[str, str]:
    """Return why the merge in a folder must not answer for a target, and which merge answers instead, in words.

    Both are empty where they do not apply.
    """
    candidates = _candidates(catalog, target, method)
    own = next((one for one in candidates if Path(one.merge.path) == folder), None)
    if own is None or not own.ruined:
        return "", ""
    serving = _serving(candidates)
    return own.problem, in_words(serving.merge) if serving else ""


def passed_methods(catalog: Catalog, target: tables.Target) -> list[str]:
    """Return the rankings ("similarity", "sampling") of a target whose serving merge nothing speaks against."""
    serving = {method: _serving(_candidates(catalog, target, method)) for method in RankingMethod}
    return [str(method) for method, candidate in serving.items() if candidate and not candidate.problem]


def _candidates(catalog: Catalog, target: tables.Target, method: str) -> list[_Candidate]:
    """Return the merges that were made for the latest selection of a target, the last made first."""
    selection = latest_selection(catalog, target.id or 0, method)
    if selection is None:
        return []
    validations, candidates = validations_of(catalog, selection.id), []
    for merge in merges_of_selection(catalog, selection.id):
        problem, validation = problem_in_words(Path(merge.path)), validations.get(merge.id)
        ruined = bool(problem) and problem != UNCHECKED
        if not problem and validation is None:
            problem = f"was not validated for {target.name}"
        elif not problem and validation and validation.outcome == ValidationOutcome.REJECTED:
            problem, ruined = f"was rejected: {validation.reason}", True
        candidates.append(_Candidate(merge, problem, ruined))
    return candidates


def _serving(candidates: Sequence[_Candidate]) -> _Candidate | None:
    """Return the newest candidate on disk that nothing speaks against, else the newest that is in doubt."""
    usable = [one for one in candidates if not one.ruined and Path(one.merge.path).is_dir()]
    return next((one for one in usable if not one.problem), usable[0] if usable else None)


def base_answers(catalog: Catalog, target: tables.Target) -> str:
    """Return a sentence on why the untuned base answers for a target; empty if a merge does, or may yet."""
    try:
        base = None if merges_for(catalog, target) else answering_base(catalog, target)
    except CatalogError:  # not merged yet
        return ""
    except InputError as error:
        return str(error)
    failed = any(_candidates(catalog, target, method) for method in RankingMethod)
    why = "No merge can be used" if failed else f"No expert covers any of the labels {', '.join(target.labels)}"
    return f"{why}: the untuned base {base.repo} answers for {target.name}." if base else ""


def answering_base(catalog: Catalog, target: tables.Target) -> tables.Base:
    """Return the untuned base that answers for a target for which `merges_for` has no merge.

    Raises:
        InputError: it is not in the catalog.
    """
    for method in RankingMethod:
        for candidate in _candidates(catalog, target, method):
            return base_of_merge(catalog, candidate.merge)
    selections = [latest_selection(catalog, target.id, method) for method in RankingMethod]
    repos = [selection.parameters["fit"]["base"] for selection in selections if selection and not selection.chosen]
    if not any(repos):
        raise InputError(
            f"No expert fits {target.name}, and no base is on disk", "Pull an expert: its base comes, too."
        )
    return get_base(catalog, next(filter(None, repos)))


def merges_for(
    catalog: Catalog, target: tables.Target, needed: Collection[str] = tuple(RankingMethod), *, newest: bool = False
) -> dict[str, tables.Merge]:
    """Return the merge that serves each of a target's latest selections, by "similarity" and "sampling".

    That is the newest one which passed the sanity check and the validation by votes. Where none has, it is the newest
    one that was not checked or validated: `merge_warnings` says so. One that failed never serves. The result is empty
    if no expert was chosen, or all merges failed: then the base answers (see `answering_base`).

    Args:
        needed: those that must be merged; another one whose selection is not merged is left out.
        newest: take the newest ones, whatever speaks against them.

    Raises:
        CatalogError: there is no selection, or one that is needed was not merged yet.
    """
    serving, selected = {}, False
    for method in RankingMethod:
        if (selection := latest_selection(catalog, target.id, method)) is None:
            continue
        selected = True
        candidates = [one for one in _candidates(catalog, target, method) if Path(one.merge.path).is_dir()]
        if candidate := candidates[0] if newest and candidates else _serving(candidates):
            serving[method.value] = candidate.merge
        elif not candidates and selection.chosen and method in needed:
            raise CatalogError(
                f"The experts that {method} chose for {target.name} are not merged yet",
                f"Run `sam-hub merge {target.name}`.",
            )
    if not serving and not selected:
        raise CatalogError(f"{target.name} has no selection yet", f"Run `sam-hub select {target.name}` first.")
    return serving
