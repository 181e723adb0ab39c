"""The queue: jobs are made, started within the limits of their rooms, cancelled, found dead, forgotten.

Nobody has to stay for it: whoever looks at the queue keeps it going, and a job that ends starts the next.
"""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime

from sqlmodel import Session, col, select

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.jobs import ENDED, add_job, forget_jobs, get_job
from sam_hub.catalog.tables import Job
from sam_hub.config import Settings
from sam_hub.errors import SamHubError, UsageError, of_the_system
from sam_hub.jobs.folder import job_folder
from sam_hub.jobs.process import end, is_alive, start
from sam_hub.jobs.task import CONCURRENCY, Task, task_of

ACTIVE = ("running", "cancelling")


def submit(catalog: Catalog, settings: Settings, task: Task) -> Job:
    """Make a job of a work, and start it if its room has a place."""
    job = add_job(
        catalog, Job(kind=task.kind, title=task.title, arguments=task.arguments(), queue=task.QUEUE)
    )
    dispatch(catalog, settings)
    return get_job(catalog, job.id or 0)


def dispatch(catalog: Catalog, settings: Settings) -> None:
    """Mark jobs whose process is gone, and start those whose turn it is."""
    with catalog.session() as session:
        waiting = session.exec(select(Job).where(col(Job.state).in_((*ACTIVE, "queued")))).all()
    dead = [job for job in waiting if job.state in ACTIVE and not is_alive(job)]
    if not dead and not any(job.state == "queued" for job in waiting):
        return
    with catalog.writing() as session:
        jobs = session.exec(
            select(Job).where(col(Job.state).in_((*ACTIVE, "queued"))).order_by(col(Job.id))
        ).all()
        for job in jobs:
            if job.state in ACTIVE and not is_alive(job):
                _mark_dead(session, job, settings)
        _start_waiting(session, [job for job in jobs if job.state not in ENDED], settings)


def _mark_dead(session: Session, job: Job, settings: Settings) -> None:
    """Its process ended without a word: it was killed, or the machine was switched off."""
    job.state = "cancelled" if job.state == "cancelling" else "interrupted"
    job.ended_at = datetime.now(UTC)
    if job.state == "interrupted":
        job.error_title = f"The process of job {job.id} ended before its work did: {job.title}"
        job.error_action = f"Run it again: `sam-hub jobs retry {job.id}`; it goes on where it can."
    session.add(job)
    _sweep(job, settings)


def _sweep(job: Job, settings: Settings) -> None:
    # A job of another version, of which nobody knows what it left; or its files can't be deleted. Neither may
    # keep the queue from going on.
    with suppress(SamHubError, OSError):
        task_of(job.kind, job.arguments).clean_up(settings)


def _start_waiting(session: Session, jobs: list[Job], settings: Settings) -> None:
    busy = Counter(job.queue for job in jobs if job.state in ACTIVE)
    for job in jobs:
        if job.state != "queued" or busy[job.queue] >= CONCURRENCY.get(job.queue, 1):
            continue
        try:
            # Within the transaction: the process waits for it to end before it reads its own record.
            job.pid, job.pid_started = start(settings, job.id or 0)
        except OSError as error:  # no room for its log, or for a process: the others shall go on
            told = of_the_system(error)
            job.state, job.error_title, job.error_action = "failed", told.title, told.action
            job.ended_at = datetime.now(UTC)
        else:
            job.state, job.started_at = "running", datetime.now(UTC)
            busy[job.queue] += 1
        session.add(job)


def cancel(catalog: Catalog, settings: Settings, job_id: int) -> Job:
    """Cancel a job, and return when its process and all its children are gone (in under four seconds).

    One that has ended stays as it is.
    """
    with catalog.writing() as session:
        job = session.get(Job, job_id)
        if job is not None and job.state == "queued":
            job.state, job.ended_at = "cancelled", datetime.now(UTC)
        elif job is not None and job.state in ACTIVE:
            job.state = "cancelling"
    job = get_job(catalog, job_id)
    if job.state == "cancelling":
        in_order = end(job)
        with catalog.writing() as session:
            now = session.get_one(Job, job_id)
            if now.state not in ENDED:  # it may have ended by itself, well or badly, in the meantime
                now.state, now.ended_at = "cancelled", datetime.now(UTC)
        if not in_order:
            _sweep(job, settings)
    dispatch(catalog, settings)
    return get_job(catalog, job_id)


def retry(catalog: Catalog, settings: Settings, job_id: int) -> Job:
    """Run an ended job's work once more, as a new job.

    Raises:
        UsageError: it has not ended.
    """
    job = get_job(catalog, job_id)
    if job.state not in ENDED:
        raise UsageError(f"Job {job_id} is {job.state}", f"Cancel it first: `sam-hub jobs cancel {job_id}`.")
    return submit(catalog, settings, task_of(job.kind, job.arguments))


def forget(catalog: Catalog, settings: Settings, job_ids: list[int] | None = None) -> list[int]:
    """Forget ended jobs with their logs: these, or all that have ended; returns their numbers."""
    gone = forget_jobs(catalog, job_ids or []) if job_ids != [] else []
    for job_id in gone:
        shutil.rmtree(job_folder(settings, job_id), ignore_errors=True)
    return gone
