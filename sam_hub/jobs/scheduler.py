"""The queue of jobs: made, started within the limits of their queues, canceled, found dead, removed.

Nobody has to stay for it: `Scheduler.tick` keeps it going, and a job that ends ticks for the next.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from sqlmodel import col, select

from sam_hub.catalog.jobs import ENDED, forget_jobs, get_job
from sam_hub.catalog.tables import Job, JobState
from sam_hub.errors import SamHubError, UsageError, of_the_system
from sam_hub.jobs.kinds import CONCURRENCY, task_of
from sam_hub.jobs.process import end, is_alive, start
from sam_hub.jobs.progress import job_folder, log_tail, progress_of
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.context import AppContext
from sam_hub.services.options import JobOptions
from sam_hub.tempdirs import has_ended

ACTIVE = (JobState.RUNNING, JobState.CANCELLING)
UNFINISHED = select(Job).where(col(Job.state).in_((*ACTIVE, JobState.QUEUED))).order_by(col(Job.id))  # oldest first
SECONDS_BETWEEN_LOOKS = 0.2
CLAIM_SECONDS = 60  # to start a process takes some milliseconds


class Scheduler:
    """The jobs of a home.

    A job waits ("queued"), is claimed and started ("running"), may be asked to end ("cancelling"), and ends ("done",
    "failed", "cancelled", "interrupted"). While it is claimed, ``pid`` is that of the process that starts it and
    ``pid_started`` is empty: if that process dies first, the next tick puts the job back.
    """

    def __init__(self, context: AppContext) -> None:
        self.context = context
        self._catalog, self._settings = context.catalog, context.settings

    def submit(self, options: JobOptions) -> Job:
        """Make a job of a service's options, and start it if its queue has a place. Raises UsageError."""
        from pydantic_core import to_jsonable_python

        options.check()
        arguments, queue = to_jsonable_python(options), task_of(options.KIND).queue
        return self._queued(Job(kind=options.KIND, title=options.title, arguments=arguments, queue=queue))

    def _queued(self, job: Job) -> Job:
        added = self._catalog.add(job)
        self.tick()
        return get_job(self._catalog, added.id or 0)

    def tick(self) -> None:
        """Mark jobs whose process is gone, and start those whose turn it is."""
        jobs = self._catalog.all(UNFINISHED)
        dead = [job for job in jobs if job.state in ACTIVE and not _in_hand(job)]
        if not dead and not any(job.state == JobState.QUEUED for job in jobs):
            return
        for job in dead:
            if job.pid_started is not None:
                self._clean_up(job)
        with self._catalog.writing() as session:
            unfinished = session.exec(UNFINISHED).all()
            for job in unfinished:
                if job.state in ACTIVE and not _in_hand(job):
                    _mark_dead(job)
            claimed = _claim(unfinished)
        for job_id in claimed:
            self._start(job_id)

    def _clean_up(self, job: Job) -> None:
        # A job of another version, of which nobody knows what it left; or its files can't be deleted. Neither may
        # keep the queue from going on.
        with suppress(SamHubError, OSError):
            task = task_of(job.kind)
            task.delete_leftovers(self._settings, task.read_options(job.arguments))

    def _start(self, job_id: int) -> None:
        """Start the process of a claimed job, outside of any transaction, and write its number down."""
        try:
            pid, pid_started = start(self._settings, job_id)
        except OSError as failure:  # no room for its log, or for a process: the others shall go on
            error = of_the_system(failure)
            values: dict[str, Any] = {"state": JobState.FAILED, "pid": None, "ended_at": datetime.now(UTC)}
            values |= {"error_title": error.title, "error_action": error.action}
        else:
            values = {"pid": pid, "pid_started": pid_started}
        with self._catalog.writing() as session:
            job = session.get(Job, job_id)
            if job is not None and job.state == JobState.RUNNING and job.pid_started is None:
                job.sqlmodel_update(values)

    def cancel(self, job_id: int) -> Job:
        """Cancel a job, and return when its process and all its children are gone (in under four seconds).

        A job that has ended stays as it is.
        """
        with self._catalog.writing() as session:
            job = session.get(Job, job_id)
            if job is not None and (job.state == JobState.QUEUED or (job.state == JobState.RUNNING and _is_claim(job))):
                job.state, job.ended_at = (JobState.CANCELLED, datetime.now(UTC))  # a process that starts now gives up
                job.pid = None
            elif job is not None and job.state in ACTIVE:
                job.state = JobState.CANCELLING
        job = get_job(self._catalog, job_id)
        if job.state == JobState.CANCELLING:
            in_order = end(job)
            with self._catalog.writing() as session:
                row = session.get_one(Job, job_id)
                if row.state not in ENDED:  # it may have ended by itself, well or badly, in the meantime
                    row.state, row.ended_at = JobState.CANCELLED, datetime.now(UTC)
            if not in_order:
                self._clean_up(job)
        self.tick()
        return get_job(self._catalog, job_id)

    def retry(self, job_id: int) -> Job:
        """Run an ended job's service once more, as a new job.

        Raises:
            UsageError: it has not ended.
            CatalogError: there is no such job, or it is of another version.
        """
        job = get_job(self._catalog, job_id)
        if job.state not in ENDED:
            raise UsageError(f"Job {job_id} is {job.state}", f"Cancel it first: `sam-hub jobs cancel {job_id}`.")
        task_of(job.kind).read_options(job.arguments)
        return self._queued(Job(kind=job.kind, title=job.title, arguments=job.arguments, queue=job.queue))

    def remove(self, job_ids: Sequence[int] | None = None) -> list[int]:
        """Remove ended jobs with their logs (these, or all that have ended), and return their numbers."""
        removed = forget_jobs(self._catalog, job_ids)
        for job_id in removed:
            shutil.rmtree(job_folder(self._settings, job_id), ignore_errors=True)
        return removed

    def wait(self, job_id: int, reporter: Reporter = SILENT) -> Job:
        """Report a job's progress until it has ended, keep the queue going meanwhile, and return the job.

        To stop waiting (Ctrl+C) leaves the job alone: its process is in another session.

        Raises:
            CatalogError: there is no such job, or it was removed meanwhile.
        """
        latest = None
        while True:
            self.tick()
            job = get_job(self._catalog, job_id)
            progress = progress_of(self._settings, job_id)
            if progress is not None and progress != latest:
                latest = progress
                reporter.progress(progress.what, progress.done, progress.total, progress.unit)
            if job.state in ENDED:
                return job
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def log_tail(self, job_id: int, lines: int = 20) -> list[str]:
        """Return the last lines of a job's log."""
        return log_tail(self._settings, job_id, lines)


