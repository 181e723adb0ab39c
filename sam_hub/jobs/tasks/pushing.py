"""The work of pushing: a merged model and its card, in one commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sam_hub.jobs.task import Log, OnProgress, Task, TaskReporter

if TYPE_CHECKING:
    from sam_hub.config import Settings
    from sam_hub.hub.upload import Pushed, PushPlan
    from sam_hub.services.context import AppContext


@dataclass(frozen=True)
class PushMerge(Task):
    """Push a target's merged model (by "similarity" or "sampling") to a repository on the Hub."""

    KIND: ClassVar[str] = "push"
    QUEUE: ClassVar[str] = "network"

    target: str
    repo: str
    by: str = "sampling"
    public: bool = False
    force: bool = False  # the newest merge, also if it failed the check
    adapter: bool = False  # the adapter that was written of it, instead of the whole model
    pull_request: bool = False

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"push {self.repo}"

    def publish(
        self, context: AppContext, on_progress: OnProgress, *, dry_run: bool = False
    ) -> tuple[PushPlan, Pushed | None]:
        """Push, or with ``dry_run`` only plan to."""
        from sam_hub.catalog.targets import get_target
        from sam_hub.evaluation.publication import publication_of, publish

        target = get_target(context.catalog, self.target)
        merge, about = publication_of(context.catalog, target, self.by, newest=self.force)
        return publish(
            context.catalog,
            context.hub,
            merge,
            self.repo,
            about,
            private=not self.public,
            dry_run=dry_run,
            force=self.force,
            adapter=self.adapter,
            pull_request=self.pull_request,
            settings=context.settings,
            reporter=TaskReporter(on_progress),
        )

    def run(self, context: AppContext, on_progress: OnProgress, log: Log) -> dict[str, Any]:
        """Push."""
        from sam_hub.config import PUBLIC_HUB
        from sam_hub.hub.cards import load_snippet

        plan, done = self.publish(context, on_progress)
        assert done is not None
        log(f"{done.url} at {done.commit[:8]}")
        values = {"commit": done.commit, "url": done.url}
        endpoint = context.hub.endpoint
        snippet = load_snippet(
            self.repo,
            adapter=self.adapter,
            endpoint=None if endpoint == PUBLIC_HUB else endpoint,
            revision=f"refs/pr/{done.url.rpartition('/')[2]}" if self.pull_request else None,
            login=_login(context) if plan.private else None,
        )
        return {**push_values(plan), **values, "snippet": snippet}

    def clean_up(self, settings: Settings) -> None:
        """Folders that were made up to be pushed, and whose process has ended."""
        from sam_hub.evaluation.publication import SCRATCH
        from sam_hub.tempdirs import sweep_scratch

        sweep_scratch(settings.merges, SCRATCH)


def _login(context: AppContext) -> str:
    """Where a token for the Hub comes from, for the person who reads the code that loads a model."""
    from sam_hub.config import EMBEDDED_HUB

    if context.settings.endpoint == EMBEDDED_HUB:
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
