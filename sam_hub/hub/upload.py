"""Put a folder on a Hub as one commit, and make sure that it arrived."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from sam_hub.errors import HubError, InputError, NotFoundOnHub
from sam_hub.hub.client import Hub
from sam_hub.hub.errors import explained, is_transient, retried, status_of
from sam_hub.hub.file_rules import PICKLES, RemoteFile, is_of_a_model, name_problem
from sam_hub.hub.repo_snapshot import check_repo_id, head_of, list_files, matches
from sam_hub.progress import SILENT, Reporter

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, CommitOperationAdd


@dataclass(frozen=True)
class LocalFile:
    """A file of the folder: its path in the repository, and its bytes."""

    path: str
    size: int


@dataclass(frozen=True)
class PushPlan:
    """What a push would do.

    ``removes`` are files on the Hub that belong to another model: ones that the folder does not have.
    ``pull_request``: the commit is proposed to the owner, and ``main`` stays as it is.
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
    """The result of a push; ``url`` is the page of the repository, or of the pull request."""

    repo: str
    commit: str
    url: str


def plan_push(hub: Hub, folder: Path, repo: str, *, private: bool = True, pull_request: bool = False) -> PushPlan:
    """Plan to put ``folder`` on the Hub as ``repo``.

    Args:
        private: for a repository that is created; an existing one stays as it is.
        pull_request: propose it to the owner of an existing repository.

    Raises:
        InputError: the folder is missing or empty, or holds pickles or names that are refused; or ``repo`` has no
            owner in it.
        NotFoundOnHub: not logged in, or there is no repository to propose to.
        HubError: the network or the Hub failed.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    repo = check_repo_id(repo)
    if "/" not in repo:  # the Hub would make it the user's, and not find it by this name
        raise InputError(f"'{repo}' has no owner", f"Use owner/name: OWNER/{repo}.")
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
        raise NotFoundOnHub(f"There is no repository '{repo}' to open a pull request in", "Push without --create-pr.")
    paths = {file.path for file in files}
    return PushPlan(
        repo=repo,
        folder=folder,
        files=files,
        size=sum(file.size for file in files),
        creates=info is None,
        private=private if info is None else bool(info.private),
        removes=tuple(f.path for f in remote if is_of_a_model(f.path) and f.path not in paths),
        head=info.sha if info else None,
        pull_request=pull_request,
    )


def push(hub: Hub, plan: PushPlan, message: str, reporter: Reporter = SILENT) -> Pushed:
    """Carry out a plan: create the repository, upload, make one commit, and check what the Hub has then.

    A folder that is on the Hub already gives the present commit. After a lost answer the head is read, so that a
    commit that did arrive is not made twice.

    Raises:
        HubError: the network or the Hub failed, someone else pushed meanwhile, or what arrived differs from what was
            sent.
        InputError: the card's metadata is not valid.
        NotFoundOnHub: no permission to write there.
    """
    with explained(hub, plan.repo):
        if plan.creates:
            retried(lambda: hub.api().create_repo(plan.repo, private=plan.private, exist_ok=True))
        upload = _Upload(hub, plan, message, plan.head or _created(hub, plan))
        upload.send_large_files(reporter)
        pushed = upload.commit()
        if wrong := upload.differences(pushed.commit):
            shown = ", ".join(wrong[:5])
            raise HubError(
                f"'{plan.repo}' at {pushed.commit[:8]} differs from what was sent: {shown}", "Push it again."
            )
    return pushed


def _created(hub: Hub, plan: PushPlan) -> str:
    """The head of the repository that was made for this push.

    Raises:
        HubError: somebody made one of this name meanwhile, so that the plan does not hold.
    """
    info = retried(lambda: hub.api().model_info(plan.repo))
    others = [file.rfilename for file in info.siblings or () if file.rfilename != ".gitattributes"]
    if others or bool(info.private) != plan.private:
        raise HubError(f"'{plan.repo}' was created by someone else in the meantime", "Run the command again.")
    return info.sha or ""


@dataclass(frozen=True)
class _Upload:
    """One push on its way. ``parent`` guards against a second commit: after one that arrived, the Hub refuses it."""

    hub: Hub
    plan: PushPlan
    message: str
    parent: str

    @cached_property
    def additions(self) -> list[CommitOperationAdd]:
        from huggingface_hub import CommitOperationAdd

        return [CommitOperationAdd(file.path, self.plan.folder / file.path) for file in self.plan.files]

    def send_large_files(self, reporter: Reporter) -> None:
        """Send the large files, one after another; small ones travel in the commit."""
        plan, done = self.plan, 0
        send = partial(self.hub.api().preupload_lfs_files, plan.repo, free_memory=False, create_pr=plan.pull_request)
        for file, addition in zip(plan.files, self.additions, strict=True):
            what = f"push {plan.repo}: {file.path}"
            reporter.progress(what, done, plan.size, "B")
            retried(partial(send, [addition]))
            done += file.size
            reporter.progress(what, done, plan.size, "B")

    def commit(self) -> Pushed:
        """Make the commit, or the pull request of it, unless one whose answer was lost is on the Hub."""
        before = self._proposals() if self.plan.pull_request else {}

        def attempt() -> Pushed:
            try:
                commit = self._create_commit()
                return Pushed(self.plan.repo, commit.oid, commit.pr_url or self.hub.page(self.plan.repo))
            except Exception as error:
                stale_parent = status_of(error) == 412 and not self.plan.pull_request
                if is_transient(error) or stale_parent:
                    for pushed in self._arrived(before):
                        if not self.differences(pushed.commit):
                            return pushed
                raise

        return retried(attempt)

    def _arrived(self, before: Mapping[str, str]) -> Iterator[Pushed]:
        """Commits that came to the Hub since: one may be ours."""
        repo, page = self.plan.repo, self.hub.page(self.plan.repo)
        if self.plan.pull_request:
            for number, commit in self._proposals().items():
                if number not in before:
                    yield Pushed(repo, commit, f"{page}/discussions/{number}")
        elif (head := head_of(self.hub, repo)) != self.parent:
            yield Pushed(repo, head, page)

    def _proposals(self) -> dict[str, str]:
        """The commit of each pull request, by its number."""
        list_refs = self.hub.api().list_repo_refs
        refs = retried(lambda: list_refs(self.plan.repo, include_pull_requests=True))
        return {ref.ref.rpartition("/")[2]: ref.target_commit for ref in refs.pull_requests or ()}

    def _create_commit(self) -> CommitInfo:
        from huggingface_hub import CommitOperationDelete

        removals = [CommitOperationDelete(path, is_folder=False) for path in self.plan.removes]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on the card's metadata, meant for its author
            try:
                return self.hub.api().create_commit(
                    self.plan.repo,
                    [*removals, *self.additions],
                    commit_message=self.message,
                    parent_commit=self.parent,
                    create_pr=self.plan.pull_request,
                )
            except ValueError as error:
                if not str(error).startswith("Invalid metadata in README.md"):
                    raise
                raise InputError(
                    " ".join(str(error).split()), "Correct the metadata at the top of README.md."
                ) from error

    def differences(self, commit: str) -> list[str]:
        """Return the paths at which the Hub's commit is not what the folder holds."""
        remote = {file.path: file for file in list_files(self.hub, self.plan.repo, commit)}
        kept = [path for path in self.plan.removes if path in remote]
        return kept + [one.path_in_repo for one in self.additions if not self._is_there(one, remote)]

    def _is_there(self, addition: CommitOperationAdd, remote: Mapping[str, RemoteFile]) -> bool:
        path, info = addition.path_in_repo, addition.upload_info
        if (file := remote.get(path)) is None:
            return False
        if file.sha256:
            return (file.size, file.sha256) == (info.size, info.sha256.hex())
        return matches(self.plan.folder / path, file)


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