def _is_claim(job: Job) -> bool:
    """Whether a job was claimed by a process that starts it, and has no process of its own yet."""
    return job.pid_started is None


def _in_hand(job: Job) -> bool:
    """Whether the job's process runs, or the one that is about to start it."""
    if not _is_claim(job):
        return is_alive(job)
    age = datetime.now(UTC) - (job.started_at or job.created_at)
    starts = job.pid is not None and not has_ended(job.pid)
    return starts and age.total_seconds() < CLAIM_SECONDS


def _mark_dead(job: Job) -> None:
    """Its process ended without a word (it was killed, or the machine was switched off), or it was never started."""
    if _is_claim(job):
        job.state, job.pid, job.started_at = JobState.QUEUED, None, None
        return
    job.state = JobState.CANCELLED if job.state == JobState.CANCELLING else JobState.INTERRUPTED
    job.ended_at = datetime.now(UTC)
    if job.state == JobState.INTERRUPTED:
        job.error_title = f"The process of job {job.id} ended unexpectedly: {job.title}"
        job.error_action = f"Run it again: `sam-hub jobs retry {job.id}`. It reuses finished work."


def _claim(jobs: Sequence[Job]) -> list[int]:
    """Claim the waiting jobs whose turn it is, and return their numbers."""
    busy = Counter(job.queue for job in jobs if job.state in ACTIVE)
    claimed = []
    for job in jobs:
        if job.state == JobState.QUEUED and busy[job.queue] < CONCURRENCY.get(job.queue, 1):
            job.state, job.pid, job.pid_started = JobState.RUNNING, os.getpid(), None
            job.started_at = datetime.now(UTC)
            busy[job.queue] += 1
            claimed.append(job.id or 0)
    return claimed
