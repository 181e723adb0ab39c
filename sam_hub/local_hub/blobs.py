"""Contents on disk and those on their way in, and writes that survive a kill at any moment."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sam_hub.local_hub.responses import Refusal

SHA256 = re.compile(r"[0-9a-f]{64}")
_SESSION = re.compile(r"[0-9a-f]{32}")
BATCH = 1024 * 1024  # bytes of a file that are read or received at once


@contextmanager
def durable(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary file that becomes ``path``, whole and on disk, or nothing at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def git_oid(data: bytes) -> str:
    """Return the SHA-1 by which git names a blob with this content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def lfs_pointer(sha256: str, size: int) -> bytes:
    """Return the small text that git keeps in place of a large file."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


class BlobStore:
    """Files named by the SHA-256 of what they hold, under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Return where a content lies, present or not."""
        if not SHA256.fullmatch(sha256):
            raise Refusal(400, "An object id must be 64 hexadecimal digits")
        return self.folder / sha256[:2] / sha256

    def claim(self, sha256: str) -> bool:
        """Return whether a content is here, and keep it from being collected as garbage for a day."""
        try:
            os.utime(self.path(sha256))
        except FileNotFoundError:
            return False
        return True

    def collect(self, named: Container[str], before: float) -> int:
        """Delete contents that no commit names and nobody claimed since ``before``; return the bytes freed."""
        freed = 0
        for path in self.folder.glob("??/*"):
            if SHA256.fullmatch(path.name) and path.name not in named:
                with suppress(OSError):  # another process may be faster
                    if path.stat().st_mtime < before:
                        freed += self._bury(path, before)
        return freed

    def _bury(self, path: Path, before: float) -> int:
        """Delete a content, unless it is claimed at this very moment; returns the bytes freed."""
        grave = path.with_name(f".tmp-{path.name}")
        path.rename(grave)  # from here on a claim fails, and its bytes are sent anew
        state = grave.stat()
        if state.st_mtime >= before:
            grave.rename(path)
            return 0
        grave.unlink()
        return state.st_size

    def put(self, data: bytes) -> str:
        """Keep ``data``; returns its SHA-256."""
        sha256 = hashlib.sha256(data).hexdigest()
        if not self.claim(sha256):
            with durable(self.path(sha256)) as file:
                file.write(data)
        return sha256

    def put_pieces(self, sha256: str, size: int, pieces: Iterator[bytes]) -> None:
        """Keep what the pieces give together, if it is what was announced. They never lie in memory all at once."""
        with receiving(self.path(sha256), size, pieces) as received:
            if (received.size, received.sha256) != (size, sha256):
                raise Refusal(400, f"The bytes received are not those of {sha256}")


@dataclass(frozen=True)
class Received:
    """How many bytes came, and their SHA-256."""

    size: int
    sha256: str


@contextmanager
def receiving(path: Path, limit: int, pieces: Iterator[bytes]) -> Iterator[Received]:
    """Receive at most ``limit`` bytes into a file that becomes ``path`` if the body, which may check them, succeeds."""
    size, digest = 0, hashlib.sha256()
    with durable(path) as file:
        for piece in pieces:
            size += len(piece)
            if size > limit:
                raise Refusal(400, f"More than the announced {limit} bytes were sent")
            digest.update(piece)
            file.write(piece)
        yield Received(size, digest.hexdigest())


class PartStore:
    """Large files on their way in, in parts of ``bytes`` each: one that did not arrive is sent again, not the file."""

    def __init__(self, folder: Path, bytes: int) -> None:
        self.folder, self.bytes = folder, bytes

    def count(self, size: int) -> int:
        """Return how many parts a file of ``size`` bytes has."""
        return -(-size // self.bytes)

    def _path(self, sha256: str, number: int) -> Path:
        return self.folder / sha256 / str(number)

    def receive(self, sha256: str, size: int, number: int, pieces: Iterator[bytes]) -> str:
        """Keep part ``number`` (from 1) of a file of ``size`` bytes, and return the part's own SHA-256."""
        if not 1 <= number <= self.count(size):
            raise Refusal(400, f"A file of {size} bytes has no part {number}")
        length = min(self.bytes, size - self.bytes * (number - 1))
        with receiving(self._path(sha256, number), length, pieces) as received:
            if received.size != length:
                raise Refusal(400, f"Part {number} has {length} bytes, and {received.size} were sent")
        return received.sha256

    def pieces(self, sha256: str, size: int) -> Iterator[bytes]:
        """Yield what the parts of a file hold, in order."""
        for number in range(1, self.count(size) + 1):
            try:
                with self._path(sha256, number).open("rb") as file:
                    while piece := file.read(BATCH):
                        yield piece
            except FileNotFoundError as error:
                raise Refusal(400, f"Part {number} of {sha256} was not sent") from error

    def remove(self, sha256: str) -> None:
        """Delete the parts of a file."""
        shutil.rmtree(self.folder / sha256, ignore_errors=True)


class XorbStore:
    """What Xet clients send before it is put together as files: a folder for each session, swept a day later."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, session: str, name: str) -> Path:
        if not _SESSION.fullmatch(session) or not SHA256.fullmatch(name):
            raise Refusal(400, "A xorb is named by 64 hexadecimal digits")
        return self.folder / session / name

    def receive(self, session: str, name: str, pieces: Iterator[bytes], limit: int) -> bool:
        """Keep at most ``limit`` bytes, and return whether they were not here before."""
        path = self._path(session, name)
        is_new = not path.exists()
        with receiving(path, limit, pieces):
            return is_new

    def open(self, session: str, name: str) -> BinaryIO:
        """Open one that was sent."""
        try:
            return self._path(session, name).open("rb")
        except FileNotFoundError as error:
            raise Refusal(400, f"The xorb {name} was not sent") from error
