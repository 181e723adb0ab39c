"""A home with an empty queue. Whatever a test leaves running is ended after it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from sam_hub.catalog.engine import Catalog, open_catalog
from sam_hub.catalog.jobs import ENDED, get_job, list_jobs
from sam_hub.catalog.tables import Job
from sam_hub.config import Settings
from sam_hub.jobs.process import is_alive
from sam_hub.jobs.progress import progress_of
from sam_hub.jobs.scheduler import Scheduler
from sam_hub.services.context import AppContext


@dataclass(frozen=True)
class Queue:
    """The queue of a home, as a face of sam-hub uses it."""

    catalog: Catalog
    settings: Settings

    @property
    def scheduler(self) -> Scheduler:
        return Scheduler(AppContext(self.settings))

    def submit(self, options: object) -> int:
        return self.scheduler.submit(options).id or 0

    def cancel(self, job_id: int) -> Job:
        return self.scheduler.cancel(job_id)

    def job(self, job_id: int) -> Job:
        return get_job(self.catalog, job_id)

    def states(self, *job_ids: int) -> list[str]:
        return [self.job(job_id).state for job_id in job_ids]

    def ended(self, job_id: int, seconds: float = 20) -> Job:
        """The job when it has ended. This only reads: nothing is started or found dead by it."""
        until(lambda: self.job(job_id).state in ENDED, seconds)
        return self.job(job_id)

    def at_work(self, job_id: int) -> Job:
        """The job once its process has begun its work."""
        until(lambda: progress_of(self.settings, job_id))
        return self.job(job_id)


def until(condition, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)


def family_of(job: Job) -> list[psutil.Process]:
    """The job's process, and all that it started."""
    process = psutil.Process(job.pid)
    return [process, *process.children(recursive=True)]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("HF_TOKEN", "HF_ENDPOINT", "SAM_HUB_TOKEN", "SAM_HUB_HOME"):
        monkeypatch.delenv(name, raising=False)
    return Settings(home=tmp_path / "home", offline=True)


@pytest.fixture
def queue(settings: Settings) -> Iterator[Queue]:
    with open_catalog(settings.catalog_url) as catalog:
        yield Queue(catalog, settings)
        for job in list_jobs(catalog):
            if job.state not in ENDED and is_alive(job):
                for process in family_of(job):
                    process.kill()
