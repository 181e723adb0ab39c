"""How commands do long work: here and now, or as a job that goes on by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sam_hub.cli.output import say, show_json, watching

if TYPE_CHECKING:
    from sam_hub.catalog import Job
    from sam_hub.jobs.place import Place
    from sam_hub.jobs.work import Say, Work

Background = Annotated[
    bool, typer.Option("--background", help="Make a job of it, which goes on by itself, and return at once.")
]


def perform(place: Place, work: Work, *, tell: Say = lambda line: None) -> dict[str, Any]:
    """Do a work in this process, with progress on standard error; its result."""
    with watching() as watch:
        return work.run(place, watch, tell)


def start_job(place: Place, work: Work, *, as_json: bool) -> None:
    """Make a job of a work, and say how to follow it."""
    from sam_hub.jobs.queue import submit

    show_started(submit(place.catalog, place.settings, work), as_json=as_json)


def start_jobs(place: Place, works: Sequence[Work], *, as_json: bool) -> None:
    """Make a job of each work; as JSON they are one list."""
    from sam_hub.jobs.queue import submit

    jobs = [submit(place.catalog, place.settings, work) for work in works]
    if as_json:
        show_json([_started(job) for job in jobs])
    for job in jobs if not as_json else ():
        show_started(job, as_json=False)


def show_started(job: Job, *, as_json: bool) -> None:
    """Say that a job was made, and how to follow it."""
    if as_json:
        show_json(_started(job))
    else:
        print(f"Job {job.id}: {job.title} ({job.state})")
        say(f"Next: sam-hub jobs follow {job.id}")


def _started(job: Job) -> dict[str, Any]:
    return {"job": job.id, "state": job.state, "title": job.title}
