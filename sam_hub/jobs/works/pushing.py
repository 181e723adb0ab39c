"""The work of pushing: a merged model and its card, in one commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sam_hub.jobs.work import Say, Watch, Work

if TYPE_CHECKING:
    from sam_hub.hub.pushing import Pushed, PushPlan
    from sam_hub.jobs.place import Place
    from sam_hub.settings import Settings


@dataclass(frozen=True)
class PushMerge(Work):
    """Push a target's merged model (by "similarity" or "sampling") to a repository on the Hub."""

    KIND: ClassVar[str] = "push"
    ROOM: ClassVar[str] = "network"

    target: str
    repo: str
    by: str = "sampling"
    public: bool = False
    force: bool = False  # also a merge that failed the check
    adapter: bool = False  # the adapter that was written of it, instead of the whole model
    pull_request: bool = False

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"push {self.repo}"

    def publish(self, place: Place, watch: Watch, *, dry_run: bool = False) -> tuple[PushPlan, Pushed | None]:
        """Push, or with ``dry_run`` only plan to."""
        from sam_hub.catalog import get_target
        from sam_hub.evaluation.publication import publication_of, publish

        merge, about = publication_of(place.catalog, get_target(place.catalog, self.target), self.by)
        return publish(
            place.catalog,
            place.hub,
            merge,
            self.repo,
            about,
            private=not self.public,
            dry_run=dry_run,
            force=self.force,
            adapter=self.adapter,
            pull_request=self.pull_request,
            on_progress=lambda sent, size, file: watch(file, sent, size),
        )

    def run(self, place: Place, watch: Watch, say: Say) -> dict[str, Any]:
        """Push."""
        from sam_hub.hub.cards import load_snippet
        from sam_hub.settings import PUBLIC_HUB

        plan, done = self.publish(place, watch)
        assert done is not None
        say(f"{done.url} at {done.commit[:8]}")
        values = {"commit": done.commit, "url": done.url}
        endpoint = place.hub.endpoint
        snippet = load_snippet(
            self.repo,
            adapter=self.adapter,
            endpoint=None if endpoint == PUBLIC_HUB else endpoint,
            revision=f"refs/pr/{done.url.rpartition('/')[2]}" if self.pull_request else None,
            login=_login(place) if plan.private else None,
        )
        return {**push_values(plan), **values, "snippet": snippet}

    def sweep(self, settings: Settings) -> None:
        """Folders that were made up to be pushed, and whose process has ended."""
        from sam_hub.evaluation.publication import SCRATCH
        from sam_hub.scratch import sweep_scratch

        sweep_scratch(settings.merges, SCRATCH)


def _login(place: Place) -> str:
    """Where a token for the Hub comes from, for the person who reads the code that loads a model."""
    from sam_hub.settings import EMBEDDED_HUB

    if place.settings.endpoint == EMBEDDED_HUB:
        return "set HF_TOKEN; `sam-hub hub-token add NAME` makes a token"
    return "run `hf auth login`, or set HF_TOKEN"


def push_values(plan: PushPlan) -> dict[str, Any]:
    """A plan as plain values, for JSON and the UI."""
    return {
        "repo": plan.repo,
        "creates": plan.creates,
        "private": plan.private,
        "bytes": plan.size,
        "files": [{"path": file.path, "size": file.size} for file in plan.files],
        "removes": list(plan.removes),
    }
