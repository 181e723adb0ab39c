"""All repositories of one Hub in one folder."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sam_hub.local_hub import names
from sam_hub.local_hub.blobs import BlobStore, git_oid, lfs_pointer
from sam_hub.local_hub.repository import Entry, Repository, now
from sam_hub.local_hub.responses import Refusal, repo_not_found
from sam_hub.local_hub.tokens import OWNER
from sam_hub.local_hub.uploads import Grants, PartStore, XorbStore

LFS_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".npy",
                ".parquet", ".arrow", ".npz", ".pickle", ".pkl", ".zip", ".gz", ".tar", ".model")  # fmt: skip
REGULAR_LIMIT = 10 * 1024 * 1024
PART_BYTES = 2 * 1024**3  # the whole is put together from its parts: below this, sending it anew is as quick
_DAY = 24 * 3600


def is_large(path: str, size: int, sample: bytes) -> bool:
    """Return whether a file is stored as a large one: by its name, its size, or because it is not text."""
    return path.endswith(LFS_SUFFIXES) or size > REGULAR_LIMIT or b"\0" in sample


class Storage:
    """``blobs/`` shared by all repositories, and ``repos/KIND/OWNER/NAME/``.

    ``part_bytes``: larger files are taken in parts of so many bytes, from clients that can.
    """

    def __init__(self, root: Path, part_bytes: int = PART_BYTES) -> None:
        self.root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)  # private models are for their owner alone
        self.blobs = BlobStore(root / "blobs")
        self.grants = Grants(root / "grants")
        self.parts = PartStore(root / "parts", part_bytes)
        self.xorbs = XorbStore(root / "xorbs")
        (root / "blobs").mkdir(parents=True, exist_ok=True)
        (root / "repos").mkdir(exist_ok=True)

    def repository(self, kind: str, owner: str, name: str) -> Repository:
        """Return the repository of this name, created or not. Raises: Refusal 400, the name is not allowed."""
        id = names.repo_id(owner, name)
        return Repository(self._folder(kind, id), id, kind)

    def all(self, kind: str) -> Iterator[Repository]:
        """Yield every repository of a kind, by name."""
        for file in sorted((self.root / "repos" / kind).glob("*/*/repo.json")):
            yield Repository(file.parent, "/".join(file.parent.parts[-2:]), kind)

    def create(self, repository: Repository, *, private: bool) -> None:
        """Create a repository with a first commit; it appears as a whole. Raises: Refusal 409, it exists."""
        attributes = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES)
        settings = {"private": private, "gated": False, "created": now()}
        building = Path(tempfile.mkdtemp(prefix=".new-", dir=self.root))
        try:
            entry = self.keep(".gitattributes", attributes.encode())
            Repository(building, repository.id, repository.kind).initialise(settings, {entry.path: entry})
            with repository.lock():
                if repository.exists:
                    raise Refusal(409, "You already created this model repo")
                building.replace(repository.folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def delete(self, repository: Repository) -> None:
        """Delete a repository; from one moment to the next it is gone. Raises: Refusal 404, it does not exist."""
        leaving = Path(tempfile.mkdtemp(prefix=".gone-", dir=self.root))
        with repository.alone():
            repository.folder.rename(leaving / "repo")
        shutil.rmtree(leaving, ignore_errors=True)

    def move(self, source: Repository, target: Repository) -> None:
        """Rename a repository. Raises: Refusal 404, it does not exist; 409, the new name is taken."""
        first, second = sorted((source, target), key=lambda one: one.id)  # always in one order: no two can wait
        if source.id == target.id:
            raise Refusal(409, f"'{target.id}' exists already")
        with first.lock(), second.lock():
            if not source.exists:
                raise repo_not_found()
            if target.exists:
                raise Refusal(409, f"'{target.id}' exists already")
            source.folder.rename(target.folder)

    def keep(self, path: str, data: bytes) -> Entry:
        """Store a small file's content, and return its entry."""
        return Entry(path, len(data), self.blobs.put(data), git_oid(data), lfs=False)

    def may_have(self, repository: Repository, user: str, sha256: str) -> bool:
        """Return whether a content may become a file of this repository unsent: it is one, or ``user`` sent it before.

        Ids are no secrets, a gated repository shows them: whoever names one must not get what it stands for.
        """
        known = user == OWNER or self.grants.has(sha256, user)
        return known or any(entry.sha256 == sha256 for entry in repository.entries())

    def large(self, repository: Repository, user: str, path: str, sha256: str) -> Entry:
        """Return the entry of a large file whose content this user uploaded before. Raises: Refusal 400, it was not."""
        if not (self.may_have(repository, user, sha256) and self.blobs.claim(sha256)):
            raise Refusal(400, f"The content of '{path}' was not uploaded")
        size = self.blobs.size(sha256)
        return Entry(path, size, sha256, git_oid(lfs_pointer(sha256, size)), lfs=True)

    def collect(self) -> int:
        """Delete contents that no commit of any repository names, a day old at least; return the bytes freed."""
        before = time.time() - _DAY
        there = [one for kind in names.KINDS for one in self.all(kind)]
        named = {entry.sha256 for one in there for entry in one.entries()}
        if not all(one.exists for one in there):  # moved meanwhile: its files may not have been seen
            return 0
        return self.blobs.collect(named, before)

    def sweep(self) -> None:
        """Delete what a kill left half-written more than a day ago, and what was sent and never used."""
        stale = [*self.root.glob(".new-*"), *self.root.glob(".gone-*"), *self.root.rglob(".tmp-*")]
        stale += [*self.root.glob("xorbs/*"), *self.root.glob("parts/*"), *self.root.glob("grants/*/*")]
        for path in stale:
            with contextlib.suppress(OSError):  # another process may be faster
                if time.time() - path.stat().st_mtime < _DAY:
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def _folder(self, kind: str, id: str) -> Path:
        owner, name = id.split("/")
        return self.root / "repos" / kind / owner / name
