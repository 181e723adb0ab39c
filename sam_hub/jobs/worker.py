"""``python -m sam_hub.jobs.worker NUMBER``: the process of one job, which runs its service and records the result."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from datetime import UTC, datetime
from typing import Any

from sam_hub.catalog.jobs import ENDED
from sam_hub.catalog.tables import Job, JobState
from sam_hub.config import share_processors
from sam_hub.errors import Interrupted, SamHubError, of_the_system, was_interrupted
from sam_hub.jobs.kinds import task_of
from sam_hub.jobs.process import started_at
from sam_hub.jobs.progress import LOG, JobReporter, job_folder
from sam_hub.jobs.scheduler import Scheduler
from sam_hub.services.context import AppContext


def _terminated(number: int, frame: object) -> None:
    """Unwind the stack as Ctrl+C does, once: a second SIGTERM must not disturb the tidying up."""
    # Not SIG_IGN, which the next job would inherit: it could not be asked to end while it starts.
    signal.signal(signal.SIGTERM, lambda *_: None)
    raise KeyboardInterrupt


def main(job_id: int) -> int:
    """Run a job, and return the exit code."""
    share_processors()
    signal.signal(signal.SIGTERM, _terminated)
    warnings.filterwarnings("ignore", category=FutureWarning)  # notes of libraries to one another
    context = AppContext()
    try:
        job = _take(context, job_id)
        if job is None:
            return 1
        code, values = _run(context, job)
        _record(context, job_id, values)
        Scheduler(context).tick()
    except KeyboardInterrupt:  # while it started, or when all was done
        code = Interrupted.exit_code
    return code


def _take(context: AppContext, job_id: int) -> Job | None:
    """Return the job's row if it was claimed for this process, or for one that has not appeared yet.

    None if it was canceled in the meantime, or another process runs it.
    """
    with context.catalog.writing() as session:
        job = session.get(Job, job_id)
        if job is None or job.state != JobState.RUNNING:
            return None
        if job.pid_started is None:  # claimed, and whoever started this process has not written its number yet
            job.pid, job.pid_started = os.getpid(), started_at(os.getpid())
        return job if job.pid == os.getpid() else None


def _run(context: AppContext, job: Job) -> tuple[int, dict[str, Any]]:
    """Run the service, and return the exit code and what the row shall say."""
    from pydantic_core import to_jsonable_python

    folder = job_folder(context.settings, job.id or 0)
    reporter = JobReporter(folder)
    try:
        reporter.log(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC  {job.title}")
        task = task_of(job.kind)
        outcome = task.run(context, task.read_options(job.arguments), reporter)
        reporter.finish()
        return 0, {"state": JobState.DONE, "result": to_jsonable_python(outcome)}
    except (SamHubError, OSError) as failure:
        if isinstance(failure, Interrupted):
            return _stopped(job, reporter, f"Stopped. {failure}")
        error = failure if isinstance(failure, SamHubError) else of_the_system(failure)
        reporter.log(f"Error: {error}")
        return error.exit_code, _ended(JobState.FAILED, error)
    except (Exception, KeyboardInterrupt) as bug:
        if was_interrupted(bug):
            return _stopped(job, reporter, "Stopped.")
        traceback.print_exc()
        title = f"Unexpected error: {type(bug).__name__}: {bug}"
        action = f"Read {folder / LOG}, and report it with the last lines."
        return 1, _ended(JobState.FAILED, SamHubError(title, action))


def _stopped(job: Job, reporter: JobReporter, line: str) -> tuple[int, dict[str, Any]]:
    reporter.log(line)
    error = Interrupted(f"Job {job.id} was stopped from outside", f"Run it again: `sam-hub jobs retry {job.id}`.")
    return error.exit_code, _ended(JobState.INTERRUPTED, error)


def _ended(state: str, error: SamHubError) -> dict[str, Any]:
    return {"state": state, "error_title": error.title, "error_action": error.action}


def _record(context: AppContext, job_id: int, values: dict[str, Any]) -> None:
    with context.catalog.writing() as session:
        job = session.get(Job, job_id)
        if job is None or job.state in ENDED:
            return
        if values["state"] == JobState.INTERRUPTED and job.state == JobState.CANCELLING:
            values = {"state": JobState.CANCELLED}
        job.sqlmodel_update({**values, "ended_at": datetime.now(UTC)})


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
