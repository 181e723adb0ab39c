"""Put a folder on a Hub as one commit, and make sure that it arrived."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sam_hub.errors import HubError, InputError, NotFoundOnHub
from sam_hub.hub.client import Hub
from sam_hub.hub.errors import ATTEMPTS, explained, retried, seconds_to_wait
from sam_hub.hub.file_rules import PICKLES, is_of_a_model, name_problem
from sam_hub.hub.remote_files import head_of, list_files
from sam_hub.hub.repo_id import check_repo_id

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, CommitOperationAdd

Progress = Callable[[int, int, str], None]
"""Called with bytes done, bytes in all, and the file at hand; what it raises ends the work."""


@dataclass(frozen=True)
class LocalFile:
    """A file of the folder: its path in the repository, and its bytes."""

    path: str
    size: int


@dataclass(frozen=True)
class PushPlan:
    """What a push would do. ``removes`` are files of another model on the Hub: ones that the folder does not have.

    ``pull_request``: the commit is proposed to the owner, and ``main`` left as it is.
    """

    repo: str
    folder: Path
    files: tuple[LocalFile, ...]
    size: int
    creates: bool
    private: bool
    removes: tuple[str, ...]
    head: str | None
    pull_request: bool = False


@dataclass(frozen=True)
class Pushed:
    """What came of a push; ``url`` is the page of the repository, or of the pull request."""

    repo: str
    commit: str
    url: str


def plan_push(
    hub: Hub, folder: Path, repo: str, *, private: bool = True, pull_request: bool = False
) -> PushPlan:
    """Plan to put ``folder`` on the Hub as ``repo``.

    Args:
        private: for a repository that is created; an existing one keeps what it is.
        pull_request: propose it to the owner of a repository that is there.

    Raises:
        InputError: the folder can't be pushed: missing, empty, with pickles or names that are refused; or it is
            not said whose ``repo`` is.
        NotFoundOnHub: not logged in, or there is no repository to propose to.
        HubError: the network or the Hub failed.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    repo = check_repo_id(repo)
    if "/" not in repo:  # the Hub would make it the user's, and know nothing of it by this name
        raise InputError(f"It is not said whose '{repo}' is", f"Write it as owner/name: OWNER/{repo}.")
    files = _local_files(folder)
    if hub.token is None:
        raise NotFoundOnHub(f"Not logged in to {hub.endpoint}", "Run `hf auth login` or set HF_TOKEN.")
    with explained(hub, repo):
        try:
            info = retried(lambda: hub.api().model_info(repo))
        except RepositoryNotFoundError:
            info = None
        remote = list_files(hub, repo, info.sha) if info and info.sha else ()
    if pull_request and info is None:
        raise NotFoundOnHub(
            f"There is no '{repo}' to which a pull request could be made", "Push without --create-pr."
        )
    ours = {file.path for file in files}
    stale = tuple(file.path for file in remote if is_of_a_model(file.path) and file.path not in ours)
    return PushPlan(
        repo=repo,
        folder=folder,
        files=files,
        size=sum(file.size for file in files),
        creates=info is None,
        private=private if info is None else bool(info.private),
        removes=stale,
        head=info.sha if info else None,
        pull_request=pull_request,
    )


