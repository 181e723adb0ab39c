"""Push: a merged model and its card, in one commit on the Hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sam_hub.errors import UnusableModel
from sam_hub.hub.upload import LocalFile
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.options import PushOptions, copied

if TYPE_CHECKING:
    from sam_hub.config import Settings
    from sam_hub.evaluation.publication import Publication
    from sam_hub.hub.upload import PushPlan as UploadPlan
    from sam_hub.services.context import AppContext


@dataclass(frozen=True)
class PushTarget:
    """A repository, whether a push creates it, and what it uploads. ``removes`` are files of another model there."""

    repo: str
    creates: bool
    private: bool
    bytes: int
    files: tuple[LocalFile, ...]
    removes: tuple[str, ...]

    def stays(self, options: PushOptions) -> str:
        """Say that a push doesn't make the repository private or public; empty if it is as wanted."""
        if self.creates or self.private != options.public:
            return ""
        visibility = "private" if self.private else "public"
        return f"{self.repo} already exists and stays {visibility}. You can change this on its page."


@dataclass(frozen=True)
class PushPlan(PushTarget):
    """What a push would do.

    Args:
        card: the model card, Markdown.
        page: the repository's page on the Hub.
        problems: what the sanity check or the votes say against the merge.
    """

    card: str
    page: str
    problems: tuple[str, ...]

    def lines(self, options: PushOptions) -> list[str]:
        """Return what a push by these options would do, in a few lines; the files are not among them."""
        from humanize import naturalsize

        verb = "Creates" if self.creates else "Updates"
        verb = "Opens a pull request in" if options.pull_request else verb
        visibility, count = "private" if self.private else "public", len(self.files)
        size = f"{count} file{'' if count == 1 else 's'}, {naturalsize(self.bytes)}, in one commit"
        lines = [f"{verb} {self.repo} ({visibility}): {size}", f"Page: {self.page}", self.stays(options)]
        lines += [f"Warning: {problem}" for problem in self.problems]
        lines += [f"Removes {path}: part of the current model" for path in self.removes]
        return list(filter(None, lines))


@dataclass(frozen=True)
class PushOutcome(PushTarget):
    """What was pushed; ``url`` is the page of the repository or the pull request, ``snippet`` code that loads it."""

    commit: str
    url: str
    snippet: str


def plan_push(context: AppContext, options: PushOptions) -> PushPlan:
    """Ask the Hub what is there, and write the card. Problems of the merge are listed, and raise only by `run_push`."""
    from sam_hub.evaluation.publication import CARD, staged
    from sam_hub.merging.sanity_check import saved_check

    about = _publication(context, options)
    with staged(context.catalog, about, options.repo, adapter=options.adapter) as folder:
        plan = _plan_upload(context, options, folder)
        card = (folder / CARD).read_text(encoding="utf-8")
    check = saved_check(Path(about.merge.path))
    return copied(
        PushPlan,
        plan,
        bytes=plan.size,
        card=card,
        page=context.hub.page(options.repo),
        problems=tuple(check.problems) if check and check.problems else tuple(filter(None, [_problem(context, about)])),
    )


def _problem(context: AppContext, about: Publication) -> str:
    from sam_hub.merging.service import merge_problem

    return merge_problem(context.catalog, about.target, about.selection.method, about.merge)


def _publication(context: AppContext, options: PushOptions) -> Publication:
    from sam_hub.catalog.targets import get_target
    from sam_hub.evaluation.publication import publication_of

    target = get_target(context.catalog, options.target)
    return publication_of(context.catalog, target, str(options.by), newest=options.force)


def _plan_upload(context: AppContext, options: PushOptions, folder: Path) -> UploadPlan:
    from sam_hub.hub import upload

    private, proposed = not options.public, options.pull_request
    return upload.plan_push(context.hub, folder, options.repo, private=private, pull_request=proposed)


def run_push(context: AppContext, options: PushOptions, reporter: Reporter = SILENT) -> PushOutcome:
    """Push a merge in one commit, and record it."""
    from sam_hub.catalog.tables import Push
    from sam_hub.config import PUBLIC_HUB
    from sam_hub.evaluation.publication import answer_recipe, staged
    from sam_hub.hub.cards import load_snippet
    from sam_hub.hub.upload import push

    catalog, about = context.catalog, _publication(context, options)
    target, merge = about.target.name, about.merge
    if not options.force and (problem := _problem(context, about)):
        again = "Merge again to check it" if problem.startswith("was not") else "Merge fewer or other experts"
        raise UnusableModel(f"The merge for {target} {problem}", f"{again}, or push it anyway with --force.")
    answer = answer_recipe(catalog, about, context.settings)
    with staged(catalog, about, options.repo, adapter=options.adapter, answer=answer) as folder:
        plan = _plan_upload(context, options, folder)
        pushed = push(context.hub, plan, f"Merge for {target} by {merge.method}", reporter)
    catalog.add(Push(merge_id=merge.id, **vars(pushed), private=plan.private))
    reporter.log(f"{pushed.url} at {pushed.commit[:8]}")
    endpoint = context.hub.endpoint
    snippet = load_snippet(
        options.repo,
        adapter=options.adapter,
        endpoint=None if endpoint == PUBLIC_HUB else endpoint,
        revision=f"refs/pr/{pushed.url.rpartition('/')[2]}" if options.pull_request else None,
        login=_login(context) if plan.private else None,
    )
    return copied(PushOutcome, plan, bytes=plan.size, commit=pushed.commit, url=pushed.url, snippet=snippet)


def _login(context: AppContext) -> str:
    """Say where a token for the Hub comes from, for the person who reads the code that loads a model."""
    from sam_hub.config import EMBEDDED_HUB

    if context.settings.endpoint == EMBEDDED_HUB:
        return "set HF_TOKEN; `sam-hub hub-token add NAME` makes a token"
    return "run `hf auth login`, or set HF_TOKEN"


def clean_up_pushes(settings: Settings, options: PushOptions) -> None:
    """Delete folders that were made to be pushed, and whose process has ended."""
    from sam_hub.evaluation.publication import SCRATCH
    from sam_hub.tempdirs import clean_up_scratch

    clean_up_scratch(settings.merges, SCRATCH)
