"""A job's files, ``<home>/jobs/<number>/``: its progress and its log. Its state is in the catalog."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sam_hub.config import Settings
from sam_hub.files import write_atomic
from sam_hub.progress import Progress, Reporter

if TYPE_CHECKING:
    from sam_hub.catalog.tables import Job

LOG, PROGRESS = "log.txt", "progress.json"
SECONDS_BETWEEN = 0.1
LOG_TAIL_BYTES = 64 * 1024


def job_folder(settings: Settings, job_id: int) -> Path:
    """Return the folder of a job's files."""
    return settings.home / "jobs" / str(job_id)


def make_private(folder: Path) -> None:
    """Make a job's folder, for its owner alone: a log may quote the texts of a person."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def private(path: str, flags: int) -> int:
    """Open (as an opener of `open`) a file for its owner alone."""
    return os.open(path, flags, 0o600)


@dataclass(frozen=True)
class JobProgress(Progress):
    """The latest step of a job, and how many seconds it had run then."""

    seconds: float = 0.0


class JobReporter(Reporter):
    """Writes a job's progress to its file, ten times a second at most, and its log to standard output.

    The latest step is written at once or within `SECONDS_BETWEEN`, also if the work then falls silent.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / PROGRESS
        self._began, self._due = time.monotonic(), 0.0
        self._latest: JobProgress | None = None
        self._later: threading.Timer | None = None
        self._lock = threading.Lock()

    def progress(self, what: str, done: int, total: int, unit: str = "") -> None:
        """Note a step."""
        with self._lock:
            now = time.monotonic()
            self._latest = JobProgress(what, int(done), int(total), unit, round(now - self._began, 2))
            if now >= self._due:
                self._write()
            elif self._later is None:
                self._later = threading.Timer(self._due - now, self.finish)
                self._later.daemon = True
                self._later.start()

    def log(self, line: str) -> None:
        """Add a line to the log."""
        print(line, flush=True)

    def finish(self) -> None:
        """Write what has not been written yet."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        if self._later is not None:
            self._later.cancel()
        latest, self._latest, self._later = self._latest, None, None
        self._due = time.monotonic() + SECONDS_BETWEEN
        if latest is not None:
            with suppress(OSError):  # a full disk fails the work where that writes, not here
                write_atomic(self._file, json.dumps(asdict(latest)), private=True)


def progress_of(settings: Settings, job_id: int) -> JobProgress | None:
    """Return how far a job has come; None before it has said so."""
    try:
        values = json.loads((job_folder(settings, job_id) / PROGRESS).read_text(encoding="utf-8"))
        return JobProgress(**values)
    except (OSError, ValueError, TypeError):
        return None


def log_tail(settings: Settings, job_id: int, lines: int = 20) -> list[str]:
    """Return the last lines of a job's log without control characters; none where there is no log."""
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


def seconds_of(job: Job) -> float | None:
    """Return how long a job ran, or has run until now; None before it started."""
    if job.started_at is None:
        return None
    return round(((job.ended_at or datetime.now(UTC)) - job.started_at).total_seconds(), 1)
