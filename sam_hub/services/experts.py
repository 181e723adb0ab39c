"""Experts: find them on the Hub, add, update, fetch, describe and remove them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sam_hub.errors import SamHubError, UnusableModel
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.descriptors import DescriptorFacts, describe_added
from sam_hub.services.options import AddOptions, PullOptions, RemovalOptions, SearchOptions, UpdateOptions, copied

if TYPE_CHECKING:
    from sam_hub.catalog.removal import RemovalPlan
    from sam_hub.config import Settings
    from sam_hub.hub.repo_snapshot import RepoSnapshot
    from sam_hub.hub.search import FoundModel
    from sam_hub.services.context import AppContext


def search_hub(context: AppContext, options: SearchOptions) -> list[FoundModel]:
    """Return the models on the Hub that fit."""
    from sam_hub.hub.search import search

    values = {**asdict(options), "limit": options.limit or None}
    return search(context.hub, values.pop("text") or None, **values)


@dataclass(frozen=True)
class RepoReport:
    """What a model on the Hub is, whether it can serve (``verdict``, ``reasons``), and its card in Markdown.

    ``size`` is in bytes, as a pull would fetch them.
    """

    repo: str
    commit: str
    base: str | None
    license: str | None
    labels: tuple[str, ...]
    kind: str
    rank: int | None
    size: int
    domain: str | None
    verdict: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    card: str


def inspect_repo(context: AppContext, repo: str, revision: str = "main") -> RepoReport:
    """Look at a repository's files on the Hub without fetching weights."""
    from sam_hub.hub.inspection import inspect

    inspection = inspect(context.hub, repo, revision)
    return copied(RepoReport, inspection, card=_shown_card(lambda: inspection.snapshot))


def _shown_card(snapshot: Callable[[], RepoSnapshot]) -> str:
    try:
        return snapshot().card
    except SamHubError as error:
        return f"*The card can't be shown: {error.title}.*"


def read_card(context: AppContext, expert: str) -> str:
    """Return the card of an expert in the catalog, as Markdown: from its files on disk, or from the Hub."""
    from sam_hub.catalog.experts import get_expert
    from sam_hub.hub.repo_snapshot import take_snapshot

    row = get_expert(context.catalog, expert)
    local = Path(row.path or "/nowhere") / "README.md"
    if local.is_file():
        return local.read_text(encoding="utf-8", errors="replace")
    if context.settings.offline:
        return "*No card: the expert is not on disk, and offline mode is on.*"
    return _shown_card(lambda: take_snapshot(context.hub, row.repo, row.commit))


@dataclass(frozen=True)
class AddedExpert:
    """An expert as it was added; ``descriptor`` is None where there is no text to describe it by."""

    id: int
    repo: str
    commit: str
    kind: str
    base_repo: str
    rank: int | None
    license: str | None
    labels: tuple[str, ...]
    prompt_format: str | None
    domain: str | None
    size_bytes: int
    verdict: str
    warnings: tuple[str, ...]
    descriptor: DescriptorFacts | None


@dataclass(frozen=True)
class AddOutcome:
    """The experts that were added."""

    experts: tuple[AddedExpert, ...]


def run_add(context: AppContext, options: AddOptions, reporter: Reporter = SILENT) -> AddOutcome:
    """Inspect and add experts one after another; those before a failure stay.

    An expert whose repository has no descriptor is described by its data set or its card. A failure to describe it
    is logged and is no error.
    """
    from sam_hub.catalog.registration import register

    values = {name: getattr(options, name) for name in ("labels", "base", "domain", "prompt_format")}
    added = []
    for number, repo in enumerate(options.repos):
        reporter.progress(f"inspect {repo}", number, len(options.repos))
        expert, inspection = register(context.catalog, context.hub, repo, options.revision, **values)
        reporter.log(f"Added {expert.repo} at {expert.commit[:8]} ({inspection.verdict})")
        for warning in inspection.warnings:
            reporter.log(f"  warning: {warning}")
        descriptor = describe_added(context, expert, inspection.snapshot, reporter)
        facts = {"verdict": inspection.verdict, "warnings": inspection.warnings, "descriptor": descriptor}
        added.append(copied(AddedExpert, expert, labels=tuple(expert.labels), **facts))
    return AddOutcome(tuple(added))


