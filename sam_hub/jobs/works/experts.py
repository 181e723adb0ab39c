"""Works on experts: add them to the catalog, describe one's text, fetch them, remove one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sam_hub.jobs.work import Say, Watch, Work

if TYPE_CHECKING:
    from sam_hub.catalog import Descriptor, Expert
    from sam_hub.catalog.outdated import Moved
    from sam_hub.jobs.place import Place
    from sam_hub.settings import Settings


@dataclass(frozen=True)
class AddExperts(Work):
    """Inspect experts on the Hub and add them, pinned to their commit; what they don't say can be given.

    One whose repository has no descriptor is described by its data set, or else by its card.
    """

    KIND: ClassVar[str] = "add"
    ROOM: ClassVar[str] = "network"

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

    def run(self, place: Place, watch: Watch, say: Say) -> dict[str, Any]:
        """Add them one after another; those before a failure stay. Whether one can be described fails nothing."""
        from sam_hub.catalog import ExpertPublic
        from sam_hub.catalog.registration import register

        added = []
        for number, repo in enumerate(self.repos):
            watch(f"inspect {repo}", number, len(self.repos))
            expert, found = register(
                place.catalog,
                place.hub,
                repo,
                self.revision,
                labels=self.labels,
                base=self.base,
                domain=self.domain,
                prompt_format=self.prompt_format,
            )
            say(f"Added {expert.repo} at {expert.commit[:8]} ({found.verdict})")
            for warning in found.warnings:
                say(f"  warning: {warning}")
            said = ExpertPublic.model_validate(expert).model_dump(mode="json")
            added.append({**said, "descriptor": _describe(place, expert, watch, say)})
        return {"experts": added}


def _describe(place: Place, expert: Expert, watch: Watch, say: Say) -> dict[str, Any] | None:
    """Its descriptor; made, and talked about, only where the repository brought none that can be used."""
    from sam_hub.catalog.origins import REPO
    from sam_hub.errors import SamHubError
    from sam_hub.selection.descriptors import describe_expert

    try:
        found = describe_expert(place.catalog, place.hub, expert, place.settings, watch)
    except SamHubError as error:
        say(f"  not described: {error}")
        return None
    for note in found.notes:
        say(f"  {note}")
    if found.row is None:
        say(f"  not described. Give a text of its domain: {by_corpus(expert.repo)}")
    elif found.row.origin != REPO:
        say(f"  {_in_words(expert, found.row)}")
    return descriptor_values(found.row) if found.row else None


@dataclass(frozen=True)
class UpdateExperts(Work):
    """Move experts (all, where none are named) whose repository changed to its head, and tell what is stale by it."""

    KIND: ClassVar[str] = "update"
    ROOM: ClassVar[str] = "network"

    experts: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"update {', '.join(self.experts) or 'all experts'}"

    def outdated(self, place: Place, watch: Watch) -> list[Moved]:
        """Those that the Hub has at another commit, or has no more."""
        from sam_hub.catalog.outdated import outdated
        from sam_hub.catalog.registration import resolve_experts

        named = resolve_experts(place.catalog, self.experts) if self.experts else ()
        return outdated(
            place.catalog, place.hub, named, lambda done, total: watch("ask the Hub", done, total)
        )

    def run(self, place: Place, watch: Watch, say: Say) -> dict[str, Any]:
        """Move them one after another; those before a failure stay. One that can't serve any more stays as it is."""
        from sam_hub.catalog import get_expert
        from sam_hub.catalog.outdated import move, stale_selections
        from sam_hub.errors import UnusableModel

        moved, kept = [], []
        for found in self.outdated(place, watch):
            if found.head is None:
                say(f"{found.repo} is not on the Hub any more; it stays at {found.commit[:8]}")
                kept.append({**found.as_dict(), "reason": "gone from the Hub"})
                continue
            try:
                expert, inspection = move(place.catalog, place.hub, get_expert(place.catalog, found.repo))
            except UnusableModel as error:
                say(f"{found.repo} stays at {found.commit[:8]}: {error}")
                kept.append({**found.as_dict(), "reason": str(error)})
                continue
            say(f"{expert.repo}: {found.commit[:8]} -> {expert.commit[:8]} ({inspection.verdict})")
            _describe(place, expert, watch, say)
            moved.append(found.as_dict())
        stale = [choice.as_dict() for choice in stale_selections(place.catalog)]
        return {"moved": moved, "kept": kept, "stale": stale}


