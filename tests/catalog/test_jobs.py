"""The catalog keeps jobs: newest first, by state, and only ended ones are forgotten."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from sam_hub.catalog.jobs import ENDED, forget_jobs, get_job, list_jobs
from sam_hub.catalog.tables import Job
from sam_hub.errors import CatalogError


def job_of(title: str, state: str = "queued") -> Job:
    return Job(kind="pull", title=title, arguments={"expert": "o/news"}, queue="network", state=state)


@pytest.fixture
def jobs(catalog) -> dict[str, int]:
    """A job in each state: its number by its state."""
    states = ("queued", "running", "cancelling", *ENDED)
    return {state: catalog.add(job_of(f"a {state} one", state)).id for state in states}


def test_a_new_job_waits_with_what_it_was_given(catalog):
    job = get_job(catalog, catalog.add(job_of("pull o/news")).id)
    assert (job.state, job.title, job.arguments) == ("queued", "pull o/news", {"expert": "o/news"})
    assert (job.pid, job.result, job.started_at, job.ended_at) == (None, None, None, None)


def test_jobs_are_listed_newest_first_and_by_state(catalog, jobs):
    assert [job.id for job in list_jobs(catalog)] == sorted(jobs.values(), reverse=True)
    assert [job.state for job in list_jobs(catalog, states=("queued", "running"))] == ["running", "queued"]
    assert [job.state for job in list_jobs(catalog, limit=1)] == ["interrupted"]


def test_only_jobs_that_ended_are_forgotten(catalog, jobs):
    assert set(forget_jobs(catalog)) == {jobs[state] for state in ENDED}
    assert {job.state for job in list_jobs(catalog)} == {"queued", "running", "cancelling"}


def test_naming_a_running_job_does_not_forget_it(catalog, jobs):
    assert forget_jobs(catalog, [jobs["running"], jobs["done"]]) == [jobs["done"]]
    assert get_job(catalog, jobs["running"]).state == "running"


def test_the_number_of_a_forgotten_job_is_never_given_again(catalog, jobs):
    last = jobs["interrupted"]
    forget_jobs(catalog, [last])
    assert catalog.add(job_of("another")).id == last + 1  # its log would else lie in the old one's folder


def test_a_job_that_is_not_there_is_told_with_where_to_look(catalog):
    with pytest.raises(CatalogError, match="No job 77") as caught:
        get_job(catalog, 77)
    assert "sam-hub jobs list" in caught.value.action


def test_a_state_that_there_is_not_is_refused(catalog):
    with pytest.raises((CatalogError, IntegrityError)):
        catalog.add(job_of("odd", "sleeping"))
