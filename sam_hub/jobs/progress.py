"""How far a job has come, and what it says: written by its process ten times a second at most, read by all."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sam_hub.config import Settings
from sam_hub.jobs.folder import LOG, PROGRESS, job_folder, private

if TYPE_CHECKING:
    from sam_hub.catalog.engine import Catalog
    from sam_hub.catalog.tables import Job
    from sam_hub.jobs.task import OnProgress

SECONDS_BETWEEN = 0.1
SECONDS_BETWEEN_LOOKS = 0.2
LOG_TAIL_BYTES = 64 * 1024


@dataclass(frozen=True)
class Progress:
    """``what`` is being done, ``done`` of ``total`` of it; the job has run for so many ``seconds``."""

    what: str
    done: int
    total: int
    seconds: float


class Reporter:
    """Writes a job's progress. To be called as often as one likes, from any thread.

    The latest is written, at once or within `SECONDS_BETWEEN`, and so also if the work then falls silent.
    """

    def __init__(self, folder: Path) -> None:
        self._file, self._scratch = folder / PROGRESS, folder / f".{PROGRESS}"
        self._began, self._due = time.monotonic(), 0.0
        self._latest: Progress | None = None
        self._later: threading.Timer | None = None
        self._lock = threading.Lock()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Note progress."""
        with self._lock:
            now = time.monotonic()
            self._latest = Progress(what, int(done), int(total), round(now - self._began, 2))
            if now >= self._due:
                self._write()
            elif self._later is None:
                self._later = threading.Timer(self._due - now, self.finish)
                self._later.daemon = True
                self._later.start()

    def finish(self) -> None:
        """Write what has not been written yet."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        if self._later is not None:
            self._later.cancel()
        values, self._latest, self._later = self._latest, None, None
        self._due = time.monotonic() + SECONDS_BETWEEN
        if values is not None:
            with suppress(OSError):  # a full disk fails the work where that writes, not here
                with open(self._scratch, "w", encoding="utf-8", opener=private) as file:
                    json.dump(asdict(values), file)
                # A reader sees the old one or the new one, never half of one.
                self._scratch.replace(self._file)


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


def seconds_of(job: Job) -> float | None:
    """How long a job ran, or has run until now; None before it started."""
    if job.started_at is None:
        return None
    return round(((job.ended_at or datetime.now(UTC)) - job.started_at).total_seconds(), 1)


def wait_for(catalog: Catalog, settings: Settings, job_id: int, watch: OnProgress) -> Job:
    """Watch a job until it has ended, and keep the queue going meanwhile; returns it as it ended.

    To stop waiting (Ctrl+C) leaves the job alone: its process is in another session.

    Raises:
        CatalogError: there is no such job, or it was forgotten meanwhile.
    """
    from sam_hub.catalog.jobs import ENDED, get_job
    from sam_hub.jobs.scheduler import dispatch

    seen: Progress | None = None
    while True:
        dispatch(catalog, settings)
        job = get_job(catalog, job_id)
        now = progress_of(settings, job_id)
        if now is not None and now != seen:
            seen = now
            watch(now.what, now.done, now.total)
        if job.state in ENDED:
            return job
        time.sleep(SECONDS_BETWEEN_LOOKS)
