"""Experts that their owners have changed since: found, moved to the new commit, and what that makes stale."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import list_experts
from sam_hub.catalog.history import latest_selection
from sam_hub.catalog.registration import register
from sam_hub.catalog.tables import Expert, RankingMethod
from sam_hub.catalog.targets import list_targets
from sam_hub.errors import NotFoundOnHub
from sam_hub.hub.client import Hub
from sam_hub.hub.inspection import Inspection, inspect
from sam_hub.hub.repo_snapshot import head_of


@dataclass(frozen=True)
class Moved:
    """An expert whose ``main`` on the Hub is not its commit in the catalog; ``head`` is None where it is gone."""

    repo: str
    commit: str
    head: str | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Stale:
    """A target's latest choice by a ranking, of which ``experts`` (as ``repo@commit``) are not current any more."""

    target: str
    method: str
    experts: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def outdated(
    catalog: Catalog,
    hub: Hub,
    experts: Sequence[Expert] = (),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Moved]:
    """Ask the Hub for the head of each expert (of all current ones where none are named).

    Raises:
        HubError: the network or the Hub failed.
    """
    found = []
    asked = list(experts) or list_experts(catalog)
    for number, expert in enumerate(asked):
        on_progress(number, len(asked))
        try:
            head = head_of(hub, expert.repo)
        except NotFoundOnHub:  # deleted, renamed, or private now
            head = None
        if head != expert.commit:
            found.append(Moved(expert.repo, expert.commit, head))
    on_progress(len(asked), len(asked))
    return found


def move(catalog: Catalog, hub: Hub, expert: Expert) -> tuple[Expert, Inspection]:
    """Make the Hub's head the expert's current commit; the earlier one stays in the history.

    What was said by hand when it was added counts where the repository says nothing itself.

    Raises:
        UnusableModel, InputError, NotFoundOnHub, HubError: as `register`; the catalog stays as it was.
    """
    found = inspect(hub, expert.repo)
    return register(
        catalog,
        hub,
        expert.repo,
        found.commit,
        labels=() if found.labels else expert.labels,
        base=None if found.base else expert.base_repo,
        domain=None if found.domain else expert.domain,
        prompt_format=None if (found.metadata or {}).get("prompt_format") else expert.prompt_format,
    )


def stale_selections(catalog: Catalog, moved: Collection[str] = ()) -> list[Stale]:
    """Every target's latest choices that name commits which are not current.

    Args:
        moved: repositories that are told of as if they had been moved already.
    """
    current = {expert.ref for expert in list_experts(catalog) if expert.repo not in moved}
    found = []
    for target in list_targets(catalog):
        for method in RankingMethod:
            selection = latest_selection(catalog, target.id, method)
            old = tuple(ref for ref in selection.chosen if ref not in current) if selection else ()
            if old:
                found.append(Stale(target.name, method.value, old))
    return found
