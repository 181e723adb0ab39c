"""A person's own choice of experts, in the place of the best k of a ranking."""

from __future__ import annotations

from collections.abc import Sequence

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import resolve_experts
from sam_hub.catalog.history import latest_selection, record_selections
from sam_hub.catalog.targets import get_target
from sam_hub.errors import CatalogError, InputError
from sam_hub.selection.report import METHODS


def chosen_repos(selection: tables.Selection) -> set[str]:
    """Return the repositories of the chosen experts, which may have other commits by now."""
    return {ref.rpartition("@")[0] for ref in selection.chosen}


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
        raise InputError("No expert is chosen", "Name at least one.")
    selections = {}
    for method in METHODS if by == "both" else (by,):
        latest = latest_selection(catalog, target.id, method)
        if latest is None:
            raise CatalogError(
                f"{target.name} has no selection by {method}", f"Run `sam-hub select {target.name}` first."
            )
        ranked = {row["expert"] for row in latest.ranking}
        if missing := [expert.repo for expert in chosen if expert.repo not in ranked]:
            raise InputError(
                f"{missing[0]} is not in the ranking by {method}",
                f"Pull it, and run `sam-hub select {target.name}` again.",
            )
        selections[method] = latest
    record_selections(
        catalog,
        *(
            tables.Selection(
                target_id=target.id,
                method=method,
                k=len(chosen),
                by_hand=True,
                parameters=latest.parameters,
                ranking=latest.ranking,
                chosen=[expert.ref for expert in chosen],
            )
            for method, latest in selections.items()
        ),
    )
    return {method: [expert.repo for expert in chosen] for method in selections}