@dataclass(frozen=True)
class OutdatedExpert:
    """An expert whose ``main`` on the Hub is not its commit; ``head`` is None where the repository is gone."""

    repo: str
    commit: str
    head: str | None


@dataclass(frozen=True)
class KeptExpert(OutdatedExpert):
    """One that stays at its commit, and why."""

    reason: str


@dataclass(frozen=True)
class StaleSelection:
    """A target's latest selection by a method, with the experts (``repo@commit``) in it that are not current."""

    target: str
    method: str
    experts: tuple[str, ...]


@dataclass(frozen=True)
class UpdatePlan:
    """Which experts changed on the Hub, and which selections become stale when they are moved."""

    outdated: tuple[OutdatedExpert, ...]
    stale: tuple[StaleSelection, ...]


@dataclass(frozen=True)
class UpdateOutcome:
    """Which experts were moved, which stay, and which selections are stale."""

    moved: tuple[OutdatedExpert, ...]
    kept: tuple[KeptExpert, ...]
    stale: tuple[StaleSelection, ...]


def plan_update(
    context: AppContext, options: UpdateOptions, reporter: Reporter = SILENT, *, as_moved: bool = True
) -> UpdatePlan:
    """Ask the Hub for the head of each expert.

    Args:
        as_moved: also count selections that an update would make stale, not only those that are stale now.
    """
    from sam_hub.catalog.experts import resolve_experts
    from sam_hub.catalog.registration import outdated

    catalog = context.catalog
    named = resolve_experts(catalog, options.experts) if options.experts else ()
    heads = outdated(catalog, context.hub, named, reporter)
    moved = {expert.repo for expert, head in heads if head} if as_moved else set()
    experts = tuple(OutdatedExpert(expert.repo, expert.commit, head) for expert, head in heads)
    return UpdatePlan(experts, _stale(context, moved))


def _stale(context: AppContext, moved: Collection[str] = ()) -> tuple[StaleSelection, ...]:
    from sam_hub.catalog.registration import stale_selections

    return tuple(StaleSelection(*facts) for facts in stale_selections(context.catalog, moved))


def run_update(context: AppContext, options: UpdateOptions, reporter: Reporter = SILENT) -> UpdateOutcome:
    """Move experts to the Hub's heads, one after another; those before a failure stay moved.

    An expert that can't serve at its new commit stays where it is.
    """
    from sam_hub.catalog.experts import get_expert
    from sam_hub.catalog.registration import move

    moved, kept = [], []
    for outdated in plan_update(context, options, reporter).outdated:
        before = outdated.commit[:8]
        if outdated.head is None:
            reporter.log(f"{outdated.repo} is no longer on the Hub. The catalog keeps commit {before}")
            kept.append(copied(KeptExpert, outdated, reason="gone from the Hub"))
            continue
        try:
            expert, inspection = move(context.catalog, context.hub, get_expert(context.catalog, outdated.repo))
        except UnusableModel as error:
            reporter.log(f"{outdated.repo} stays at {before}: {error}")
            kept.append(copied(KeptExpert, outdated, reason=str(error)))
            continue
        reporter.log(f"{expert.repo}: {before} -> {expert.commit[:8]} ({inspection.verdict})")
        describe_added(context, expert, inspection.snapshot, reporter)
        moved.append(outdated)
    return UpdateOutcome(tuple(moved), tuple(kept), _stale(context))


@dataclass(frozen=True)
class PullItem:
    """An expert, the bytes to fetch, and whether it is on disk already."""

    expert: str
    bytes: int
    on_disk: bool


@dataclass(frozen=True)
class BaseItem:
    """A base that must be fetched with them, and its bytes."""

    repo: str
    bytes: int


@dataclass(frozen=True)
class PullPlan:
    """What fetching experts takes. ``free`` is the free disk in bytes."""

    experts: tuple[PullItem, ...]
    bases: tuple[BaseItem, ...]
    free: int

    @property
    def missing(self) -> tuple[str, ...]:
        """The experts that must be fetched."""
        return tuple(item.expert for item in self.experts if not item.on_disk)

    @property
    def lines(self) -> list[str]:
        """What is fetched, and how much it is, a line each."""
        from humanize import naturalsize

        lines = [
            f"{item.expert} is already on disk" if item.on_disk else f"{item.expert} ({naturalsize(item.bytes)})"
            for item in self.experts
        ]
        lines += [f"{base.repo}, their base ({naturalsize(base.bytes)})" for base in self.bases]
        return [*lines, f"Free disk space: {naturalsize(self.free)}"]


