"""Where the UI gets what it shows: the catalog (in a thread), inquiries (in a process), and jobs.

Nothing here computes. Reads of the catalog take milliseconds and are made in a thread, so that a slow disk
never holds a key press up. Whatever imports much, or asks the network, goes through the `Clerk`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from sam_hub.catalog.engine import Catalog
    from sam_hub.catalog.tables import Job
    from sam_hub.config import Settings
    from sam_hub.jobs.inquiries import Inquiry
    from sam_hub.jobs.progress import Progress
    from sam_hub.jobs.task import Task

T = TypeVar("T")
ENDED = ("done", "failed", "cancelled", "interrupted")  # as in sam_hub.catalog, which takes long to import


@dataclass(frozen=True)
class JobView:
    """A job and how far it has come."""

    job: Job
    progress: Progress | None

    @property
    def is_active(self) -> bool:
        """Whether it waits, runs, or is being cancelled."""
        return self.job.state not in ENDED

    @property
    def seconds(self) -> float:
        """How long it has run, or ran."""
        if self.job.started_at is None:
            return 0.0
        ended = self.job.ended_at or datetime.now(UTC)
        return max(0.0, (ended.replace(tzinfo=UTC) - self.job.started_at.replace(tzinfo=UTC)).total_seconds())


class Source:
    """The catalog, the jobs and the clerk of these settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def path(self) -> Path:
        """The catalog's file, for `sam_hub.catalog.queries`."""
        from sam_hub.catalog.schema import file_of

        return file_of(self.settings.catalog_url)

    @cached_property
    def catalog(self) -> Catalog:
        """The open catalog. Importing it takes a third of a second: use it within `read` only."""
        from sam_hub.catalog.engine import open_catalog

        return open_catalog(self.settings.catalog_url)

    @cached_property
    def clerk(self) -> Any:
        """The process that answers inquiries."""
        from sam_hub.jobs.clerk import Clerk

        return Clerk(self.settings)

    async def read(self, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Call a function in a thread."""
        return await asyncio.to_thread(function, *arguments, **options)

    async def ask(self, inquiry: Inquiry, timeout: float = 60) -> dict[str, Any]:
        """Have an inquiry answered by the clerk. Raises SamHubError."""
        return await self.clerk.ask(inquiry, timeout=timeout)

    async def submit(self, work: Task) -> Job:
        """Make a job of a work. Raises SamHubError."""

        def do() -> Job:
            from sam_hub.jobs.scheduler import submit

            return submit(self.catalog, self.settings, work)

        return await asyncio.to_thread(do)

    async def cancel(self, job_id: int) -> Job:
        """Cancel a job; returns when it is gone."""

        def do() -> Job:
            from sam_hub.jobs.scheduler import cancel

            return cancel(self.catalog, self.settings, job_id)

        return await asyncio.to_thread(do)

    async def retry(self, job_id: int) -> Job:
        """Run an ended job's work once more, as a new job."""

        def do() -> Job:
            from sam_hub.jobs.scheduler import retry

            return retry(self.catalog, self.settings, job_id)

        return await asyncio.to_thread(do)

    async def ended_jobs(self) -> list[int]:
        """The numbers of all jobs that have ended, newest first."""

        def do() -> list[int]:
            from sam_hub.catalog.jobs import list_jobs

            return [job.id for job in list_jobs(self.catalog, states=ENDED) if job.id is not None]

        return await asyncio.to_thread(do)

    async def forget(self, job_ids: list[int]) -> list[int]:
        """Forget these jobs and their logs, as far as they have ended; returns the numbers of those that went."""

        def do() -> list[int]:
            from sam_hub.jobs.scheduler import forget

            return forget(self.catalog, self.settings, job_ids) if job_ids else []

        return await asyncio.to_thread(do)

    async def jobs(self) -> list[JobView]:
        """The latest jobs, newest first, after the dead were marked and the waiting were started."""

        def do() -> list[JobView]:
            from sam_hub.catalog.jobs import list_jobs
            from sam_hub.jobs.progress import progress_of
            from sam_hub.jobs.scheduler import dispatch

            dispatch(self.catalog, self.settings)
            return [
                JobView(job, progress_of(self.settings, job.id) if job.state == "running" else None)
                for job in list_jobs(self.catalog, limit=50)
            ]

        return await asyncio.to_thread(do)

    async def close(self) -> None:
        """End the clerk, and close the catalog. Jobs go on."""
        if "clerk" in self.__dict__:
            await self.clerk.close()
        if "catalog" in self.__dict__:
            self.catalog.close()
