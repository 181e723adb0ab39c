"""What is on its way to become a file of a commit: parts of large files, and xorbs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sam_hub.local_hub.blobs import BATCH, SHA256, receiving
from sam_hub.local_hub.responses import Refusal, whole_number

_SESSION = re.compile(r"[0-9a-f]{32}")


class PartStore:
    """Large files on their way in, in parts of ``bytes`` each: one that did not arrive is sent again, not the file."""

    def __init__(self, folder: Path, bytes: int) -> None:
        self.folder, self.bytes = folder, bytes

    def count(self, size: int) -> int:
        """Return how many parts a file of ``size`` bytes has."""
        return -(-size // self.bytes)

    def _path(self, sha256: str, number: int) -> Path:
        return self.folder / sha256 / str(number)

    def receive(self, sha256: str, size: int, part: str, pieces: Iterator[bytes]) -> str:
        """Keep part number ``part`` (from 1) of a file of ``size`` bytes, and return the part's own SHA-256."""
        number = whole_number(part) or 0
        if not 1 <= number <= self.count(size):
            raise Refusal(400, f"A file of {size} bytes has no part {part}")
        length = min(self.bytes, size - self.bytes * (number - 1))
        with receiving(self._path(sha256, number), length, pieces) as received:
            if received.size != length:
                raise Refusal(400, f"Part {part} has {length} bytes, and {received.size} were sent")
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
