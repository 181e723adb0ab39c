"""What is on its way to become a file of a commit: parts, xorbs, and who has sent what."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO

from sam_hub.local_hub.blobs import BATCH, SHA256, receiving
from sam_hub.local_hub.responses import Refusal, whole_number

SESSION = re.compile(r"[0-9a-f]{32}")


class Grants:
    """Who has sent which content: a file for each, swept a day later."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, sha256: str, user: str) -> Path:
        return self.folder / sha256[:2] / f"{sha256}.{user}"

    def add(self, sha256: str, user: str) -> None:
        """Record that this user sent all bytes of a content."""
        path = self._path(sha256, user)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def has(self, sha256: str, user: str) -> bool:
        """Return whether this user sent a content."""
        return self._path(sha256, user).is_file()


class PartStore:
    """Large files on their way in, in parts: one that did not arrive is sent again, and not all of them.

    ``bytes``: of each part but a file's last.
    """

    def __init__(self, folder: Path, bytes: int) -> None:
        self.folder, self.bytes = folder, bytes

    def count(self, size: int) -> int:
        """Return how many parts a file of ``size`` bytes has."""
        return -(-size // self.bytes)

    def _path(self, sha256: str, number: int) -> Path:
        return self.folder / sha256 / str(number)

    async def receive(self, sha256: str, size: int, part: str, chunks: AsyncIterator[bytes]) -> str:
        """Keep part number ``part`` (from 1) of a file of ``size`` bytes; returns the part's own SHA-256.

        Raises:
            Refusal: 400, the file has no such part, or the part has another length; nothing is kept.
        """
        number = whole_number(part) or 0
        if not 1 <= number <= self.count(size):
            raise Refusal(400, f"A file of {size} bytes has no part {part}")
        length = min(self.bytes, size - self.bytes * (number - 1))
        async with receiving(self._path(sha256, number), length, chunks) as received:
            if received.size != length:
                raise Refusal(400, f"Part {part} has {length} bytes, and {received.size} were sent")
        return received.sha256

    def pieces(self, sha256: str, size: int) -> Iterator[bytes]:
        """Yield what the parts of a file hold, in order. Raises: Refusal 400, one of them was not sent."""
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
        if not SESSION.fullmatch(session) or not SHA256.fullmatch(name):
            raise Refusal(400, "A xorb is named by 64 hexadecimal digits")
        return self.folder / session / name

    async def receive(self, session: str, name: str, chunks: AsyncIterator[bytes], limit: int) -> bool:
        """Keep a stream of bytes; return whether it was not here before.

        Raises:
            Refusal: 400, there are more than ``limit`` bytes; nothing is kept.
        """
        path = self._path(session, name)
        is_new = not path.exists()
        async with receiving(path, limit, chunks):
            return is_new

    def open(self, session: str, name: str) -> BinaryIO:
        """Read one. Raises: Refusal 400, it was not sent."""
        try:
            return self._path(session, name).open("rb")
        except FileNotFoundError as error:
            raise Refusal(400, f"The xorb {name} was not sent") from error
