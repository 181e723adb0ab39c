"""How commands do long work: here and now, or as a job that goes on by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sam_hub.cli.output import say, show_json, watching

if TYPE_CHECKING:
    from sam_hub.catalog.tables import Job
    from sam_hub.jobs.task import Log, Task
    from sam_hub.services.context import AppContext

Background = Annotated[
    bool, typer.Option("--background", help="Make a job of it, which goes on by itself, and return at once.")
]


def perform(context: AppContext, work: Task, *, tell: Log = lambda line: None) -> dict[str, Any]:
    """Do a work in this process, with progress on standard error; its result."""
    with watching() as watch:
        return work.run(context, watch, tell)


def start_job(context: AppContext, work: Task, *, as_json: bool) -> None:
    """Make a job of a work, and say how to follow it."""
    from sam_hub.jobs.scheduler import submit

    show_started(submit(context.catalog, context.settings, work), as_json=as_json)


def start_jobs(context: AppContext, works: Sequence[Task], *, as_json: bool) -> None:
    """Make a job of each work; as JSON they are one list."""
    from sam_hub.jobs.scheduler import submit

    jobs = [submit(context.catalog, context.settings, work) for work in works]
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
