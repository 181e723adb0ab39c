"""A job's files: ``<home>/jobs/<number>/`` with its progress and its log. The state itself is in the catalog."""

from __future__ import annotations

import os
from pathlib import Path

from sam_hub.config import Settings

LOG, PROGRESS = "log.txt", "progress.json"


def job_folder(settings: Settings, job_id: int) -> Path:
    """Where the files of a job lie."""
    return settings.home / "jobs" / str(job_id)


def make_private(folder: Path) -> None:
    """Make a job's folder, for its owner alone: a log may quote the texts of a person."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def private(path: str, flags: int) -> int:
    """An opener (of `open`) of files for their owner alone."""
    return os.open(path, flags, 0o600)
