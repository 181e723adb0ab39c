"""One repository on disk: commits that are whole or absent, branches, tags and settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from sam_hub.local_hub import names
from sam_hub.local_hub.blobs import write_durable
from sam_hub.local_hub.responses import Refusal, entry_not_found, repo_not_found, revision_not_found

PR = "refs/pr/"


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
        """By what a client names the content in its cache."""
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
        """Return one file. Raises: Refusal 404, the commit has no such file."""
        if path not in self.files:
            raise entry_not_found(path, self.id)
        return self.files[path]


def now() -> str:
    """Return the time in the Hub's notation, UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@lru_cache(maxsize=512)
def _read_commit(path: Path) -> Commit:
    """A commit never changes, so that reading it once is enough."""
    raw = json.loads(path.read_bytes())
    files = {item["path"]: Entry(**item) for item in raw.pop("files")}
    return Commit(id=path.stem, files=files, **raw)


class Repository:
    """A folder with ``repo.json``, ``refs.json``, ``commits/`` and a counter of downloads."""

    def __init__(self, folder: Path, id: str, kind: str) -> None:
        self.folder, self.id, self.kind = folder, id, kind

    @property
    def path(self) -> str:
        """Where it lies in this Hub's addresses: ``owner/name``, or ``datasets/owner/name``."""
        return self.id if self.kind == "models" else f"{self.kind}/{self.id}"

    @property
    def exists(self) -> bool:
        """Whether it was created."""
        return (self.folder / "repo.json").is_file()

    @property
    def settings(self) -> dict[str, Any]:
        """``private``, ``gated`` (False, "auto" or "manual") and ``created``."""
        return json.loads((self.folder / "repo.json").read_bytes())

    def change_settings(self, **changes: Any) -> None:
        """Change some of the settings, durably."""
        with self.alone():
            self._write("repo.json", {**self.settings, **changes})

    @property
    def refs(self) -> dict[str, dict[str, str]]:
        """``{"heads": {name: commit}, "tags": {name: commit}, "prs": {number: commit}}``."""
        return {"prs": {}, **json.loads((self.folder / "refs.json").read_bytes())}

    def commit_of(self, revision: str) -> Commit:
        """Return the commit that a branch, a tag, a full ref (also of a pull request) or a SHA names.

        Raises:
            Refusal: 404, nothing has this name.
        """
        refs = self.refs
        short = revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
        sha = refs["heads"].get(short) or refs["tags"].get(short)
        if revision.startswith(PR):
            sha = refs["prs"].get(revision.removeprefix(PR))
        if names.is_commit(revision):  # whatever a branch is called: pins rest on it
            sha = revision
        path = self.folder / "commits" / f"{sha}.json"
        if sha is None or not path.is_file():
            raise revision_not_found(revision)
        return _read_commit(path)

    def history(self, revision: str) -> Iterator[Commit]:
        """Yield the commit and its ancestors, newest first."""
        commit = self.commit_of(revision)
        while True:
            yield commit
            if commit.parent is None:
                return
            commit = self.commit_of(commit.parent)

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
    ) -> tuple[Commit, str | None]:
        """Move ``branch`` to a new commit; ``change`` edits a copy of the files at its head.

        A change that changes nothing gives the present head, so that a repeated request is harmless.

        Args:
            branch: its name, or the full ref of a pull request.
            as_pull_request: leave the branch, and make a pull request of the commit.

        Returns:
            The commit, and the number of the pull request that was made.

        Raises:
            Refusal: 404, no such branch; 412, the head is not ``parent``.
        """
        with self.alone():
            refs = self.refs
            group, name = ("prs", branch.removeprefix(PR)) if branch.startswith(PR) else ("heads", branch)
            if name not in refs[group]:
                raise revision_not_found(branch)
            head = self.commit_of(refs[group][name])
            if parent is not None and parent != head.id:
                raise Refusal(412, f"The branch '{branch}' has moved to {head.id} in the meantime")
            files = dict(head.files)
            change(files)
            if as_pull_request:
                group, name = "prs", str(1 + max(map(int, refs["prs"]), default=0))
            elif files == dict(head.files):
                return head, None
            commit = self._write_commit(head.id, title, message, author, files)
            refs[group][name] = commit.id
            self._write("refs.json", refs)  # last: a kill before it leaves the old head in place
            return commit, name if as_pull_request else None

    def set_ref(self, group: str, name: str, revision: str) -> None:
        """Make a branch (``heads``) or a tag (``tags``).

        Raises:
            Refusal: 404, no such revision; 409, the name is taken.
        """
        with self.alone():
            refs = self.refs
            if name in refs[group]:
                raise Refusal(409, f"Reference already exists: {name}")
            refs[group][name] = self.commit_of(revision).id
            self._write("refs.json", refs)

    def delete_ref(self, group: str, name: str) -> None:
        """Delete a branch or a tag. Raises: Refusal 404, no such name; 400, the main branch."""
        if (group, name) == ("heads", "main"):
            raise Refusal(400, "The branch 'main' can't be deleted")
        with self.alone():
            refs = self.refs
            if refs[group].pop(name, None) is None:
                raise revision_not_found(name)
            self._write("refs.json", refs)

    def initialise(self, settings: dict[str, Any], files: dict[str, Entry]) -> None:
        """Write the first commit, the refs and, last, the settings which make it exist."""
        commit = self._write_commit(None, "initial commit", "", "system", files)
        self._write("refs.json", {"heads": {"main": commit.id}, "tags": {}})
        self._write("repo.json", settings)

    def entries(self) -> Iterator[Entry]:
        """Yield the files of all commits, also of those that no branch leads to."""
        for path in (self.folder / "commits").glob("*.json"):
            yield from _read_commit(path).files.values()

    @property
    def downloads(self) -> int:
        """How often a model's configuration was fetched, as the real Hub counts."""
        counter = self.folder / "downloads"
        return counter.stat().st_size if counter.exists() else 0

    def count_download(self) -> None:
        """Count one more download: a byte appended needs no lock."""
        with (self.folder / "downloads").open("ab") as counter:
            counter.write(b".")

    def _write_commit(
        self, parent: str | None, title: str, message: str, author: str, files: dict[str, Entry]
    ) -> Commit:
        entries = [asdict(files[path]) for path in sorted(files)]
        content = {"parent": parent, "title": title, "message": message, "date": now(), "author": author}
        data = json.dumps({**content, "files": entries}, indent=1).encode()
        sha = hashlib.sha1(self.id.encode() + b"\0" + data, usedforsecurity=False).hexdigest()
        path = self.folder / "commits" / f"{sha}.json"
        write_durable(path, data)
        return _read_commit(path)

    def _write(self, name: str, value: object) -> None:
        write_durable(self.folder / name, json.dumps(value, indent=1).encode())

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other threads and other processes from changing this repository, or its name.

        Raises:
            Refusal: 404, it does not exist, or not any more.
        """
        with self.lock():
            if not self.exists:
                raise repo_not_found()
            yield

    def lock(self) -> FileLock:
        """Return a lock on this name, whether it exists or not. It lies beside the folder, which may be deleted."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder.with_name(f".lock-{self.folder.name}"))
