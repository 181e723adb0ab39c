"""All that a Hub keeps in one folder: a database of repositories and their commits, and contents as files."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sam_hub.local_hub.blobs import BlobStore, PartStore, XorbStore, git_oid, lfs_pointer
from sam_hub.local_hub.names import repo_id
from sam_hub.local_hub.responses import Refusal, entry_not_found, repo_not_found, revision_not_found

OWNER = "local"  # this user may read and write everything
HEADS, TAGS, PULL_REQUESTS = "refs/heads/", "refs/tags/", "refs/pr/"
LFS_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".npy",
                ".parquet", ".arrow", ".npz", ".pickle", ".pkl", ".zip", ".gz", ".tar", ".model")  # fmt: skip
REGULAR_LIMIT = 10 * 1024 * 1024
PART_BYTES = 2 * 1024**3  # the whole is put together from its parts: below this, sending it anew is as quick
_DAY = 24 * 3600

_SCHEMA = """
CREATE TABLE IF NOT EXISTS repo (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL, private INTEGER NOT NULL,
    gated TEXT NOT NULL DEFAULT '', created TEXT NOT NULL, downloads INTEGER NOT NULL DEFAULT 0, UNIQUE (kind, id)
);
CREATE TABLE IF NOT EXISTS commits (
    repo INTEGER NOT NULL REFERENCES repo ON DELETE CASCADE, id TEXT NOT NULL, parent TEXT, title TEXT NOT NULL,
    message TEXT NOT NULL, date TEXT NOT NULL, author TEXT NOT NULL, files TEXT NOT NULL, PRIMARY KEY (repo, id)
);
CREATE TABLE IF NOT EXISTS refs (
    repo INTEGER NOT NULL REFERENCES repo ON DELETE CASCADE, name TEXT NOT NULL, sha TEXT NOT NULL,
    PRIMARY KEY (repo, name)
);
CREATE TABLE IF NOT EXISTS token (
    name TEXT PRIMARY KEY, user TEXT NOT NULL, role TEXT NOT NULL, sha256 TEXT NOT NULL, created TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sent (sha256 TEXT, user TEXT, at REAL NOT NULL, PRIMARY KEY (sha256, user));
"""


def now() -> str:
    """Return the time in the Hub's notation, UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Database:
    """SQLite: a change is whole and on disk when it ends, or absent. Several processes can share the file."""

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)  # private models are for their owner alone
        file = root / "hub.db"
        file.touch(mode=0o600)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(file, timeout=60, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript(f"PRAGMA synchronous = EXTRA; PRAGMA foreign_keys = ON; {_SCHEMA}")

    def run(self, statement: str, *values: object) -> list[sqlite3.Row]:
        """Run one SQL statement and return its rows."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def change(self) -> Iterator[None]:
        """Make one transaction of the statements in the body; an exception undoes them."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            with self._connection:
                yield


@dataclass(frozen=True)
class Entry:
    """One file of a commit.

    ``oid`` is what git would call it: the SHA-1 of the file, or of its pointer where ``lfs`` is set.
    """

    path: str
    size: int
    sha256: str
    oid: str
    lfs: bool

    @property
    def etag(self) -> str:
        """The name of the content in a client's cache."""
        return self.sha256 if self.lfs else self.oid


@dataclass(frozen=True)
class Commit:
    """A state of all files, named by a SHA-1 (40 hexadecimal digits) of everything in it."""

    id: str
    parent: str | None
    title: str
    message: str
    date: str
    author: str
    files: Mapping[str, Entry]

    def entry(self, path: str) -> Entry:
        """Return one file, which must be there."""
        if path not in self.files:
            raise entry_not_found(path, self.id)
        return self.files[path]


@dataclass(frozen=True)
class Repository:
    """A repository, with its settings as they were when it was looked up. ``gated`` is "", "auto" or "manual"."""

    database: Database = field(repr=False)
    number: int
    kind: str
    id: str
    private: bool
    gated: str
    created: str
    downloads: int

    @property
    def path(self) -> str:
        """Where it lies in this Hub's addresses: ``owner/name``, or ``datasets/owner/name``."""
        return self.id if self.kind == "models" else f"{self.kind}/{self.id}"

    def change_settings(self, **changes: Any) -> None:
        """Change ``private`` or ``gated``."""
        for name, value in changes.items():
            self.database.run(f"UPDATE repo SET {name} = ? WHERE number = ?", value, self.number)

    def count_download(self) -> None:
        """Count one more download: of a model's configuration, as the real Hub does."""
        self.database.run("UPDATE repo SET downloads = downloads + 1 WHERE number = ?", self.number)

    def refs(self) -> dict[str, str]:
        """Return the commit of each full ref, such as "refs/heads/main" or "refs/pr/1"."""
        rows = self.database.run("SELECT name, sha FROM refs WHERE repo = ? ORDER BY name", self.number)
        return {row["name"]: row["sha"] for row in rows}

    def commit_of(self, revision: str) -> Commit:
        """Return the commit that a branch, a tag, a full ref (also of a pull request) or a SHA names."""
        rows = self.database.run(
            "SELECT id, parent, title, message, date, author, files FROM commits WHERE repo = ?1 AND id IN (?2, "
            "(SELECT sha FROM refs WHERE repo = ?1 AND name IN (?2, ?3 || ?2, ?4 || ?2) ORDER BY name LIMIT 1))",
            self.number, revision, HEADS, TAGS,
        )  # fmt: skip
        if not rows:
            exists = self.database.run("SELECT 1 FROM repo WHERE number = ?", self.number)
            raise revision_not_found(revision) if exists else repo_not_found()
        files = {item["path"]: Entry(**item) for item in json.loads(rows[0]["files"])}
        return Commit(**{**rows[0], "files": files})

    def history(self, revision: str) -> Iterator[Commit]:
        """Yield the commit and its ancestors, newest first."""
        parent: str | None = revision
        while parent is not None:
            commit = self.commit_of(parent)
            yield commit
            parent = commit.parent

    def commit(
        self,
        branch: str,
        change: Callable[[dict[str, Entry]], None],
        *,
        title: str,
        message: str = "",
        author: str = "system",
        parent: str | None = None,
        as_pull_request: bool = False,
    ) -> tuple[Commit, int | None]:
        """Move ``branch`` to a new commit; ``change`` edits a copy of the files at its head.

        A change that changes nothing gives the present head, so that a repeated request is harmless.

        Args:
            branch: its name, or the full ref of a pull request.
            parent: refuse with status 412 if the head is another commit.
            as_pull_request: leave the branch, and make a pull request of the commit.

        Returns:
            The commit, and the number of the pull request that was made.
        """
        ref = branch if branch.startswith(PULL_REQUESTS) else f"{HEADS}{branch}"
        with self.database.change():
            head = self.commit_of(ref)
            if parent is not None and parent != head.id:
                raise Refusal(412, f"The branch '{branch}' has moved to {head.id} in the meantime")
            files = dict(head.files)
            change(files)
            number: int | None = None
            if as_pull_request:
                number = 1 + sum(name.startswith(PULL_REQUESTS) for name in self.refs())  # none is ever deleted
                ref = f"{PULL_REQUESTS}{number}"
            elif files == head.files:
                return head, None
            return self.write_commit(ref, head.id, title, message, author, files), number

    def write_commit(
        self, ref: str, parent: str | None, title: str, message: str, author: str, files: Mapping[str, Entry]
    ) -> Commit:
        """Write a commit to which ``ref`` leads from now on."""
        text = json.dumps([asdict(files[path]) for path in sorted(files)])
        content = (parent, title, message, now(), author, text)
        sha = hashlib.sha1(json.dumps([self.id, *content]).encode(), usedforsecurity=False).hexdigest()
        self.database.run("INSERT OR IGNORE INTO commits VALUES (?, ?, ?, ?, ?, ?, ?, ?)", self.number, sha, *content)
        self.database.run("INSERT OR REPLACE INTO refs VALUES (?, ?, ?)", self.number, ref, sha)
        return self.commit_of(sha)

    def set_ref(self, ref: str, revision: str) -> None:
        """Make a branch or a tag, given as a full ref."""
        with self.database.change():
            if ref in self.refs():
                raise Refusal(409, f"Reference already exists: {ref}")
            sha = self.commit_of(revision).id
            self.database.run("INSERT INTO refs VALUES (?, ?, ?)", self.number, ref, sha)

    def delete_ref(self, ref: str) -> None:
        """Delete a branch or a tag, given as a full ref."""
        if ref == f"{HEADS}main":
            raise Refusal(400, "The branch 'main' can't be deleted")
        if not self.database.run("DELETE FROM refs WHERE repo = ? AND name = ? RETURNING 1", self.number, ref):
            raise revision_not_found(ref)

    def names(self, sha256: str) -> bool:
        """Return whether a file of any commit has this content."""
        query = "SELECT 1 FROM commits, json_each(files) WHERE repo = ? AND json_extract(value, '$.sha256') = ?"
        return bool(self.database.run(query, self.number, sha256))


class Storage:
    """``hub.db``, and contents in ``blobs/``, shared by all repositories.

    Args:
        part_bytes: larger files are taken in parts of so many bytes, from clients that can.
    """

    def __init__(self, root: Path, part_bytes: int = PART_BYTES) -> None:
        self.database = Database(root)
        self.root = root
        self.blobs = BlobStore(root / "blobs")
        self.parts = PartStore(root / "parts", part_bytes)
        self.xorbs = XorbStore(root / "xorbs")

    def find(self, kind: str, id: str) -> Repository | None:
        """Return the repository of this name, if there is one."""
        rows = self.database.run("SELECT * FROM repo WHERE kind = ? AND id = ?", kind, id)
        return self._repository(rows[0]) if rows else None

    def all(self, kind: str) -> list[Repository]:
        """Return every repository of a kind, by name."""
        rows = self.database.run("SELECT * FROM repo WHERE kind = ? ORDER BY id", kind)
        return [self._repository(row) for row in rows]

    def _repository(self, row: sqlite3.Row) -> Repository:
        return Repository(self.database, **{**row, "private": bool(row["private"])})

    def create(self, kind: str, id: str, *, private: bool) -> Repository:
        """Create a repository with a first commit."""
        attributes = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES)
        entry = self.keep(".gitattributes", attributes.encode())
        with self.database.change():
            insert = "INSERT OR IGNORE INTO repo (kind, id, private, created) VALUES (?, ?, ?, ?) RETURNING *"
            rows = self.database.run(insert, kind, repo_id(id), private, now())
            if not rows:
                raise Refusal(409, f"You already created this repo: {id}")
            repository = self._repository(rows[0])
            repository.write_commit(f"{HEADS}main", None, "initial commit", "", "system", {entry.path: entry})
        return repository

    def delete(self, repository: Repository) -> None:
        """Delete a repository with all of its commits."""
        if not self.database.run("DELETE FROM repo WHERE number = ? RETURNING 1", repository.number):
            raise repo_not_found()

    def move(self, repository: Repository, id: str) -> None:
        """Rename a repository."""
        try:
            update = "UPDATE repo SET id = ? WHERE number = ? AND id != ?1 RETURNING 1"
            moved = self.database.run(update, repo_id(id), repository.number)
        except sqlite3.IntegrityError:
            moved = []
        if not moved:
            raise Refusal(409, f"'{id}' exists already") if self.find(repository.kind, id) else repo_not_found()

    def keep(self, path: str, data: bytes) -> Entry:
        """Store a small file's content, and return its entry."""
        return Entry(path, len(data), self.blobs.put(data), git_oid(data), lfs=False)

    def record_sent(self, sha256: str, user: str) -> None:
        """Record that this user sent all bytes of a content; for a day."""
        self.database.run("INSERT OR REPLACE INTO sent VALUES (?, ?, ?)", sha256, user, time.time())

    def was_sent(self, sha256: str, user: str) -> bool:
        """Return whether this user sent a content that is still here, and keep it for another day."""
        rows = self.database.run("SELECT 1 FROM sent WHERE sha256 = ? AND user = ?", sha256, user)
        return bool(rows) and self.blobs.claim(sha256)

    def put_together(self, sha256: str, size: int, pieces: Iterator[bytes], user: str) -> None:
        """Keep a file that a user sent in pieces.

        Pieces are read even if the file is here already: that a user names its id is no proof of having it.
        """
        if not self.was_sent(sha256, user):
            self.blobs.put_pieces(sha256, size, pieces)
            self.record_sent(sha256, user)

    def may_have(self, repository: Repository, user: str, sha256: str) -> bool:
        """Return whether a content is here and may become a file of this repository unsent.

        It may if it is one of its files already, or if ``user`` sent it before. Ids are no secrets, a gated
        repository shows them: whoever names one must not get what it stands for.
        """
        known = user == OWNER or self.was_sent(sha256, user) or repository.names(sha256)
        return known and self.blobs.claim(sha256)

    def large(self, repository: Repository, user: str, path: str, sha256: str) -> Entry:
        """Return the entry of a large file whose content this user uploaded before."""
        if not self.may_have(repository, user, sha256):
            raise Refusal(400, f"The content of '{path}' was not uploaded")
        size = self.blobs.path(sha256).stat().st_size
        return Entry(path, size, sha256, git_oid(lfs_pointer(sha256, size)), lfs=True)

    def collect(self) -> int:
        """Delete contents that no commit of any repository names, a day old at least; return the bytes freed."""
        before = time.time() - _DAY
        rows = self.database.run("SELECT DISTINCT json_extract(value, '$.sha256') FROM commits, json_each(files)")
        return self.blobs.collect({row[0] for row in rows}, before)

    def clean_up(self) -> None:
        """Delete what a kill left half-written more than a day ago, and what was sent and never used."""
        before = time.time() - _DAY
        self.database.run("DELETE FROM sent WHERE at < ?", before)
        for path in [*self.root.rglob(".tmp-*"), *self.root.glob("xorbs/*"), *self.root.glob("parts/*")]:
            with suppress(OSError):  # another process may be faster
                if path.stat().st_mtime < before:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