def pull_options(context: AppContext, experts: tuple[str, ...]) -> list[PullOptions]:
    """Return the options that fetch each of some experts, once."""
    from sam_hub.catalog.experts import resolve_experts

    rows = resolve_experts(context.catalog, experts)
    return [PullOptions(row.repo if row.current else row.ref) for row in rows]


def plan_pull(context: AppContext, experts: tuple[str, ...]) -> PullPlan:
    """Ask the Hub for the sizes of experts and of the bases that they need."""
    from sam_hub.catalog.experts import list_bases, resolve_experts
    from sam_hub.hub.download import plan_pull as plan_of

    hub, models = context.hub, context.settings.models
    available_bases = {base.weights_sha256 for base in list_bases(context.catalog) if base.path}
    items, free = [], 0
    missing_bases: dict[str, None] = {}
    for expert in resolve_experts(context.catalog, experts):
        plan = plan_of(hub, expert.repo, expert.commit, models)
        items.append(PullItem(expert.repo, plan.to_fetch, plan.complete and expert.path is not None))
        free = plan.free or free
        if expert.kind == "adapter" and expert.base_sha256 not in available_bases:
            missing_bases[expert.base_repo] = None
    sizes = {repo: plan_of(hub, repo, "main", models).to_fetch for repo in missing_bases}
    bases = tuple(BaseItem(repo, size) for repo, size in sizes.items() if size)
    return PullPlan(tuple(items), bases, free)


@dataclass(frozen=True)
class PullOutcome:
    """Where an expert lies, and how many bytes it has."""

    repo: str
    commit: str
    path: str
    bytes: int


def run_pull(context: AppContext, options: PullOptions, reporter: Reporter = SILENT) -> PullOutcome:
    """Fetch an expert at its commit, and its base if it is missing."""
    from humanize import naturalsize

    from sam_hub.catalog.registration import pull_expert

    pulled = pull_expert(context.catalog, context.hub, options.expert, context.settings.models, reporter)
    reporter.log(f"Pulled {pulled.repo} at {pulled.commit[:8]} ({naturalsize(pulled.size_bytes)})")
    return PullOutcome(pulled.repo, pulled.commit, pulled.path or "", pulled.size_bytes)


def clean_up_pulls(settings: Settings, options: PullOptions) -> None:
    """Delete unfinished folders, of experts and bases, whose process has ended."""
    from sam_hub.tempdirs import clean_up_scratch

    for folder in settings.models.glob("*"):
        clean_up_scratch(folder)


@dataclass(frozen=True)
class Removal:
    """What goes with an expert (``repo@commit``): its folder and the bytes in it, and lines for a person to read.

    ``folder`` is None where no files go.
    """

    ref: str
    folder: str | None
    bytes: int
    lines: tuple[str, ...]


def plan_removal(context: AppContext, options: RemovalOptions) -> Removal:
    """Return what would go with an expert. Nothing is touched."""
    from sam_hub.catalog.removal import plan_removal

    return _removal(plan_removal(context.catalog, options.expert, context.settings.models))


def _removal(plan: RemovalPlan) -> Removal:
    from humanize import naturalsize

    files = f"{len(plan.files)} files ({naturalsize(plan.bytes)})" if plan.folder else f"no files: {plan.kept}"
    targets = ", ".join(plan.chosen_for)
    selected = (f"It is chosen for {targets}. Run `sam-hub select` again afterwards.",) if targets else ()
    folder = str(plan.folder) if plan.folder else None
    return Removal(plan.ref, folder, plan.bytes, (f"{plan.ref}: {files}, {plan.counts}", *selected))


def run_removal(context: AppContext, options: RemovalOptions, reporter: Reporter = SILENT) -> Removal:
    """Remove an expert with its files and what was computed with it."""
    from sam_hub.catalog.removal import execute_removal, plan_removal

    plan = plan_removal(context.catalog, options.expert, context.settings.models)
    execute_removal(context.catalog, plan)
    reporter.log(f"Removed {plan.ref}")
    return _removal(plan)
