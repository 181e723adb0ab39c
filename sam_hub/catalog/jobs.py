"""Jobs as the catalog keeps them. What they do is the matter of `sam_hub.jobs`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete
from sqlmodel import col, select

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.tables import Job, JobState

ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.INTERRUPTED)


def get_job(catalog: Catalog, job_id: int) -> Job:
    """Return the job of this number."""
    return catalog.get(Job, job_id)


def list_jobs(catalog: Catalog, limit: int | None = None, states: Sequence[str] = ()) -> list[Job]:
    """Return jobs, newest first; with ``states``, those in one of them."""
    query = select(Job).order_by(col(Job.id).desc()).limit(limit)
    return catalog.all(query.where(col(Job.state).in_(states)) if states else query)


def forget_jobs(catalog: Catalog, job_ids: Sequence[int] | None = None) -> list[int]:
    """Delete ended jobs (all of them, or those of these numbers), and return the numbers of those that went."""
    which = [col(Job.state).in_(ENDED)] + ([] if job_ids is None else [col(Job.id).in_(job_ids)])
    with catalog.writing() as session:
        return list(session.scalars(delete(Job).where(*which).returning(col(Job.id))))
