"""Works on experts: add them to the catalog, fetch them, remove one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sam_hub.jobs.work import Say, Watch, Work

if TYPE_CHECKING:
    from sam_hub.jobs.place import Place
    from sam_hub.settings import Settings


@dataclass(frozen=True)
class AddExperts(Work):
    """Inspect experts on the Hub and add them, pinned to their commit; what they don't say can be given."""

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
        """Add them one after another; those before a failure stay."""
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
            added.append(ExpertPublic.model_validate(expert).model_dump(mode="json"))
        return {"experts": added}


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
        )
        say(f"Pulled {done.repo} at {done.commit[:8]}")
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
