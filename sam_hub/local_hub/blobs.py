"""Content-addressed files on disk, and writes that survive a kill at any moment."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Container, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from anyio import to_thread

from sam_hub.local_hub.responses import Refusal

SHA256 = re.compile(r"[0-9a-f]{64}")
BATCH = 1024 * 1024  # a change of threads costs less than what lies in one


@contextmanager
def durable(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Yield a binary file that becomes ``path``, whole and on disk, or nothing at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            sync_file(file)
        temporary.chmod(mode)
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_durable(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write ``data`` to ``path``: whole and on disk, or not at all."""
    with durable(path, mode) as file:
        file.write(data)


def sync_file(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # a folder can't be opened on Windows, where a rename is durable enough
        return
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
        """Return where a content lies, present or not. Raises: Refusal 400, not a SHA-256 in lower-case hexadecimal."""
        if not SHA256.fullmatch(sha256):
            raise Refusal(400, "An object id must be 64 hexadecimal digits")
        return self.folder / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        """Return whether a content is here."""
        return self.path(sha256).is_file()

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

    def size(self, sha256: str) -> int:
        """Return the bytes of a content that is here."""
        return self.path(sha256).stat().st_size

    def read(self, sha256: str) -> bytes:
        """Return the whole content; for small files only."""
        return self.path(sha256).read_bytes()

    def put(self, data: bytes) -> str:
        """Keep ``data``; returns its SHA-256."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256)
        if not self.claim(sha256):
            write_durable(path, data)
        return sha256

    def put_pieces(self, sha256: str, size: int, pieces: Iterator[bytes]) -> None:
        """Keep what the pieces give together; they never lie in memory all at once.

        Raises:
            Refusal: 400, the bytes are not those that were announced; nothing is kept.
        """
        with durable(self.path(sha256)) as file:
            received = Received(file, size)
            for piece in pieces:
                received.take(piece)
            received.check(sha256)

    async def receive(self, sha256: str, size: int, chunks: AsyncIterator[bytes]) -> None:
        """Keep a stream of bytes, as `put_pieces` does."""
        async with receiving(self.path(sha256), size, chunks) as received:
            received.check(sha256)


@asynccontextmanager
async def receiving(path: Path, limit: int, chunks: AsyncIterator[bytes]) -> AsyncIterator[Received]:
    """Receive at most ``limit`` bytes into a file that becomes ``path`` if the body, which may check them, succeeds."""
    with durable(path) as file:
        received = Received(file, limit)
        await _feed(received.take, chunks)
        yield received
        await to_thread.run_sync(sync_file, file)  # the slow part of `durable`, off the event loop


async def _feed(take: Callable[[bytes], object], chunks: AsyncIterator[bytes]) -> None:
    """Give the chunks to ``take``, some at a time, in another thread, while the next ones are on their way."""
    waiting, size = [], 0
    busy: asyncio.Future[object] | None = None
    try:
        async for chunk in chunks:
            waiting.append(chunk)
            size += len(chunk)
            if size >= BATCH:
                if busy:
                    await busy
                busy = asyncio.ensure_future(to_thread.run_sync(take, b"".join(waiting)))
                waiting, size = [], 0
        if busy:
            await busy
        await to_thread.run_sync(take, b"".join(waiting))
    finally:
        if busy:
            await asyncio.wait([busy])  # whoever called closes the file next


class Received:
    """Bytes on their way into a file: how many, and their SHA-256."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file, self._limit, self._digest = file, limit, hashlib.sha256()
        self.size = 0

    def take(self, data: bytes) -> None:
        """Write some bytes. Raises: Refusal 400, there are more than were announced."""
        self.size += len(data)
        if self.size > self._limit:
            raise Refusal(400, f"More than the announced {self._limit} bytes were sent")
        self._digest.update(data)
        self._file.write(data)

    @property
    def sha256(self) -> str:
        """Of all that came so far."""
        return self._digest.hexdigest()

    def check(self, sha256: str) -> None:
        """Check what came. Raises: Refusal 400, the bytes are not those that were announced."""
        if self.size != self._limit or self.sha256 != sha256:
            raise Refusal(400, f"The bytes received are not those of {sha256}")
