"""Works on experts: add them to the catalog, describe one's text, fetch them, remove one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sam_hub.jobs.task import Log, OnProgress, Task, TaskReporter

if TYPE_CHECKING:
    from sam_hub.catalog.outdated import Moved
    from sam_hub.catalog.tables import Descriptor, Expert
    from sam_hub.config import Settings
    from sam_hub.services.context import AppContext


@dataclass(frozen=True)
class AddExperts(Task):
    """Inspect experts on the Hub and add them, pinned to their commit; what they don't say can be given.

    One whose repository has no descriptor is described by its data set, or else by its card.
    """

    KIND: ClassVar[str] = "add"
    QUEUE: ClassVar[str] = "network"

    repos: tuple[str, ...]
    revision: str = "main"
    labels: tuple[str, ...] = ()
    base: str | None = None
    domain: str | None = None
    prompt_format: str | None = None

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"add {', '.join(self.repos)}"

    def run(self, context: AppContext, on_progress: OnProgress, log: Log) -> dict[str, Any]:
        """Add them one after another; those before a failure stay. Whether one can be described fails nothing."""
        from sam_hub.catalog.registration import register
        from sam_hub.catalog.tables import ExpertPublic

        added = []
        for number, repo in enumerate(self.repos):
            on_progress(f"inspect {repo}", number, len(self.repos))
            expert, found = register(
                context.catalog,
                context.hub,
                repo,
                self.revision,
                labels=self.labels,
                base=self.base,
                domain=self.domain,
                prompt_format=self.prompt_format,
            )
            log(f"Added {expert.repo} at {expert.commit[:8]} ({found.verdict})")
            for warning in found.warnings:
                log(f"  warning: {warning}")
            said = ExpertPublic.model_validate(expert).model_dump(mode="json")
            added.append({**said, "descriptor": _describe(context, expert, on_progress, log)})
        return {"experts": added}


def _describe(
    context: AppContext, expert: Expert, on_progress: OnProgress, log: Log
) -> dict[str, Any] | None:
    """Its descriptor; made, and talked about, only where the repository brought none that can be used."""
    from sam_hub.catalog.descriptor_sources import REPO
    from sam_hub.errors import SamHubError
    from sam_hub.selection.descriptors import describe_expert

    try:
        found = describe_expert(
            context.catalog, context.hub, expert, context.settings, TaskReporter(on_progress)
        )
    except SamHubError as error:
        log(f"  not described: {error}")
        return None
    for note in found.notes:
        log(f"  {note}")
    if found.row is None:
        log(f"  not described. Give a text of its domain: {by_corpus(expert.repo)}")
    elif found.row.origin != REPO:
        log(f"  {_in_words(expert, found.row)}")
    return descriptor_values(found.row) if found.row else None


@dataclass(frozen=True)
class UpdateExperts(Task):
    """Move experts (all, where none are named) whose repository changed to its head, and tell what is stale by it."""

    KIND: ClassVar[str] = "update"
    QUEUE: ClassVar[str] = "network"

    experts: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"update {', '.join(self.experts) or 'all experts'}"

    def outdated(self, context: AppContext, on_progress: OnProgress) -> list[Moved]:
        """Those that the Hub has at another commit, or has no more."""
        from sam_hub.catalog.outdated import outdated
        from sam_hub.catalog.registration import resolve_experts

        named = resolve_experts(context.catalog, self.experts) if self.experts else ()
        return outdated(
            context.catalog, context.hub, named, lambda done, total: on_progress("ask the Hub", done, total)
        )

    def run(self, context: AppContext, on_progress: OnProgress, log: Log) -> dict[str, Any]:
        """Move them one after another; those before a failure stay. One that can't serve any more stays as it is."""
        from sam_hub.catalog.experts import get_expert
        from sam_hub.catalog.outdated import move, stale_selections
        from sam_hub.errors import UnusableModel

        moved, kept = [], []
        for found in self.outdated(context, on_progress):
            if found.head is None:
                log(f"{found.repo} is not on the Hub any more; it stays at {found.commit[:8]}")
                kept.append({**found.as_dict(), "reason": "gone from the Hub"})
                continue
            try:
                expert, inspection = move(
                    context.catalog, context.hub, get_expert(context.catalog, found.repo)
                )
            except UnusableModel as error:
                log(f"{found.repo} stays at {found.commit[:8]}: {error}")
                kept.append({**found.as_dict(), "reason": str(error)})
                continue
            log(f"{expert.repo}: {found.commit[:8]} -> {expert.commit[:8]} ({inspection.verdict})")
            _describe(context, expert, on_progress, log)
            moved.append(found.as_dict())
        stale = [choice.as_dict() for choice in stale_selections(context.catalog)]
        return {"moved": moved, "kept": kept, "stale": stale}


