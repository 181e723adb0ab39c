"""Choose the best experts of each ranking, or those that a person names, and record the rankings and the choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import base_of, list_experts, resolve_experts
from sam_hub.catalog.history import latest_selection, record_selections
from sam_hub.catalog.targets import get_target
from sam_hub.errors import CatalogError, InputError, UsageError
from sam_hub.progress import SILENT, Reporter
from sam_hub.selection.ranking import OTHER_BASE, Ranked, Ranking, noted, uninformed_row

AUTO = "auto"
MIN_VOTE_RATIO = 0.67  # of the best vote F1: what an expert needs to be chosen by similarity


def check_count(k: int | str, by: str) -> None:
    """Check that k experts can be chosen.

    Args:
        k: a number, or "auto".
        by: the rankings to make: "similarity", "sampling" or "both".

    Raises:
        UsageError: k is neither a positive number nor "auto", or is "auto" without a ranking by votes.
    """
    if k == AUTO and by == "similarity":
        raise UsageError(
            "k=auto needs votes, and a ranking by similarity has no votes",
            "Give a number for k, or also rank by sampling.",
        )
    if k != AUTO and (not isinstance(k, int) or k < 1):
        raise UsageError(f"{k} experts can't be chosen", f"Give 1 or more, or {AUTO}.")


def check_vote_ratio(ratio: float) -> None:
    """Check that a minimum vote ratio is between 0 and 1.

    Raises:
        UsageError: it is not.
    """
    if not 0 <= ratio <= 1:
        raise UsageError(f"The minimum vote ratio can't be {ratio}", "Use a number from 0 to 1.")


def with_enough_votes(
    near: Ranking, voted: Ranking, ratio: float = MIN_VOTE_RATIO, *, allow_uninformed: bool = False
) -> Ranking:
    """Return the ranking by similarity with experts of too low a vote F1 marked as unfit.

    Similar text alone does not make a good expert. An expert needs at least ``ratio`` times the best vote F1 among
    the experts that can be chosen by similarity, so at least one stays. If the best F1 or the ratio is 0, all stay.
    An expert that could not be asked for its votes is always unfit.
    """
    failed = voted.parameters.get("failed", {})
    reasons = {row.expert: row.unfit for row in voted.rows if row.expert in failed}
    near = replace(near, rows=tuple(_unfit(row, reasons.get(row.expert, "")) for row in near.rows))
    scores = {row.expert: row.score or 0.0 for row in voted.rows}
    available = near.fit(allow_uninformed=allow_uninformed)
    best = max((scores.get(name, 0.0) for name in available), default=0.0)
    rows = []
    for row in near.rows:
        score = scores.get(row.expert, best)
        if row.expert in available:
            too_low = f"vote F1 too low ({score:.2f}; the best has {best:.2f})" if score < ratio * best else ""
            rows.append(_unfit(row, too_low))
        elif not row.unfit and (allow_uninformed or row.covers):
            # Experts of another base stay unfit even if those before them are dropped: a merge has one base.
            rows.append(replace(row, unfit=OTHER_BASE))
        else:
            rows.append(row)
    return replace(near, rows=tuple(rows), parameters={**near.parameters, "min_vote_ratio": ratio})


def _unfit(row: Ranked, why: str) -> Ranked:
    return replace(noted(row, why), unfit=why) if why else row


def best_of(rankings: Sequence[Ranking], k: int | str, *, allow_uninformed: bool = False) -> dict[str, tuple[str, ...]]:
    """Return the best k experts of each ranking, by method.

    With "auto", the sampling ranking chooses the set that forward selection found
    (`sam_hub.selection.forward_selection`), and the other ranking chooses its best experts, as many.

    If no expert covers any of the labels, none is chosen.

    Raises:
        InputError: a ranking has no expert that can be chosen, for other reasons.
        UsageError: k is not positive, or is "auto" and no ranking has a forward selection.
    """
    if not allow_uninformed and not any(row.covers for ranking in rankings for row in ranking.rows):
        return {ranking.method: () for ranking in rankings}
    by_evidence: dict[str, tuple[str, ...]] = {}
    if k == AUTO:
        for ranking in rankings:
            if evidence := ranking.parameters.get("evidence"):
                by_evidence[ranking.method] = tuple(evidence["chosen"])
        if not by_evidence:
            for ranking in rankings:
                ranking.top(1)  # raises an error if no expert can be chosen
            check_count(k, "similarity")
        k = len(next(iter(by_evidence.values())))
    assert isinstance(k, int)
    return {
        ranking.method: by_evidence.get(ranking.method) or ranking.top(k, allow_uninformed=allow_uninformed)
        for ranking in rankings
    }


def choose_best(
    catalog: Catalog,
    target: tables.Target,
    experts: Sequence[tables.Expert],
    rankings: Sequence[Ranking],
    k: int | str,
    *,
    allow_uninformed: bool = False,
) -> dict[str, tuple[str, ...]]:
    """Choose the best k of each ranking, record all rankings in one transaction, and return the repos by method."""
    refs = {expert.repo: expert.ref for expert in experts}
    chosen = best_of(rankings, k, allow_uninformed=allow_uninformed)
    selections = []
    for ranking in rankings:
        names = chosen[ranking.method]
        selections.append(
            tables.Selection(
                target_id=target.id,
                method=ranking.method,
                k=k if isinstance(k, int) else len(names),
                parameters=dict(ranking.parameters),
                ranking=[asdict(row) for row in ranking.rows],
                chosen=[refs[name] for name in names],
            )
        )
    record_selections(catalog, *selections)
    return chosen


def nobody_ranked(
    catalog: Catalog, target: tables.Target, experts: Sequence[tables.Expert], methods: Sequence[str]
) -> list[Ranking]:
    """Return rankings of experts that cover none of the target's labels: none was asked or compared.

    The parameter "fit" says so, and names the base that answers: the one of most of the experts, if it is on disk.
    """
    bases: Counter[str] = Counter()
    for expert in experts:
        with suppress(InputError):  # a full model's base may be unknown
            bases.update([base.repo] if (base := base_of(catalog, expert)).path else [])
    most = next((repo for repo, _ in bases.most_common(1)), None)
    answers = f"the untuned base {most} answers" if most else "nothing answers, because no base is on disk"
    fit = {
        "fits": False,
        "why": f"No expert covers any of the labels {', '.join(target.labels)}: {answers}",
        "advice": f"To find an expert that covers them, run `sam-hub search --label '{target.labels[0]}'`.",
        "base": most,
    }
    rows = [uninformed_row(e.repo, target.labels) for e in experts]
    return [Ranking(method, tuple(sorted(rows, key=lambda row: row.expert)), {"fit": fit}) for method in methods]


def chosen_repos(selection: tables.Selection) -> set[str]:
    """Return the repositories of the chosen experts, which may have other commits by now."""
    return {ref.rpartition("@")[0] for ref in selection.chosen}


def required_selection(catalog: Catalog, target: tables.Target, method: str) -> tables.Selection:
    """Return a target's latest selection by a method.

    Raises:
        CatalogError: there is none.
    """
    if (selection := latest_selection(catalog, target.id or 0, method)) is None:
        raise CatalogError(f"{target.name} has no selection by {method}", f"Run `sam-hub select {target.name}` first.")
    return selection


def choose_by_hand(
    catalog: Catalog, target_name: str, experts: Sequence[str], by: str = "both"
) -> dict[str, list[str]]:
    """Record these experts as the choice instead of the best k; the rankings stay unchanged.

    Args:
        by: the rankings for which they are chosen, "similarity", "sampling" or "both".

    Returns:
        The chosen repositories by ranking.

    Raises:
        InputError: no expert is named, or one is not in the ranking.
        CatalogError: there is no such ranking yet.
    """
    target = get_target(catalog, target_name)
    chosen = resolve_experts(catalog, experts)
    if not chosen:
        raise InputError("No experts are chosen", "Name at least one.")
    selections = []
    for method in tables.RankingMethod if by == "both" else (by,):
        latest = required_selection(catalog, target, method)
        ranked = {row["expert"] for row in latest.ranking}
        if missing := [expert.repo for expert in chosen if expert.repo not in ranked]:
            raise InputError(
                f"{missing[0]} is not in the ranking by {method}",
                f"Pull it, and run `sam-hub select {target.name}` again.",
            )
        own = latest.model_dump(include={"target_id", "method", "parameters", "ranking"})
        selections.append(
            tables.Selection(**own, k=len(chosen), by_hand=True, chosen=[expert.ref for expert in chosen])
        )
    record_selections(catalog, *selections)
    return {str(selection.method): [expert.repo for expert in chosen] for selection in selections}


def on_disk(catalog: Catalog) -> list[tables.Expert]:
    """Return the catalog's experts and baselines that are on disk."""
    return [e for e in list_experts(catalog) if e.path and Path(e.path).is_dir()]


def candidates(catalog: Catalog, names: Sequence[str] = (), reporter: Reporter = SILENT) -> list[tables.Expert]:
    """Return the named experts, or all on disk. Baselines are never candidates.

    Raises:
        InputError: there is none, or a baseline is named.
    """
    named = resolve_experts(catalog, names)
    if baselines := [e.repo for e in named if e.is_baseline]:
        raise InputError(f"{baselines[0]} is a baseline, not an expert", "Name experts only.")
    models = on_disk(catalog)
    experts = named or [e for e in models if not e.is_baseline]
    if not experts:
        raise InputError(
            "No expert of the catalog is on disk",
            "Find, add, and pull some: `sam-hub search`, `sam-hub add`, `sam-hub pull`.",
        )
    if count := 0 if named else len(models) - len(experts):
        reporter.log(f"Not ranked: {count} {'baseline' if count == 1 else 'baselines'}")
    return experts
