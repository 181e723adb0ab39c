"""All repositories of one Hub in one folder."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sam_hub.hub.server import names
from sam_hub.hub.server.answers import Refusal, repo_not_found
from sam_hub.hub.server.blobs import BlobStore, PartStore, XorbStore, git_oid, lfs_pointer
from sam_hub.hub.server.repository import Entry, Repository, now

LFS_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".npy",
                ".parquet", ".arrow", ".npz", ".pickle", ".pkl", ".zip", ".gz", ".tar", ".model")  # fmt: skip
REGULAR_LIMIT = 10 * 1024 * 1024
PART_BYTES = 2 * 1024**3  # the whole is put together from its parts: below this, sending it anew is as quick
_DAY = 24 * 3600


def is_large(path: str, size: int, sample: bytes) -> bool:
    """Whether a file goes the way of large files: by its name, size, or since it is not text."""
    return path.endswith(LFS_SUFFIXES) or size > REGULAR_LIMIT or b"\0" in sample


class Storage:
    """``blobs/`` shared by all repositories, and ``repos/KIND/OWNER/NAME/``.

    ``part_bytes``: larger files are taken in parts of so many bytes, from clients that can.
    """

    def __init__(self, root: Path, part_bytes: int = PART_BYTES) -> None:
        self.root = root
        self.blobs = BlobStore(root / "blobs")
        self.parts = PartStore(root / "parts", part_bytes)
        self.xorbs = XorbStore(root / "xorbs")
        (root / "blobs").mkdir(parents=True, exist_ok=True)
        (root / "repos").mkdir(exist_ok=True)

    def repository(self, kind: str, owner: str, name: str) -> Repository:
        """The repository of this name, created or not.

        Raises:
            Refusal: 400, the name is not allowed.
        """
        id = names.repo_id(owner, name)
        return Repository(self._folder(kind, id), id, kind)

    def all(self, kind: str) -> Iterator[Repository]:
        """Every repository of a kind, by name."""
        for file in sorted((self.root / "repos" / kind).glob("*/*/repo.json")):
            yield Repository(file.parent, "/".join(file.parent.parts[-2:]), kind)

    def create(self, repository: Repository, *, private: bool) -> None:
        """Create it with a first commit; it appears as a whole.

        Raises:
            Refusal: 409, it exists.
        """
        attributes = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES)
        settings = {"private": private, "gated": False, "created": now()}
        repository.folder.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".new-", dir=self.root))
        try:
            entry = self.keep(".gitattributes", attributes.encode())
            Repository(building, repository.id, repository.kind).initialise(settings, {entry.path: entry})
            building.replace(repository.folder)
        except OSError as error:
            if repository.exists:
                raise Refusal(409, "You already created this model repo") from error
            raise
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def delete(self, repository: Repository) -> None:
        """Remove it; from one moment to the next it is gone."""
        leaving = Path(tempfile.mkdtemp(prefix=".gone-", dir=self.root))
        repository.folder.rename(leaving / "repo")
        shutil.rmtree(leaving, ignore_errors=True)

    def move(self, source: Repository, target: Repository) -> None:
        """Rename it.

        Raises:
            Refusal: 404, it does not exist; 409, the new name is taken.
        """
        if not source.exists:
            raise repo_not_found()
        if target.exists:
            raise Refusal(409, f"'{target.id}' exists already")
        target.folder.parent.mkdir(parents=True, exist_ok=True)
        source.folder.rename(target.folder)

    def keep(self, path: str, data: bytes) -> Entry:
        """Store a small file's content and describe it."""
        return Entry(path, len(data), self.blobs.put(data), git_oid(data), lfs=False)

    def large(self, path: str, sha256: str) -> Entry:
        """Describe a large file whose content was uploaded before.

        Raises:
            Refusal: 400, it was not.
        """
        if not self.blobs.claim(sha256):
            raise Refusal(400, f"The content of '{path}' was not uploaded")
        size = self.blobs.size(sha256)
        return Entry(path, size, sha256, git_oid(lfs_pointer(sha256, size)), lfs=True)

    def collect(self) -> int:
        """Delete contents that no commit of any repository names, a day old at least; returns the bytes freed."""
        before = time.time() - _DAY
        named = {entry.sha256 for kind in names.KINDS for one in self.all(kind) for entry in one.entries()}
        return self.blobs.collect(named, before)

    def sweep(self) -> None:
        """Remove what a kill left half-written more than a day ago."""
        stale = [*self.root.glob(".new-*"), *self.root.glob(".gone-*"), *self.root.rglob(".tmp-*")]
        stale += [*self.root.glob("xorbs/*"), *self.root.glob("parts/*")]
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
