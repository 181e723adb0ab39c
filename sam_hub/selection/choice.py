"""Choose the best experts of each ranking, and record rankings and choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import list_experts
from sam_hub.catalog.history import record_selections
from sam_hub.errors import InputError, UsageError
from sam_hub.selection.ranking import OTHER_BASE, Ranking, noted

AUTO = "auto"
SUPPORT = 0.67  # of the best expert's score by votes: what an expert needs to be chosen for its text


def check_count(k: int | str, by: str) -> None:
    """Refuse a k by which nobody can be chosen.

    Args:
        k: how many, or "auto".
        by: which rankings are made: "similarity", "sampling" or "both".

    Raises:
        UsageError: k is neither a number from 1 on nor "auto", or there are no votes to find it by.
    """
    if k == AUTO and by == "similarity":
        raise UsageError(
            "How many experts to choose is found by votes, and the similarity has none",
            "Give a number for k, or rank by sampling, too.",
        )
    if k != AUTO and (not isinstance(k, int) or k < 1):
        raise UsageError(f"{k} experts can't be chosen", f"Give 1 or more, or {AUTO}.")


def check_support(share: float) -> None:
    """Refuse a share of the best score by votes that is none.

    Raises:
        UsageError: it is not from 0 to 1.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"A share of {share} of the best votes makes no sense", "Give one from 0 to 1.")


def supported(near: Ranking, voted: Ranking, share: float = SUPPORT, *, allow_blind: bool = False) -> Ranking:
    """The ranking by similarity, without the experts whose vote F1 is too low: texts alike do not make an expert good.

    One whose score by votes is less than ``share`` of the best is marked as unfit. The best is that of the experts
    which can be chosen by similarity, so that one at least stays; where it is 0, and with a share of 0, all do.
    One that could not be asked for its votes is unfit in any case.
    """
    near = _without_failed(near, voted)
    scores = {row.expert: row.score or 0.0 for row in voted.rows}
    open_to_choice = near.fit(allow_blind=allow_blind)
    best = max((scores.get(name, 0.0) for name in open_to_choice), default=0.0)
    rows = []
    for row in near.rows:
        score = scores.get(row.expert, best)
        why = f"vote F1 too low ({score:.2f}; the best has {best:.2f})"
        if row.expert not in open_to_choice:  # it stays out of it, whoever is left: a merge has one base
            rows.append(
                row if row.unfit or not (allow_blind or row.knows) else replace(row, unfit=OTHER_BASE)
            )
        else:
            rows.append(replace(noted(row, why), unfit=why) if score < share * best else row)
    return replace(near, rows=tuple(rows), parameters={**near.parameters, "support": share})


def _without_failed(near: Ranking, voted: Ranking) -> Ranking:
    unasked = {
        row.expert: row.unfit for row in voted.rows if row.expert in voted.parameters.get("failed", {})
    }
    return replace(
        near,
        rows=tuple(
            replace(noted(row, unasked[row.expert]), unfit=unasked[row.expert])
            if row.expert in unasked
            else row
            for row in near.rows
        ),
    )


def best_of(
    rankings: Sequence[Ranking], k: int | str, *, allow_blind: bool = False
) -> dict[str, tuple[str, ...]]:
    """The best k of each ranking, by method.

    With "auto", the sampling ranking chooses the set for which there is evidence
    (`sam_hub.selection.forward_selection`), in the order of the choice, and the other ranking its best ones, as many.

    Raises:
        InputError: a ranking has no expert that can be chosen.
        UsageError: k is not positive, or "auto" without such evidence.
    """
    by_evidence: dict[str, tuple[str, ...]] = {}
    if k == AUTO:
        for ranking in rankings:
            if found := ranking.parameters.get("evidence"):
                by_evidence[ranking.method] = tuple(found["chosen"])
        if not by_evidence:
            for ranking in rankings:
                ranking.top(1)  # tells why nobody can be chosen, if that is so
            check_count(k, "similarity")
        k = len(next(iter(by_evidence.values())))
    assert isinstance(k, int)
    return {
        ranking.method: by_evidence.get(ranking.method) or ranking.top(k, allow_blind=allow_blind)
        for ranking in rankings
    }


def choose_best(
    catalog: Catalog,
    target: tables.Target,
    experts: Sequence[tables.Expert],
    rankings: Sequence[Ranking],
    k: int | str,
    *,
    allow_blind: bool = False,
) -> dict[str, tuple[str, ...]]:
    """Choose the best k of each ranking, and record all of it at once; the chosen repos by the ranking's method."""
    refs = {expert.repo: expert.ref for expert in experts}
    chosen = best_of(rankings, k, allow_blind=allow_blind)
    selections = []
    for ranking in rankings:
        plain, names = ranking.as_dict(), chosen[ranking.method]
        selections.append(
            tables.Selection(
                target_id=target.id,
                method=ranking.method,
                k=k if isinstance(k, int) else len(names),
                parameters=plain["parameters"],
                ranking=plain["rows"],
                chosen=[refs[name] for name in names],
            )
        )
    record_selections(catalog, *selections)
    return chosen


def candidates(catalog: Catalog) -> list[tables.Expert]:
    """The catalog's experts that are on disk.

    Raises:
        InputError: there is none.
    """
    there = [e for e in list_experts(catalog) if e.path and Path(e.path).is_dir()]
    if not there:
        raise InputError(
            "No expert of the catalog is on disk", "Find, add and pull some: `sam-hub search`, `add`, `pull`."
        )
    return there
