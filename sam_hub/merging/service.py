"""Merge experts of the catalog, and keep the merged model there."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import base_of, resolve_experts
from sam_hub.catalog.history import latest_selection, merges_of_selection, record_merge
from sam_hub.catalog.tables import RankingMethod
from sam_hub.catalog.targets import get_target
from sam_hub.config import Settings
from sam_hub.errors import CatalogError, InputError, Interrupted, UsageError
from sam_hub.merging.methods import DEFAULT_METHOD
from sam_hub.merging.plan import RECORD, MergePlan, merge_folder, plan_merge
from sam_hub.merging.recipe import make_recipe, pin, recipe_hash, to_json
from sam_hub.merging.run import run_merge, sweep_merges
from sam_hub.merging.sanity_check import UNCHECKED, CheckResult, check_merge, problem_in_words
from sam_hub.progress import SILENT, Reporter


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
) -> MergePlan:
    """Plan a merge of experts of one base. The same experts by the same method are one merge, in any order.

    Raises:
        InputError: they are not of one base, or not on disk.
        UsageError: the method or a parameter is unknown.
    """
    bases = {base_of(catalog, expert).weights_sha256: base_of(catalog, expert) for expert in experts}
    if len(bases) != 1:
        names = ", ".join(f"{e.repo} of {e.base_repo}" for e in experts)
        raise InputError(f"The experts are not of one base: {names}", "Merge experts of one base.")
    base = next(iter(bases.values()))
    if weights and len(weights) != len(experts):
        raise UsageError(f"{len(weights)} weights for {len(experts)} experts", "Give one weight for each expert.")
    shares = dict(zip((e.repo for e in experts), weights or [1.0] * len(experts), strict=True))
    inputs = []
    for expert in sorted(experts, key=lambda e: e.repo):
        if not expert.path or not Path(expert.path).is_dir():
            raise InputError(f"{expert.repo} is not on disk", f"Run `sam-hub pull {expert.repo}` first.")
        inputs.append(pin(Path(expert.path), expert.repo, expert.commit, shares[expert.repo]))
    if not base.path or not Path(base.path).is_dir():
        raise InputError(
            f"The base {base.repo} is not on disk", f"Run `sam-hub pull {experts[0].repo}`, which fetches it, too."
        )
    pinned = pin(Path(base.path), base.repo, base.commit)
    recipe = make_recipe(pinned, inputs, method=method, parameters=parameters, seed=seed, stable=stable)
    licenses = {expert.repo: expert.license for expert in experts} | {base.repo: base.license}
    return plan_merge(recipe, merge_folder(recipe, merges), licenses)


def merge(
    catalog: Catalog,
    plan: MergePlan,
    reporter: Reporter = SILENT,
    timeout: float | None = None,
    *,
    selection_id: int | None = None,
) -> tables.Merge:
    """Run a plan and record the merged model; one that is there already is not made again.

    Args:
        plan: of `plan_for`; what killed merges left in the same home is deleted.
        selection_id: the selection for which it is made; None for one to compare with, or of experts named by hand.

    Raises:
        UnusableModel, DiskFull, SamHubError: as `run_merge`.
    """
    sweep_merges(plan.output.parent)
    folder = run_merge(plan, reporter, timeout)
    made = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    row = tables.Merge(
        recipe_hash=recipe_hash(plan.recipe),
        method=plan.recipe.method,
        recipe=to_json(plan.recipe),
        path=str(folder),
        weights_sha256=made["weights_sha256"],
        seconds=made["seconds"],
    )
    return record_merge(catalog, row, selection_id)


def merge_and_check(
    catalog: Catalog,
    plan: MergePlan,
    settings: Settings,
    reporter: Reporter = SILENT,
    timeout: float | None = None,
    *,
    selection_id: int | None = None,
) -> tuple[tables.Merge, CheckResult]:
    """Merge as `merge` does, and check the merged model.

    Raises:
        Interrupted: the person stopped the check; the merge is whole, and stays.
        UnusableModel, DiskFull, SamHubError: as `merge`.
    """
    row = merge(catalog, plan, reporter, timeout, selection_id=selection_id)
    try:
        result = check_merge(
            plan.recipe,
            Path(row.path),
            device=settings.device,
            dtype=settings.dtype,
            threads=settings.threads,
            reporter=reporter,
        )
    except KeyboardInterrupt as stop:
        raise Interrupted(
            "Interrupted before the check of the merge had ended",
            "The merge is whole, but not checked. Merge as before: it is checked then, and not made again.",
        ) from stop
    return row, result


def chosen_experts(
    catalog: Catalog, target: str | None, by: str, names: Sequence[str]
) -> dict[str, list[tables.Expert]]:
    """What to merge, by name: experts that were named, or a target's latest selections.

    Args:
        by: "similarity", "sampling" or "both"; not looked at where experts are named.

    Raises:
        UsageError: neither a target nor experts are given.
        CatalogError: the target has no such selection yet, or a chosen expert was removed since.
    """
    if names:
        return {"by hand": resolve_experts(catalog, names)}
    if target is None:
        raise UsageError("Nothing says what to merge", "Name a target, or experts with --expert.")
    goal = get_target(catalog, target)
    methods = list(RankingMethod) if by == "both" else [RankingMethod(by)]
    latest = {method: latest_selection(catalog, goal.id, method) for method in methods}
    if missing := [method for method, selection in latest.items() if selection is None]:
        raise CatalogError(
            f"{goal.name} has no selection by {' and '.join(missing)}", f"Run `sam-hub select {goal.name}` first."
        )
    return {
        f"by {method}": resolve_experts(catalog, selection.chosen) for method, selection in latest.items() if selection
    }


def selection_of(catalog: Catalog, target: str | None, name: str) -> int | None:
    """Return the id of the selection that `chosen_experts` names; None where experts were named by hand."""
    method = name.removeprefix("by ")
    if target is None or method not in tuple(RankingMethod):
        return None
    selection = latest_selection(catalog, get_target(catalog, target).id or 0, method)
    return selection.id if selection else None


def weights_by_score(
    catalog: Catalog, target: str | None, name: str, experts: Sequence[tables.Expert]
) -> tuple[float, ...]:
    """A weight for each of a selection's experts: its score in that ranking over the mean of theirs.

    Args:
        name: as `chosen_experts` names the merge.

    Raises:
        UsageError: they were named or chosen by hand, or a score is not positive.
    """
    method = name.removeprefix("by ")
    found = latest_selection(catalog, get_target(catalog, target).id, method) if target else None
    scores = {row["expert"]: row["score"] for row in (found.ranking if found else [])}
    if method not in tuple(RankingMethod) or any(scores.get(expert.repo) is None for expert in experts):
        raise UsageError(
            "Experts that no ranking chose have no scores to weigh them by", "Give each a weight, or none."
        )
    if low := [expert.repo for expert in experts if scores[expert.repo] <= 0]:
        raise UsageError(
            f"{low[0]} has a score of {scores[low[0]]:.2f} by {method}, which is no weight",
            "Choose fewer experts, or give each a weight.",
        )
    mean = sum(scores[expert.repo] for expert in experts) / len(experts)
    return tuple(round(scores[expert.repo] / mean, 4) for expert in experts)


def in_words(merge: tables.Merge) -> str:
    """A merge in a line, such as "merge 3: ties (density 0.5) of acme/ner-law, 0.4 × acme/ner-news"."""
    set_ = ", ".join(f"{name} {value}" for name, value in merge.recipe["parameters"].items())
    weights = [item["weight"] for item in merge.recipe["experts"]]
    same = len(set(weights)) == 1
    names = [
        item["repo"] if same else f"{weight:.2g} × {item['repo']}"
        for weight, item in zip(weights, merge.recipe["experts"], strict=True)
    ]
    return f"merge {merge.id}: {merge.method}{f' ({set_})' if set_ else ''} of {', '.join(names)}"


def serving_merges(catalog: Catalog, target: tables.Target) -> list[str]:
    """Which merge serves each of a target's selections, a line each; and a newer one that is not on disk any more.

    Raises:
        CatalogError: as `merges_for`.
    """
    lines = []
    for method, merge in merges_for(catalog, target).items():
        lines.append(f"by {method}, {in_words(merge)}")
        newer = _merges_of(catalog, target, method)[0]
        if newer.id != merge.id and not Path(newer.path).is_dir():
            lines.append(f"  ({in_words(newer)} was made later, and is not on disk any more)")
    return lines


def merge_warnings(catalog: Catalog, target: tables.Target) -> list[str]:
    """What a person must know of the merges that serve a target, a line each; empty where all passed the check.

    That one did not pass, and what to do; or that a newer one did not, and is passed over.
    """
    lines: dict[str, None] = {}
    for method, merge in merges_for(catalog, target, needed=()).items():
        doubt = problem_in_words(Path(merge.path))
        if doubt:
            what = (
                f"Merge as before (`sam-hub merge {target.name}`): it is checked then, and not made again."
                if doubt == UNCHECKED
                else f"Its answers may be worthless: merge fewer or other experts for {target.name}."
            )
            lines[f"Warning: merge {merge.id} {doubt.removesuffix('.')}. {what}"] = None
            continue
        for newer in _merges_of(catalog, target, method):
            if newer.id == merge.id:
                break
            if Path(newer.path).is_dir():
                doubt = problem_in_words(Path(newer.path)).removesuffix(".")
                lines[f"Merge {merge.id} serves on: merge {newer.id}, made later, {doubt}."] = None
    return list(lines)


def passed_methods(catalog: Catalog, target: tables.Target) -> list[str]:
    """The selections of a target whose merge passed the check, by "similarity" and "sampling"."""
    merges = merges_for(catalog, target, needed=())
    return [method for method, merge in merges.items() if not problem_in_words(Path(merge.path))]


def _merges_of(catalog: Catalog, target: tables.Target, method: str) -> list[tables.Merge]:
    """The merges that were made for the latest selection of a target, the last made first."""
    selection = latest_selection(catalog, target.id or 0, method)
    return merges_of_selection(catalog, selection.id or 0) if selection else []


def merges_for(
    catalog: Catalog, target: tables.Target, needed: Collection[str] = tuple(RankingMethod), *, newest: bool = False
) -> dict[str, tables.Merge]:
    """The merge that serves each of a target's latest selections, by "similarity" and "sampling".

    That is the newest one which passed the check after the merge. Where none has, it is the newest of all:
    `merge_warnings` says so.

    Args:
        needed: those that must be there; another one whose selection is not merged is left out.
        newest: take the newest ones, whatever the check has found.

    Raises:
        CatalogError: there is no selection, or one that is needed was not merged yet.
    """
    found = {}
    for method in RankingMethod:
        if latest_selection(catalog, target.id, method) is None:
            continue
        on_disk = [m for m in _merges_of(catalog, target, method) if Path(m.path).is_dir()]
        if on_disk:
            passed = (m for m in on_disk if not problem_in_words(Path(m.path)))
            found[method.value] = on_disk[0] if newest else next(passed, on_disk[0])
        elif method in needed:
            raise CatalogError(
                f"The experts that {method} chose for {target.name} are not merged yet",
                f"Run `sam-hub merge {target.name}`.",
            )
    if not found:
        raise CatalogError(f"{target.name} has no selection yet", f"Run `sam-hub select {target.name}` first.")
    return found
