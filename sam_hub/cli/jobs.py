"""Commands on jobs: long work that goes on by itself, started here with --background or in the UI."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sam_hub.cli.output import AsJson, confirm, say, show_json, show_table, watching
from sam_hub.services.context import AppContext

if TYPE_CHECKING:
    from sam_hub.catalog.tables import Job

LATEST = 20
FIELDS = (
    "id", "state", "kind", "title", "arguments", "queue", "created_at", "started_at", "ended_at", "result",
    "error_title", "error_action",
)  # fmt: skip

app = typer.Typer(
    help="Jobs: long work in processes of their own.", no_args_is_help=True, rich_markup_mode=None
)
Number = Annotated[int, typer.Argument(help="The job's number.", metavar="N", min=1)]
Numbers = Annotated[list[int], typer.Argument(help="Numbers of jobs.", metavar="N...", min=1)]


@app.command("list", epilog="Example: sam-hub jobs list --all")
def list_(
    all_: Annotated[bool, typer.Option("--all", help=f"All there are, not the latest {LATEST}.")] = False,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    from sam_hub.catalog.jobs import list_jobs

    context = _looked_after()
    found = list_jobs(context.catalog, limit=None if all_ else LATEST)
    if as_json:
        show_json([_values(job, "json") for job in found])
    elif not found:
        say("No job yet. Make one with `sam-hub pull NAME --background`, or in the UI.")
    else:
        rows = [_values(job) for job in found]
        keys = ("id", "state", "kind", "title", "started_at", "seconds")
        heads = ("job", "state", "kind", "title", "started", "seconds")
        show_table(heads, [[_line(row[key]) for key in keys] for row in rows])


@app.command(epilog="Example: sam-hub jobs show 12")
def show(number: Number, as_json: AsJson = False) -> None:
    """Show a job: what it does, how it ended, and the last lines of its log."""
    from dataclasses import asdict

    from sam_hub.catalog.jobs import get_job
    from sam_hub.jobs.progress import log_tail, progress_of

    context = _looked_after()
    job = get_job(context.catalog, number)
    progress, log = progress_of(context.settings, number), log_tail(context.settings, number)
    if as_json:
        show_json({**_values(job, "json"), "progress": asdict(progress) if progress else None, "log": log})
        return
    values = _values(job)
    values["result"] = _readable(job.result or {})
    if progress is not None and job.state in ("running", "cancelling"):
        values["progress"] = f"{progress.what}: {progress.done} of {progress.total}"
    _show_fields(values)
    _show_log(log)


@app.command(epilog="Example: sam-hub jobs follow 12")
def follow(number: Number, as_json: AsJson = False) -> None:
    """Show a job's progress until it ends, then its result; Ctrl+C stops following, not the job."""
    from sam_hub.errors import Interrupted, SamHubError
    from sam_hub.jobs.progress import log_tail, wait_for

    context = AppContext()
    try:
        say(f"Following job {number}; Ctrl+C stops that, and not the job.")
        with watching() as watch:
            job = wait_for(context.catalog, context.settings, number, watch)
    except KeyboardInterrupt:
        raise Interrupted(
            f"No longer following; job {number} goes on by itself",
            f"`sam-hub jobs follow {number}` follows it again, `sam-hub jobs cancel {number}` stops it.",
        ) from None
    if as_json:
        show_json(_values(job, "json"))
    if job.state != "done":
        raise SamHubError(
            job.error_title or f"Job {number} was {job.state}: {job.title}",
            job.error_action or f"Run it again: `sam-hub jobs retry {number}`.",
        )
    if not as_json:
        print(f"Job {number}: {job.title} (done)")
        _show_fields(_readable(job.result or {}))
        _show_log(log_tail(context.settings, number))


