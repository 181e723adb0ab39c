"""Commands on jobs: long work that goes on by itself, started here with --background or in the UI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sam_hub.cli.command import command, group
from sam_hub.cli.output import Shown, Yes, confirm, listed, require_yes, say, show_table, started
from sam_hub.progress import Reporter
from sam_hub.services.context import AppContext

if TYPE_CHECKING:
    from sam_hub.catalog.tables import Job
    from sam_hub.jobs.scheduler import Scheduler

LATEST = 20
PRIVATE = {"pid", "pid_started"}  # of a job's row: nobody's business

jobs = group("jobs", "Manage background jobs.")
Number = Annotated[int, typer.Argument(help="Number of the job.", metavar="N", min=1)]
Numbers = Annotated[list[int], typer.Argument(help="Numbers of jobs.", metavar="N", min=1)]


@command("jobs list --all", "list", group=jobs)
def list_(
    all_: Annotated[bool, typer.Option("--all", help=f"List all jobs, not only the latest {LATEST}.")] = False,
) -> Shown:
    """List jobs, newest first."""
    from sam_hub.catalog.jobs import list_jobs
    from sam_hub.jobs.fields import in_words

    catalog = _scheduler().context.catalog
    keys = ("id", "state", "kind", "title", "started_at", "seconds")
    return listed(
        [_values(job) for job in list_jobs(catalog, limit=None if all_ else LATEST)],
        ("job", "state", "kind", "title", "started", "seconds"),
        lambda values: [in_words(values[key]) for key in keys],
        "No jobs yet. Start one with `sam-hub pull NAME --background`, or in the UI.",
    )


@command("jobs show 12", group=jobs)
def show(number: Number) -> Shown:
    """Show a job's state, its result, and its log."""
    from sam_hub.catalog.jobs import get_job
    from sam_hub.jobs.fields import filled_fields
    from sam_hub.jobs.progress import progress_of

    scheduler = _scheduler()
    job = get_job(scheduler.context.catalog, number)
    progress, log = progress_of(scheduler.context.settings, number), scheduler.log_tail(number)
    values = {**_values(job), "result": filled_fields(job.result or {})}
    if progress is not None and job.state in ("running", "cancelling"):
        values["progress"] = f"{progress.what}: {progress.done} of {progress.total} {progress.unit}".rstrip()
    return Shown({**_values(job), "progress": progress, "log": log}, lambda: _show_fields(values, log))


@command("jobs logs -f 12", group=jobs)
def logs(
    number: Number,
    reporter: Reporter,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show progress until the job ends. Ctrl+C does not stop the job.")
    ] = False,
) -> Shown:
    """Show a job's log. With -f, follow the job."""
    from sam_hub.catalog.jobs import get_job

    scheduler = _scheduler()
    get_job(scheduler.context.catalog, number)
    if follow:
        return _follow(number, reporter)
    lines = scheduler.log_tail(number, lines=200)
    return Shown(lines, lambda: print("\n".join(lines)))


@command(name="follow", group=jobs, hidden=True)  # as it was called once
def _follow(number: Number, reporter: Reporter) -> Shown:
    """Follow a job until it ends. Ctrl+C does not stop the job."""
    from sam_hub.errors import Interrupted, SamHubError, was_interrupted

    scheduler = _scheduler()
    try:
        say(f"Following job {number}. Ctrl+C does not stop the job.")
        job = scheduler.wait(number, reporter)
    except BaseException as error:
        if not was_interrupted(error):
            raise
        raise Interrupted(
            f"Stopped following. Job {number} continues",
            f"Follow it again with `sam-hub jobs logs -f {number}`, or cancel it with `sam-hub jobs cancel {number}`.",
        ) from None
    failure = None
    if job.state != "done":
        failure = SamHubError(
            job.error_title or f"Job {number} was {job.state}: {job.title}",
            job.error_action or f"Run it again: `sam-hub jobs retry {number}`.",
        )

    def show() -> None:
        if not failure:
            print(f"Job {number}: {job.title} (done)")
            _show_fields(job.result or {}, scheduler.log_tail(number))

    return Shown(_values(job), show, failure)


@command("jobs cancel 12 13", group=jobs)
def cancel(numbers: Numbers) -> Shown:
    """Cancel jobs, and wait until their processes have ended."""
    from sam_hub.catalog.jobs import ENDED, get_job

    scheduler = _scheduler()
    before = [get_job(scheduler.context.catalog, number) for number in numbers]  # all exist, or none is canceled
    after = [scheduler.cancel(number) for number in numbers]

    def show() -> None:
        for was, job in zip(before, after, strict=True):
            print(f"Job {job.id}: {job.title} ({'already ended: ' if was.state in ENDED else ''}{job.state})")

    return Shown([_values(job) for job in after], show)


@command("jobs retry 12", group=jobs)
def retry(number: Number) -> Shown:
    """Run an ended job again, as a new job."""
    return started([_scheduler().retry(number)])


@command(name="forget", group=jobs, hidden=True)  # as it was called once
@command("jobs rm 12 13 --yes", "rm", group=jobs)
def rm(
    numbers: Annotated[
        list[int] | None, typer.Argument(help="Numbers of jobs. Default: all that have ended.", metavar="N")
    ] = None,
    yes: Yes = False,
    as_json: bool = False,
) -> Shown:
    """Remove ended jobs and their logs. Their results stay."""
    scheduler = _scheduler()
    ended = _ended(scheduler.context, numbers or [])
    require_yes(as_json, yes)
    if ended and not yes:
        what = "job and its log" if len(ended) == 1 else "jobs and their logs"
        confirm(f"Remove {len(ended)} ended {what}?")
    removed = scheduler.remove(ended)
    words = f"Removed: {', '.join(map(str, removed))}" if removed else "No jobs have ended."
    return Shown({"removed": removed}, lambda: print(words))


def _scheduler() -> Scheduler:
    """Return the queue, after dead jobs were marked and waiting ones were started."""
    from sam_hub.jobs.scheduler import Scheduler

    scheduler = Scheduler(AppContext())
    scheduler.tick()
    return scheduler


def _ended(context: AppContext, numbers: list[int]) -> list[int]:
    """Return these jobs, which must have ended; without numbers, all that have."""
    from sam_hub.catalog.jobs import ENDED, get_job, list_jobs
    from sam_hub.errors import UsageError

    if not numbers:
        return [job.id for job in list_jobs(context.catalog, states=ENDED) if job.id is not None]
    for number in numbers:
        if (job := get_job(context.catalog, number)).state not in ENDED:
            raise UsageError(f"Job {number} is {job.state}", f"Cancel it first: `sam-hub jobs cancel {number}`.")
    return numbers


def _values(job: Job) -> dict[str, Any]:
    from sam_hub.jobs.progress import seconds_of

    return {**job.model_dump(exclude=PRIVATE), "seconds": seconds_of(job)}


def _show_fields(values: dict[str, Any], log: list[str]) -> None:
    """Print a table of what has a value, and the log below."""
    from sam_hub.jobs.fields import filled_fields

    if rows := list(filled_fields(values).items()):
        show_table(("field", "value"), rows)
    if log:
        print("\n" + "\n".join(log))
