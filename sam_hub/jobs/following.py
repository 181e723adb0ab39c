"""How far a job has come, and what it says: written by its process ten times a second at most, read by all."""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path

from sam_hub.jobs.folder import LOG, PROGRESS, job_folder
from sam_hub.settings import Settings

SECONDS_BETWEEN = 0.1
LOG_TAIL_BYTES = 64 * 1024


@dataclass(frozen=True)
class Progress:
    """``what`` is being done, ``done`` of ``total`` of it; the job has run for so many ``seconds``."""

    what: str
    done: int
    total: int
    seconds: float


class Reporter:
    """Writes a job's progress. To be called as often as one likes: most calls only compare a clock."""

    def __init__(self, folder: Path) -> None:
        self._file, self._scratch = folder / PROGRESS, folder / f".{PROGRESS}"
        self._began = time.monotonic()
        self._due, self._what = 0.0, ""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Note progress; a new ``what`` and the end of one are always written."""
        now = time.monotonic()
        if now < self._due and what == self._what and done != total:
            return
        self._due, self._what = now + SECONDS_BETWEEN, what
        values = asdict(Progress(what, int(done), int(total), round(now - self._began, 2)))
        self._scratch.write_text(json.dumps(values), encoding="utf-8")
        self._scratch.replace(self._file)  # a reader sees the old one or the new one, never half of one


def progress_of(settings: Settings, job_id: int) -> Progress | None:
    """How far a job has come; None before it has said so."""
    try:
        values = json.loads((job_folder(settings, job_id) / PROGRESS).read_text(encoding="utf-8"))
        return Progress(**values)
    except (OSError, ValueError, TypeError):
        return None


def log_tail(settings: Settings, job_id: int, lines: int = 20) -> list[str]:
    """The last lines of a job's log, without control characters; none where there is no log."""
    try:
        with (job_folder(settings, job_id) / LOG).open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - LOG_TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    last = deque((line.rpartition("\r")[2].rstrip() for line in text.split("\n")), lines + 1)
    kept = [line for line in last if line][-lines:]
    return ["".join(c if c.isprintable() else " " for c in line) for line in kept]
