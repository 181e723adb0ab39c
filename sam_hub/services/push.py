"""Push: a merged model and its card, in one commit on the Hub."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sam_hub.progress import SILENT, Reporter
from sam_hub.services.choices import Method

if TYPE_CHECKING:
    from sam_hub.catalog.tables import Merge
    from sam_hub.config import Settings
    from sam_hub.evaluation.publication import Publication
    from sam_hub.hub.upload import Pushed
    from sam_hub.hub.upload import PushPlan as UploadPlan
    from sam_hub.services.context import AppContext


@dataclass(frozen=True)
class PushOptions:
    """Which of a target's merges to push, and where to.

    Args:
        repo: ``owner/name``.
        public: create a public repository, not a private one.
        force: also push a merge that failed the sanity check.
        adapter: push the adapter that was written of the merge, not the whole model.
        pull_request: propose it to the repository's owner.
    """

    target: str
    repo: str
    by: Method = Method.sampling
    public: bool = False
    force: bool = False
    adapter: bool = False
    pull_request: bool = False

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"push {self.repo}"


@dataclass(frozen=True)
class PushedFile:
    """A file, and its bytes."""

    path: str
    size: int


@dataclass(frozen=True)
class PushPlan:
    """What a push would do. ``removes`` are files of another model on the Hub.

    Args:
        card: the model card, Markdown.
        page: the repository's page on the Hub.
        problems: what the sanity check found.
    """

    repo: str
    creates: bool
    private: bool
    bytes: int
    files: tuple[PushedFile, ...]
    removes: tuple[str, ...]
    card: str
    page: str
    problems: tuple[str, ...]


@dataclass(frozen=True)
class PushOutcome:
    """What was pushed; ``url`` is the page of the repository or the pull request, ``snippet`` code that loads it."""

    repo: str
    creates: bool
    private: bool
    bytes: int
    files: tuple[PushedFile, ...]
    removes: tuple[str, ...]
    commit: str
    url: str
    snippet: str


def plan_push(context: AppContext, options: PushOptions) -> PushPlan:
    """Ask the Hub what is there, and write the card. Problems of the merge are listed, and raise only by `run_push`.

    Raises:
        CatalogError: the target has no such merge.
        NotFoundOnHub, HubError, InputError: as `sam_hub.hub.upload.plan_push`.
    """
    from sam_hub.catalog.targets import get_target
    from sam_hub.evaluation.publication import publication_of, write_card
    from sam_hub.merging.sanity_check import UNCHECKED, saved_check

    target = get_target(context.catalog, options.target)
    merge, about = publication_of(context.catalog, target, str(options.by), newest=options.force)
    plan, _ = _publish(context, replace(options, force=True), SILENT, (merge, about), dry_run=True)
    check = saved_check(Path(merge.path))
    return PushPlan(
        repo=plan.repo,
        creates=plan.creates,
        private=plan.private,
        bytes=plan.size,
        files=tuple(PushedFile(file.path, file.size) for file in plan.files),
        removes=plan.removes,
        card=write_card(context.catalog, merge, options.repo, about, adapter=options.adapter),
        page=context.hub.page(options.repo),
        problems=tuple(check.problems) if check else (f"It {UNCHECKED}",),
    )


def run_push(context: AppContext, options: PushOptions, reporter: Reporter = SILENT) -> PushOutcome:
    """Push a merge.

    Raises:
        UnusableModel: it failed the sanity check, and ``force`` is not set.
        CatalogError: the target has no such merge.
        HubError, NotFoundOnHub, InputError: as `sam_hub.hub.upload.push`.
    """
    from sam_hub.catalog.targets import get_target
    from sam_hub.config import PUBLIC_HUB
    from sam_hub.evaluation.publication import publication_of
    from sam_hub.hub.cards import load_snippet

    target = get_target(context.catalog, options.target)
    found = publication_of(context.catalog, target, str(options.by), newest=options.force)
    plan, pushed = _publish(context, options, reporter, found)
    assert pushed is not None
    reporter.log(f"{pushed.url} at {pushed.commit[:8]}")
    endpoint = context.hub.endpoint
    return PushOutcome(
        repo=plan.repo,
        creates=plan.creates,
        private=plan.private,
        bytes=plan.size,
        files=tuple(PushedFile(file.path, file.size) for file in plan.files),
        removes=plan.removes,
        commit=pushed.commit,
        url=pushed.url,
        snippet=load_snippet(
            options.repo,
            adapter=options.adapter,
            endpoint=None if endpoint == PUBLIC_HUB else endpoint,
            revision=f"refs/pr/{pushed.url.rpartition('/')[2]}" if options.pull_request else None,
            login=_login(context) if plan.private else None,
        ),
    )


def _publish(
    context: AppContext,
    options: PushOptions,
    reporter: Reporter,
    found: tuple[Merge, Publication],
    *,
    dry_run: bool = False,
) -> tuple[UploadPlan, Pushed | None]:
    from sam_hub.evaluation.publication import publish

    merge, about = found
    return publish(
        context.catalog,
        context.hub,
        merge,
        options.repo,
        about,
        private=not options.public,
        dry_run=dry_run,
        force=options.force,
        adapter=options.adapter,
        pull_request=options.pull_request,
        settings=context.settings,
        reporter=reporter,
    )


def _login(context: AppContext) -> str:
    """Say where a token for the Hub comes from, for the person who reads the code that loads a model."""
    from sam_hub.config import EMBEDDED_HUB

    if context.settings.endpoint == EMBEDDED_HUB:
        return "set HF_TOKEN; `sam-hub hub-token add NAME` makes a token"
    return "run `hf auth login`, or set HF_TOKEN"


def clean_up_pushes(settings: Settings, options: PushOptions) -> None:
    """Delete folders that were made to be pushed, and whose process has ended."""
    from sam_hub.evaluation.publication import SCRATCH
    from sam_hub.tempdirs import sweep_scratch

    sweep_scratch(settings.merges, SCRATCH)
