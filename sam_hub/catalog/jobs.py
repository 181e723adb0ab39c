"""Jobs as the catalog keeps them: made, found, listed, forgotten. What they do is the matter of `sam_hub.jobs`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete
from sqlmodel import col, select

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.tables import Job, JobState
from sam_hub.errors import CatalogError

ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.INTERRUPTED)


def add_job(catalog: Catalog, job: Job) -> Job:
    """Put a job into the queue."""
    with catalog.writing() as session:
        session.add(job)
        return job


def get_job(catalog: Catalog, job_id: int) -> Job:
    """The job of this number.

    Raises:
        CatalogError: there is none.
    """
    with catalog.session() as session:
        job = session.get(Job, job_id)
    if job is None:
        raise CatalogError(f"No job {job_id} in the catalog", "`sam-hub jobs list` shows what is there.")
    return job


def list_jobs(catalog: Catalog, limit: int | None = None, states: Sequence[str] = ()) -> list[Job]:
    """Jobs, newest first; with ``states``, those in one of them."""
    query = select(Job).order_by(col(Job.id).desc()).limit(limit)
    if states:
        query = query.where(col(Job.state).in_(states))
    with catalog.session() as session:
        return list(session.exec(query))


def forget_jobs(catalog: Catalog, job_ids: Sequence[int] = ()) -> list[int]:
    """Delete ended jobs (all of them, or those of these numbers); returns the numbers of those that went."""
    which = [col(Job.state).in_(ENDED)] + ([col(Job.id).in_(job_ids)] if job_ids else [])
    with catalog.writing() as session:
        ids = list(session.exec(select(Job.id).where(*which)))
        session.exec(delete(Job).where(col(Job.id).in_(ids)))
    return [i for i in ids if i is not None]