@app.command(epilog="Example: sam-hub jobs cancel 12 13")
def cancel(numbers: Numbers, as_json: AsJson = False) -> None:
    """Cancel jobs; returns when their processes are gone and nothing half-written is left."""
    from sam_hub.catalog.jobs import ENDED, get_job
    from sam_hub.jobs import scheduler

    context = _looked_after()
    before = [get_job(context.catalog, number) for number in numbers]  # all known, or none is cancelled
    after = [scheduler.cancel(context.catalog, context.settings, number) for number in numbers]
    if as_json:
        show_json([_values(job, "json") for job in after])
        return
    for was, job in zip(before, after, strict=True):
        print(f"Job {job.id}: {job.title} ({'had ended: ' if was.state in ENDED else ''}{job.state})")


@app.command(epilog="Example: sam-hub jobs retry 12")
def retry(number: Number, as_json: AsJson = False) -> None:
    """Run an ended job's work once more, as a new job."""
    from sam_hub.cli.background import show_started
    from sam_hub.jobs import scheduler

    context = _looked_after()
    show_started(scheduler.retry(context.catalog, context.settings, number), as_json=as_json)


@app.command(epilog="Example: sam-hub jobs forget 12 13 --yes")
def forget(
    numbers: Annotated[
        list[int] | None, typer.Argument(help="Numbers of jobs; none: all that have ended.", metavar="[N...]")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget ended jobs and their logs; what they made stays."""
    from sam_hub.errors import UsageError
    from sam_hub.jobs import scheduler

    context = _looked_after()
    going = _ended(context, numbers or [])
    if as_json and not yes:
        raise UsageError(
            "`jobs forget --json` does not ask", "Add --yes; `sam-hub jobs list` shows what there is."
        )
    if going and not yes:
        one = len(going) == 1
        what = "job and its log" if one else "jobs and their logs"
        confirm(f"Forget {len(going)} ended {what}?", refused="Not forgotten")
    gone = scheduler.forget(context.catalog, context.settings, going) if going else []
    if as_json:
        show_json({"forgotten": gone})
    else:
        print(f"Forgotten: {', '.join(map(str, gone))}" if gone else "No job has ended: nothing to forget.")


def _looked_after() -> AppContext:
    """The place, after dead jobs were marked and waiting ones were started."""
    from sam_hub.jobs.scheduler import dispatch

    context = AppContext()
    dispatch(context.catalog, context.settings)
    return context


def _ended(context: AppContext, numbers: list[int]) -> list[int]:
    """These jobs, which must have ended; without numbers, all that have."""
    from sam_hub.catalog.jobs import ENDED, get_job, list_jobs
    from sam_hub.errors import UsageError

    if not numbers:
        return [job.id for job in list_jobs(context.catalog, states=ENDED) if job.id is not None]
    for number in numbers:
        if (job := get_job(context.catalog, number)).state not in ENDED:
            raise UsageError(
                f"Job {number} is {job.state}", f"Cancel it first: `sam-hub jobs cancel {number}`."
            )
    return numbers


def _values(job: Job, mode: str = "python") -> dict[str, Any]:
    """What is told of a job; the number of its process is nobody's business."""
    from sam_hub.jobs.progress import seconds_of

    values = job.model_dump(mode=mode)
    return {**{name: values[name] for name in FIELDS}, "seconds": seconds_of(job)}


def _readable(result: dict[str, Any]) -> dict[str, Any]:
    """What of a result fits into a table; the rest (whole rankings) is told by the log, or by --json in full."""
    return {
        name: value
        for name, value in result.items()
        if not any(isinstance(item, (dict, list)) for item in _items(value))
    }


def _items(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else []


def _show_log(lines: list[str]) -> None:
    if lines:
        print("\n" + "\n".join(lines))


def _show_fields(values: dict[str, Any]) -> None:
    """A table of what has a value."""
    rows = [(key, _line(value)) for key, value in values.items() if value not in (None, "", [], {})]
    if rows:
        show_table(("field", "value"), rows)


def _line(value: object) -> str:
    """A value on one line: a moment to the second in local time, a collection as ``key: value``."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_line(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_line, value))
    if isinstance(value, datetime):
        return f"{value.astimezone():%Y-%m-%d %H:%M:%S}"
    return f"{value:.1f}" if isinstance(value, float) and value >= 1 else str("" if value is None else value)