@dataclass(frozen=True)
class DescribeExpert(Work):
    """Describe an expert's text: by a corpus, or, unless that was done, by what its repository and card lead to.

    ``again``: look for its text anew, in place of the descriptor it has.
    """

    KIND: ClassVar[str] = "describe"
    ROOM: ClassVar[str] = "network"

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

    def run(self, place: Place, watch: Watch, say: Say) -> dict[str, Any]:
        """Describe it.

        Raises:
            InputError: there is no text to describe it by.
        """
        from sam_hub.catalog import get_expert
        from sam_hub.errors import InputError
        from sam_hub.ner.readers import read_corpus
        from sam_hub.selection.descriptors import describe_expert, expert_descriptor, known_descriptor

        catalog, settings = place.catalog, place.settings
        expert = get_expert(catalog, self.expert)
        notes: tuple[str, ...] = ()
        if self.corpus:
            expert_descriptor(catalog, expert, settings, read_corpus(Path(self.corpus)))
        row = known_descriptor(catalog, expert, settings)
        if not self.corpus and (row is None or self.again):
            found = describe_expert(catalog, place.hub, expert, settings, watch, again=self.again)
            row, notes = found.row, found.notes
        for note in notes:
            say(f"  {note}")
        if row is None:
            raise InputError(
                f"{expert.repo} can't be described: {'; '.join(notes)}", f"Run {by_corpus(expert.repo)}."
            )
        say(f"{expert.repo}: {_in_words(expert, row)}")
        return {"expert": expert.repo, **descriptor_values(row), "notes": list(notes)}


def descriptor_values(row: Descriptor) -> dict[str, Any]:
    """What a descriptor was made of: plain values, without its vector."""
    from sam_hub.catalog.origins import Origin

    values = {name: getattr(row, name) for name in ("embedder", "revision", "count", "sentences_sha256")}
    return {"origin": row.origin, "weak": Origin.parse(row.origin).weak, **values}


def _in_words(expert: Expert, row: Descriptor) -> str:
    from sam_hub.catalog.origins import Origin, described_by

    better = f". Better: {by_corpus(expert.repo)}" if Origin.parse(row.origin).weak else ""
    return f"described by {described_by(row.origin, row.count)}{better}"


def by_corpus(repo: str) -> str:
    """The command that describes an expert by a text of its domain."""
    return f"`sam-hub describe {repo} --corpus FILE`"


@dataclass(frozen=True)
class PullExpert(Work):
    """Fetch an expert at its commit, and its base if that is not there yet."""

    KIND: ClassVar[str] = "pull"
    ROOM: ClassVar[str] = "network"

    expert: str

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"pull {self.expert}"

    def run(self, place: Place, watch: Watch, say: Say) -> dict[str, Any]:
        """Fetch it."""
        from sam_hub.catalog.registration import pull_expert

        done = pull_expert(
            place.catalog,
            place.hub,
            self.expert,
            place.settings.models,
            lambda got, size, file: watch(f"{got / 1e6:,.1f} of {size / 1e6:,.1f} MB", got, size),
            say,
        )
        say(f"Pulled {done.repo} at {done.commit[:8]} ({done.size_bytes / 1e6:,.1f} MB)")
        return {"repo": done.repo, "commit": done.commit, "path": done.path, "bytes": done.size_bytes}

    def sweep(self, settings: Settings) -> None:
        """Unfinished folders, of experts and bases, whose process has ended."""
        from sam_hub.hub.pulling import SCRATCH
        from sam_hub.scratch import sweep_scratch

        for folder in settings.models.glob("*"):
            sweep_scratch(folder, SCRATCH)


@dataclass(frozen=True)
class RemoveExpert(Work):
    """Remove an expert from the catalog, with its files and what was computed with it."""

    KIND: ClassVar[str] = "remove"
    ROOM: ClassVar[str] = "local"

    expert: str

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"remove {self.expert}"

    def run(self, place: Place, watch: Watch, say: Say) -> dict[str, Any]:
        """Plan it anew and carry it out."""
        from sam_hub.catalog import execute_removal, plan_removal

        plan = plan_removal(place.catalog, self.expert, place.settings.models)
        execute_removal(place.catalog, plan)
        say(f"Removed {plan.ref}")
        return {"ref": plan.ref, "bytes": plan.bytes}
