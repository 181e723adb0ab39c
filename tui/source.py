"""Where the UI gets what it shows: the catalog (in a thread), the services (in other processes), and the jobs.

Nothing here computes. Reads of the catalog take milliseconds and are made in a thread, so that a slow disk never holds
up a key press. Whatever imports much, or asks the network, goes through the `ServicePool`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    from sam_hub.catalog.tables import Job
    from sam_hub.config import Settings
    from sam_hub.jobs.progress import JobProgress
    from sam_hub.jobs.scheduler import Scheduler
    from sam_hub.services.context import AppContext
    from sam_hub.services.pool import ServicePool

T = TypeVar("T")
P = ParamSpec("P")
ENDED = ("done", "failed", "cancelled", "interrupted")  # as in sam_hub.catalog, which takes long to import


@dataclass(frozen=True)
class JobView:
    """A job and how far it has come."""

    job: Job
    progress: JobProgress | None = None

    @property
    def id(self) -> int:
        """The job's number."""
        return self.job.id or 0

    @property
    def is_active(self) -> bool:
        """Whether it waits, runs, or is being cancelled."""
        return self.job.state not in ENDED

    @property
    def target(self) -> str | None:
        """The target that it is about, if any."""
        return self.job.arguments.get("target")

    @property
    def seconds(self) -> float | None:
        """How long it ran, or has run until now; None before it started."""
        from sam_hub.jobs.progress import seconds_of

        return seconds_of(self.job)

    @property
    def share(self) -> float:
        """How much of its work is done, 0 to 1."""
        progress = self.progress
        return min(1.0, progress.done / progress.total) if progress and progress.total else 0.0

    @property
    def reason(self) -> str:
        """Why it failed and what to do, in a line; empty where it did not."""
        job = self.job
        return f"{job.error_title}. {job.error_action or ''}".rstrip() if job.error_title else ""


class Source:
    """The catalog, the services and the jobs of these settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def path(self) -> Path:
        """The catalog's file, for `sam_hub.catalog.queries`."""
        from sam_hub.catalog.schema import file_of

        return file_of(self.settings.catalog_url)

    @cached_property
    def context(self) -> AppContext:
        """The settings and the open catalog."""
        from sam_hub.services.context import AppContext

        return AppContext(self.settings)

    @cached_property
    def scheduler(self) -> Scheduler:
        """The queue of jobs. Importing it takes a third of a second: use it in a thread only."""
        from sam_hub.jobs.scheduler import Scheduler

        return Scheduler(self.context)

    @cached_property
    def pool(self) -> ServicePool:
        """The processes that answer questions."""
        from sam_hub.services.pool import ServicePool

        return ServicePool(self.settings)

    async def read(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Call a function in a thread."""
        return await asyncio.to_thread(function, *arguments, **options)

    async def schedule(self, call: Callable[[Scheduler], T]) -> T:
        """Have the queue of jobs do something, in a thread. Raises SamHubError."""
        return await asyncio.to_thread(lambda: call(self.scheduler))

    async def ask(
        self, service: Callable[Concatenate[AppContext, ...], T], *arguments: object, timeout: float = 60
    ) -> T:
        """Have a service answer in another process. Raises SamHubError."""
        return await self.pool.ask(service, *arguments, timeout=timeout)

    async def jobs(self) -> list[JobView]:
        """Return the latest jobs, newest first."""

        def read() -> list[JobView]:
            from sam_hub.catalog.jobs import list_jobs
            from sam_hub.jobs.progress import progress_of

            return [
                JobView(job, progress_of(self.settings, job.id or 0) if job.state == "running" else None)
                for job in list_jobs(self.context.catalog, limit=50)
            ]

        return await asyncio.to_thread(read)

    async def outcome(self, view: JobView) -> Any:
        """Return the result of a job that is done: the dataclass that its service returned.

        Raises:
            CatalogError: it can't be read.
        """

        def read() -> Any:
            from sam_hub.errors import CatalogError
            from sam_hub.jobs.kinds import task_of

            try:
                return task_of(view.job.kind).read_outcome(view.job.result or {})
            except ValueError as error:  # as pydantic refuses it
                raise CatalogError(
                    f"The result of job {view.id} can't be read", "Another version of sam-hub made it: run it again."
                ) from error

        return await asyncio.to_thread(read)

    async def cancel(self, job_id: int) -> None:
        """Cancel a job; returns when it is gone. Raises SamHubError."""
        await self.schedule(lambda scheduler: scheduler.cancel(job_id))

    async def close(self) -> None:
        """End the processes, and close the catalog. Jobs go on."""
        if "pool" in self.__dict__:
            await self.pool.close()
        if "context" in self.__dict__:
            self.context.__exit__()
