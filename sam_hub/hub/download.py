"""Fetch a model at a pinned commit: plan, download, verify, and only then put it in its place."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from humanize import naturalsize

from sam_hub.errors import DiskFull, HubError, NotFoundOnHub
from sam_hub.hub.client import Hub
from sam_hub.hub.errors import explained
from sam_hub.hub.file_rules import RemoteFile, is_wanted, require_none, tree_problems
from sam_hub.hub.repo_snapshot import RepoSnapshot, check_repo_id, take_snapshot
from sam_hub.progress import SILENT, Reporter
from sam_hub.tempdirs import staged_folder

_STALE_SECONDS = 900  # far longer than a download waits for bytes; none goes on with an old partial


@dataclass(frozen=True)
class PullPlan:
    """What a pull would do; all sizes in bytes.

    ``snapshot`` is None where the folder on disk serves without the Hub, and ``because`` says why it does.
    ``partial`` bytes lie in the cache of downloads that were cut off a while ago: nothing can continue them, and a pull
    removes them.
    """

    snapshot: RepoSnapshot | None
    repo: str
    commit: str
    folder: Path
    files: tuple[RemoteFile, ...]
    size: int
    cached: int
    needed: int
    free: int
    complete: bool
    because: str = ""
    partial: int = 0

    @property
    def to_fetch(self) -> int:
        """Bytes that come over the network."""
        return 0 if self.complete else self.size - self.cached

    @property
    def short(self) -> int:
        """Bytes of disk that are missing; 0 if there is enough."""
        return 0 if self.complete else max(0, self.needed - self.free)


def plan_pull(hub: Hub, repo: str, revision: str, models: Path, snapshot: RepoSnapshot | None = None) -> PullPlan:
    """Plan to fetch ``repo`` into ``models/owner--name/COMMIT``.

    A commit that lies there already needs no network, and serves when the Hub fails or does not have it any more.

    Args:
        snapshot: what the Hub said of this repository a moment ago, if it was asked; ``revision`` is not used then.

    Raises:
        UnusableModel: names, sizes or kinds of its files are refused.
        NotFoundOnHub: no such repository or revision, or no access.
        HubError: the network or the Hub failed, or it is offline.
    """
    repo = check_repo_id(repo)
    parent = models / repo.replace("/", "--")  # "--" never occurs in a repository's name
    try:
        snapshot = snapshot or take_snapshot(hub, repo, revision)
    except (HubError, NotFoundOnHub) as error:
        if re.fullmatch("[0-9a-f]{40}", revision) and (parent / revision).is_dir():
            return _plan_of_folder(repo, revision, parent / revision, error.title)
        raise
    require_none(repo, tree_problems(snapshot.files))
    wanted = tuple(file for file in snapshot.files if is_wanted(file.path))
    size = sum(file.size for file in wanted)
    cached = sum(file.size for file in wanted if _is_cached(snapshot, file))
    needed, free = _disk(hub, parent, size, size - cached)
    return PullPlan(
        snapshot=snapshot,
        repo=repo,
        commit=snapshot.commit,
        folder=parent / snapshot.commit,
        files=wanted,
        size=size,
        cached=cached,
        needed=needed,
        free=free,
        complete=_is_complete(parent / snapshot.commit, wanted),
        partial=sum(path.stat().st_size for path in _stale_partials(hub, repo)),
    )


def pull(hub: Hub, plan: PullPlan, reporter: Reporter = SILENT) -> Path:
    """Carry out a plan and return the folder, which is there as a whole or not at all.

    Files go through the Hugging Face cache and are linked from there, so that nothing is fetched or kept twice.
    Every file is checked against the Hub's listing.

    Raises:
        DiskFull: less free disk than needed; nothing was fetched.
        UnusableModel: the Hub sends other bytes than it lists.
        NotFoundOnHub, HubError: as `plan_pull`.
    """
    if plan.complete or plan.snapshot is None:
        return plan.folder
    if plan.short:
        raise DiskFull(
            f"'{plan.repo}' needs {naturalsize(plan.needed)} of disk space, and only {naturalsize(plan.free)} is free",
            f"Free {naturalsize(plan.short)} more, or set SAM_HUB_HOME to a larger disk.",
        )
    for path in _stale_partials(hub, plan.repo):
        path.unlink(missing_ok=True)  # another pull may be faster
    done = 0
    with staged_folder(plan.folder, keep=lambda: _is_complete(plan.folder, plan.files)) as staging:
        for file in plan.files:
            what = f"pull {plan.repo}: {file.path}"
            with explained(hub, plan.repo):
                _link(plan.snapshot.fetch(file, _meter(reporter, what, done, plan.size)), staging / file.path)
            done += file.size
            reporter.progress(what, done, plan.size, "B")
    return plan.folder


def _plan_of_folder(repo: str, commit: str, folder: Path, because: str) -> PullPlan:
    """The plan for a folder on disk, made without asking the Hub."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    files = tuple(RemoteFile(path.relative_to(folder).as_posix(), path.stat().st_size, None, "") for path in paths)
    size = sum(file.size for file in files)
    return PullPlan(None, repo, commit, folder, files, size, size, 0, 0, complete=True, because=because)


def _is_complete(folder: Path, files: Iterable[RemoteFile]) -> bool:
    """A folder appears only when it is finished; sizes show whether something was taken from it since."""
    paths = ((folder / file.path, file.size) for file in files)
    return folder.is_dir() and all(path.is_file() and path.stat().st_size == size for path, size in paths)


def _is_cached(snapshot: RepoSnapshot, file: RemoteFile) -> bool:
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(snapshot.repo, file.path, cache_dir=snapshot.hub.cache_dir, revision=snapshot.commit)
    return isinstance(path, str) and Path(path).stat().st_size == file.size


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())


def _disk(hub: Hub, place: Path, size: int, to_fetch: int) -> tuple[int, int]:
    """Bytes needed and bytes free where they are fewest; across file systems a link is a copy."""
    target, cache = _existing(place), _existing(hub.cache_dir or place)
    if cache.stat().st_dev == target.stat().st_dev:
        return to_fetch, shutil.disk_usage(target).free
    both = (to_fetch, shutil.disk_usage(cache).free), (size, shutil.disk_usage(target).free)
    return min(both, key=lambda disk: disk[1] - disk[0])


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    real = source.resolve()
    try:
        os.link(real, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(real, target)


def _meter(reporter: Reporter, what: str, before: int, total: int) -> type:
    """A progress bar class, as huggingface_hub wants one, that shows nothing and reports bytes."""
    from tqdm import tqdm

    class Meter(tqdm):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            options.pop("name", None)
            self.received = options.get("initial", 0) or 0
            super().__init__(*arguments, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            self.received += int(n or 0)
            reporter.progress(what, before + self.received, total, "B")
            return None

    return Meter


def _stale_partials(hub: Hub, repo: str) -> list[Path]:
    """What killed downloads left in the cache a while ago; newer ones may be of another process at work."""
    from huggingface_hub.file_download import repo_folder_name

    if hub.cache_dir is None:
        return []
    blobs, stale = hub.cache_dir / repo_folder_name(repo_id=repo, repo_type="model") / "blobs", []
    for path in blobs.glob("*.incomplete"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime >= _STALE_SECONDS:
                stale.append(path)
    return stale
