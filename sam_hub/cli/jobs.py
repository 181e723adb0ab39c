"""Commands on jobs: long work that goes on by itself, started here with --background or in the UI."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sam_hub.cli.command import command, group
from sam_hub.cli.output import (
    AsJson,
    TerminalReporter,
    Yes,
    confirm,
    require_yes,
    say,
    show_json,
    show_list,
    show_started,
    show_table,
)
from sam_hub.services.context import AppContext

if TYPE_CHECKING:
    from sam_hub.catalog.tables import Job
    from sam_hub.jobs.scheduler import Scheduler

LATEST = 20
PRIVATE = {"pid", "pid_started"}  # of a job's row: nobody's business

jobs = group("jobs", "Manage background jobs.")
Number = Annotated[int, typer.Argument(help="Number of the job.", metavar="N", min=1)]
Numbers = Annotated[list[int], typer.Argument(help="Numbers of jobs.", metavar="N...", min=1)]


@command("jobs list --all", "list", group=jobs)
def list_(
    all_: Annotated[bool, typer.Option("--all", help=f"List all jobs, not only the latest {LATEST}.")] = False,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    from sam_hub.catalog.jobs import list_jobs

    catalog = _scheduler().context.catalog
    keys = ("id", "state", "kind", "title", "started_at", "seconds")
    show_list(
        [_values(job) for job in list_jobs(catalog, limit=None if all_ else LATEST)],
        ("job", "state", "kind", "title", "started", "seconds"),
        lambda values: [_line(values[key]) for key in keys],
        "No jobs yet. Start one with `sam-hub pull NAME --background`, or in the UI.",
        as_json=as_json,
    )


@command("jobs show 12", group=jobs)
def show(number: Number, as_json: AsJson = False) -> None:
    """Show a job's state, its result, and its log."""
    from sam_hub.catalog.jobs import get_job
    from sam_hub.jobs.progress import progress_of

    scheduler = _scheduler()
    job = get_job(scheduler.context.catalog, number)
    progress, log = progress_of(scheduler.context.settings, number), scheduler.log_tail(number)
    if as_json:
        show_json({**_values(job), "progress": progress, "log": log})
        return
    values = {**_values(job), "result": _readable(job)}
    if progress is not None and job.state in ("running", "cancelling"):
        values["progress"] = f"{progress.what}: {progress.done} of {progress.total} {progress.unit}".rstrip()
    _show_fields(values, log)


@command("jobs logs -f 12", group=jobs)
def logs(
    number: Number,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show progress until the job ends. Ctrl+C does not stop the job.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a job's log. With -f, follow the job."""
    from sam_hub.catalog.jobs import get_job

    scheduler = _scheduler()
    get_job(scheduler.context.catalog, number)
    if follow:
        _follow(number, as_json)
        return
    lines = scheduler.log_tail(number, lines=200)
    show_json(lines) if as_json else print("\n".join(lines))


@command(name="follow", group=jobs, hidden=True)
def _follow(number: Number, as_json: AsJson = False) -> None:
    """Follow a job until it ends. Ctrl+C does not stop the job."""
    from sam_hub.errors import Interrupted, SamHubError, was_interrupted
    from sam_hub.jobs.scheduler import Scheduler

    scheduler = Scheduler(AppContext())
    try:
        say(f"Following job {number}. Ctrl+C does not stop the job.")
        with TerminalReporter() as reporter:
            job = scheduler.wait(number, reporter)
    except BaseException as error:
        if not was_interrupted(error):
            raise
        raise Interrupted(
            f"Stopped following. Job {number} continues",
            f"Follow it again with `sam-hub jobs logs -f {number}`, or cancel it with `sam-hub jobs cancel {number}`.",
        ) from None
    if as_json:
        show_json(_values(job))
    if job.state != "done":
        raise SamHubError(
            job.error_title or f"Job {number} was {job.state}: {job.title}",
            job.error_action or f"Run it again: `sam-hub jobs retry {number}`.",
        )
    if not as_json:
        print(f"Job {number}: {job.title} (done)")
        _show_fields(_readable(job), scheduler.log_tail(number))


@command("jobs cancel 12 13", group=jobs)
def cancel(numbers: Numbers, as_json: AsJson = False) -> None:
    """Cancel jobs, and wait until their processes have ended."""
    from sam_hub.catalog.jobs import ENDED, get_job

    scheduler = _scheduler()
    before = [get_job(scheduler.context.catalog, number) for number in numbers]  # all exist, or none is canceled
    after = [scheduler.cancel(number) for number in numbers]
    if as_json:
        show_json([_values(job) for job in after])
        return
    for was, job in zip(before, after, strict=True):
        print(f"Job {job.id}: {job.title} ({'already ended: ' if was.state in ENDED else ''}{job.state})")


@command("jobs retry 12", group=jobs)
def retry(number: Number, as_json: AsJson = False) -> None:
    """Run an ended job again, as a new job."""
    show_started([_scheduler().retry(number)], as_json=as_json)


@command(name="forget", group=jobs, hidden=True)
@command("jobs rm 12 13 --yes", "rm", group=jobs)
def rm(
    numbers: Annotated[
        list[int] | None, typer.Argument(help="Numbers of jobs. Default: all that have ended.", metavar="[N...]")
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove ended jobs and their logs. Their results stay."""
    scheduler = _scheduler()
    ended = _ended(scheduler.context, numbers or [])
    require_yes(as_json, yes)
    if ended and not yes:
        what = "job and its log" if len(ended) == 1 else "jobs and their logs"
        confirm(f"Remove {len(ended)} ended {what}?")
    removed = scheduler.remove(ended)
    if as_json:
        show_json({"removed": removed})
    else:
        print(f"Removed: {', '.join(map(str, removed))}" if removed else "No jobs have ended.")


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


def _readable(job: Job) -> dict[str, Any]:
    """Return what of a result fits into a table; the rest (whole rankings) is in the log, or in full in --json."""
    return {name: value for name, value in (job.result or {}).items() if not _is_nested(value)}


def _is_nested(value: object) -> bool:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(isinstance(item, (dict, list)) for item in items)


def _show_fields(values: dict[str, Any], log: list[str]) -> None:
    """Print a table of what has a value, and the log below."""
    rows = [(key, _line(value)) for key, value in values.items() if value not in (None, "", [], {})]
    if rows:
        show_table(("field", "value"), rows)
    if log:
        print("\n" + "\n".join(log))


def _line(value: object) -> str:
    """A value on one line: a moment to the second in local time, a collection as ``key: value``."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_line(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_line, value))
    if isinstance(value, datetime):
        return f"{value.astimezone():%Y-%m-%d %H:%M:%S}"
    return f"{value:.1f}" if isinstance(value, float) and value >= 1 else str("" if value is None else value)