def push(hub: Hub, plan: PushPlan, message: str, on_progress: Progress | None = None) -> Pushed:
    """Do what the plan says: create, upload, one commit, and a look at what the Hub has then.

    A folder that is on the Hub already gives the present commit. After a lost answer the head is
    read, and a commit that did arrive is not made twice.

    Raises:
        HubError: the network or the Hub failed, someone else pushed meanwhile, or what arrived
            differs from what was sent.
        InputError: the card's metadata is not valid.
        NotFoundOnHub: no permission to write there.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    additions = [
        CommitOperationAdd(path_in_repo=file.path, path_or_fileobj=plan.folder / file.path)
        for file in plan.files
    ]
    removals = [CommitOperationDelete(path_in_repo=path, is_folder=False) for path in plan.removes]
    with explained(hub, plan.repo):
        api = hub.api()
        if plan.creates:
            retried(lambda: api.create_repo(plan.repo, private=plan.private, exist_ok=True))
        head = plan.head or _created(hub, plan)
        _upload(hub, plan, additions, on_progress)
        commit, url = _commit(hub, plan, [*removals, *additions], additions, message, head)
        if wrong := _differences(hub, plan, additions, commit):
            raise HubError(
                f"'{plan.repo}' at {commit[:8]} differs from what was sent: {', '.join(wrong[:5])}",
                "Push it again.",
            )
    return Pushed(plan.repo, commit, url)


def _created(hub: Hub, plan: PushPlan) -> str:
    """The head of the repository that was made for this push.

    Raises:
        HubError: somebody made one of this name meanwhile: what the plan said does not hold.
    """
    info = retried(lambda: hub.api().model_info(plan.repo))
    others = [one.rfilename for one in info.siblings or () if one.rfilename != ".gitattributes"]
    if others or bool(info.private) != plan.private:
        raise HubError(f"'{plan.repo}' was made by someone else meanwhile", "Run it again for a new plan.")
    return info.sha or ""


def _upload(
    hub: Hub, plan: PushPlan, additions: list[CommitOperationAdd], on_progress: Progress | None
) -> None:
    """Send the large files, one after the other; small ones travel in the commit."""
    done = 0
    for file, addition in zip(plan.files, additions, strict=True):
        if on_progress:
            on_progress(done, plan.size, file.path)
        retried(
            lambda addition=addition: hub.api().preupload_lfs_files(
                plan.repo, [addition], free_memory=False, create_pr=plan.pull_request
            )
        )
        done += file.size
        if on_progress:
            on_progress(done, plan.size, file.path)


def _commit(
    hub: Hub,
    plan: PushPlan,
    operations: list,
    additions: list[CommitOperationAdd],
    message: str,
    parent: str,
) -> tuple[str, str]:
    """Make the commit, or the pull request of it, or find it made; returns its SHA and the page to look at.

    ``parent`` guards against a second commit: after one that arrived, the Hub refuses it (412).
    """
    page, before = hub.page(plan.repo), _proposals(hub, plan.repo) if plan.pull_request else {}
    for attempt in range(ATTEMPTS):
        try:
            made = _create_commit(hub, plan, operations, message, parent)
            return made.oid, made.pr_url or page
        except Exception as error:
            wait = seconds_to_wait(error, attempt)
            if wait is None and (plan.pull_request or _status(error) != 412):
                raise
            for commit, url in _arrived(hub, plan, parent, before):
                if not _differences(hub, plan, additions, commit):
                    return commit, url
                if not plan.pull_request:
                    raise  # someone else's commit
            if wait is None or attempt == ATTEMPTS - 1:
                raise
            time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def _arrived(hub: Hub, plan: PushPlan, parent: str, before: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Commits that are on the Hub since, with their pages: one may be ours, of which the answer was lost."""
    page = hub.page(plan.repo)
    if plan.pull_request:
        for number, commit in _proposals(hub, plan.repo).items():
            if number not in before:
                yield commit, f"{page}/discussions/{number}"
    elif (head := head_of(hub, plan.repo)) != parent:
        yield head, page


def _proposals(hub: Hub, repo: str) -> dict[str, str]:
    """The commit of each pull request, by its number."""
    refs = retried(lambda: hub.api().list_repo_refs(repo, include_pull_requests=True))
    return {ref.ref.rpartition("/")[2]: ref.target_commit for ref in refs.pull_requests or ()}


def _create_commit(hub: Hub, plan: PushPlan, operations: list, message: str, parent: str) -> CommitInfo:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks on the card's metadata, meant for its author
        try:
            return hub.api().create_commit(
                plan.repo,
                operations,
                commit_message=message,
                parent_commit=parent,
                create_pr=plan.pull_request,
            )
        except ValueError as error:
            if not str(error).startswith("Invalid metadata in README.md"):
                raise
            raise InputError(" ".join(str(error).split()), "Correct the head of README.md.") from error


def _status(error: Exception) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _differences(hub: Hub, plan: PushPlan, additions: list[CommitOperationAdd], commit: str) -> list[str]:
    """The paths at which the Hub's commit is not what the folder holds."""
    there = {file.path: file for file in list_files(hub, plan.repo, commit)}
    wrong = [path for path in plan.removes if path in there]
    for addition in additions:
        remote = there.get(addition.path_in_repo)
        if remote is None or remote.size != addition.upload_info.size:
            wrong.append(addition.path_in_repo)
        elif remote.sha256:
            if remote.sha256 != addition.upload_info.sha256.hex():
                wrong.append(addition.path_in_repo)
        elif remote.oid != _git_oid(plan.folder / addition.path_in_repo):
            wrong.append(addition.path_in_repo)
    return wrong


def _git_oid(path: Path) -> str:
    data = path.read_bytes()  # small: large ones are known by their SHA-256
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _local_files(folder: Path) -> tuple[LocalFile, ...]:
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}", "Give the folder of a model.")
    files = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or any(part.startswith(".") for part in name.split("/")):
            continue
        if not path.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{name} is a link to a file elsewhere", "Put a copy of that file there.")
        if problem := name_problem(name):
            raise InputError(f"{name!r} can't be pushed: {problem}", "Rename the file.")
        if name.lower().endswith(PICKLES):
            raise InputError(f"{name} is a pickle, which can run code", "Save the weights as safetensors.")
        files.append(LocalFile(name, path.stat().st_size))
    if not files:
        raise InputError(f"The folder {folder} is empty", "Give the folder of a model.")
    return tuple(files)
