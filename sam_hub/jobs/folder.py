"""A job's files: ``<home>/jobs/<number>/`` with its progress and its log. The state itself is in the catalog."""

from __future__ import annotations

from pathlib import Path

from sam_hub.settings import Settings

LOG, PROGRESS = "log.txt", "progress.json"


def job_folder(settings: Settings, job_id: int) -> Path:
    """Where the files of a job lie."""
    return settings.home / "jobs" / str(job_id)