@dataclass(frozen=True)
class DescribeExpert(Task):
    """Describe an expert's text: by a corpus, or, unless that was done, by what its repository and card lead to.

    ``again``: look for its text anew, in place of the descriptor it has.
    """

    KIND: ClassVar[str] = "describe"
    QUEUE: ClassVar[str] = "network"

    expert: str
    corpus: str | None = None
    again: bool = False

    def __post_init__(self) -> None:
        if self.corpus:  # a job's process may work in another folder than the person
            object.__setattr__(self, "corpus", str(Path(self.corpus).expanduser().absolute()))

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"describe {self.expert}"

    def run(self, context: AppContext, on_progress: OnProgress, log: Log) -> dict[str, Any]:
        """Describe it.

        Raises:
            InputError: there is no text to describe it by.
        """
        from sam_hub.catalog.experts import get_expert
        from sam_hub.errors import InputError
        from sam_hub.ner.readers import read_corpus
        from sam_hub.selection.descriptors import describe_expert, expert_descriptor, known_descriptor

        catalog, settings = context.catalog, context.settings
        expert = get_expert(catalog, self.expert)
        notes: tuple[str, ...] = ()
        if self.corpus:
            expert_descriptor(catalog, expert, settings, read_corpus(Path(self.corpus)))
        row = known_descriptor(catalog, expert, settings)
        if not self.corpus and (row is None or self.again):
            found = describe_expert(
                catalog, context.hub, expert, settings, TaskReporter(on_progress), again=self.again
            )
            row, notes = found.row, found.notes
        for note in notes:
            log(f"  {note}")
        if row is None:
            raise InputError(
                f"{expert.repo} can't be described: {'; '.join(notes)}", f"Run {by_corpus(expert.repo)}."
            )
        log(f"{expert.repo}: {_in_words(expert, row)}")
        return {"expert": expert.repo, **descriptor_values(row), "notes": list(notes)}


def descriptor_values(row: Descriptor) -> dict[str, Any]:
    """What a descriptor was made of: plain values, without its vector."""
    from sam_hub.catalog.descriptor_sources import Origin

    values = {name: getattr(row, name) for name in ("embedder", "revision", "count", "sentences_sha256")}
    return {"origin": row.origin, "weak": Origin.parse(row.origin).weak, **values}


def _in_words(expert: Expert, row: Descriptor) -> str:
    from sam_hub.catalog.descriptor_sources import Origin, described_by

    better = f". Better: {by_corpus(expert.repo)}" if Origin.parse(row.origin).weak else ""
    return f"described by {described_by(row.origin, row.count)}{better}"


def by_corpus(repo: str) -> str:
    """The command that describes an expert by a text of its domain."""
    return f"`sam-hub describe {repo} --corpus FILE`"


@dataclass(frozen=True)
class PullExpert(Task):
    """Fetch an expert at its commit, and its base if that is not there yet."""

    KIND: ClassVar[str] = "pull"
    QUEUE: ClassVar[str] = "network"

    expert: str

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"pull {self.expert}"

    def run(self, context: AppContext, on_progress: OnProgress, log: Log) -> dict[str, Any]:
        """Fetch it."""
        from sam_hub.catalog.registration import pull_expert

        done = pull_expert(
            context.catalog,
            context.hub,
            self.expert,
            context.settings.models,
            TaskReporter(on_progress, log),
        )
        log(f"Pulled {done.repo} at {done.commit[:8]} ({done.size_bytes / 1e6:,.1f} MB)")
        return {"repo": done.repo, "commit": done.commit, "path": done.path, "bytes": done.size_bytes}

    def clean_up(self, settings: Settings) -> None:
        """Unfinished folders, of experts and bases, whose process has ended."""
        from sam_hub.tempdirs import sweep_scratch

        for folder in settings.models.glob("*"):
            sweep_scratch(folder)


@dataclass(frozen=True)
class RemoveExpert(Task):
    """Remove an expert from the catalog, with its files and what was computed with it."""

    KIND: ClassVar[str] = "remove"
    QUEUE: ClassVar[str] = "local"

    expert: str

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"remove {self.expert}"

    def run(self, context: AppContext, on_progress: OnProgress, log: Log) -> dict[str, Any]:
        """Plan it anew and carry it out."""
        from sam_hub.catalog.removal import execute_removal, plan_removal

        plan = plan_removal(context.catalog, self.expert, context.settings.models)
        execute_removal(context.catalog, plan)
        log(f"Removed {plan.ref}")
        return {"ref": plan.ref, "bytes": plan.bytes}


@dataclass(frozen=True)
class StockDemo(Task):
    """See `sam_hub.demo.setup.StockOptions`."""

    KIND: ClassVar[str] = "stock"
