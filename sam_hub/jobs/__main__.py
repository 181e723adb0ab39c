"""``python -m sam_hub.jobs NUMBER``: the process of one job. It works, and writes down how that ended."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from datetime import UTC, datetime
from typing import Any

from sam_hub.catalog.jobs import ENDED
from sam_hub.catalog.tables import Job
from sam_hub.config import share_processors
from sam_hub.errors import Interrupted, SamHubError, of_the_system
from sam_hub.jobs.folder import LOG, job_folder
from sam_hub.jobs.progress import Reporter
from sam_hub.jobs.scheduler import dispatch
from sam_hub.jobs.task import task_of
from sam_hub.services.context import AppContext


def _asked_to_end(number: int, frame: object) -> None:
    """SIGTERM unwinds the stack as Ctrl+C does, once: a second one shall not disturb the tidying up."""
    # Not SIG_IGN, which the next job would inherit: it could not be asked to end while it starts.
    signal.signal(signal.SIGTERM, lambda *_: None)
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(line, flush=True)


def main(job_id: int) -> int:
    """Run a job; returns the exit code."""
    share_processors()
    signal.signal(signal.SIGTERM, _asked_to_end)
    warnings.filterwarnings("ignore", category=FutureWarning)  # notes of libraries to one another
    context = AppContext()
    try:
        job = _own_record(context, job_id)
        if job is None:
            return 1
        code, values = _perform(context, job)
        _write_down(context, job_id, values)
        dispatch(context.catalog, context.settings)
    except KeyboardInterrupt:  # while it started, or when all was done
        code = Interrupted.exit_code
    return code


def _own_record(context: AppContext, job_id: int) -> Job | None:
    """The record of the job, if it says that this process shall do it.

    The one who started it may have failed to write that down, and nobody knows of it; or it is cancelled.
    """
    with context.catalog.writing() as session:  # not before that transaction has ended
        job = session.get(Job, job_id)
    return job if job is not None and (job.pid, job.state) == (os.getpid(), "running") else None


def _perform(context: AppContext, job: Job) -> tuple[int, dict[str, Any]]:
    """Do the work; the exit code, and what the record shall say."""
    folder = job_folder(context.settings, job.id or 0)
    reporter = Reporter(folder)
    try:
        _say(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC  {job.title}")
        result = task_of(job.kind, job.arguments).run(context, reporter, _say)
        reporter.finish()
        return 0, {"state": "done", "result": result}
    except (KeyboardInterrupt, Interrupted) as stop:
        _say(f"Stopped. {stop}" if isinstance(stop, Interrupted) else "Stopped.")
        title, action = (
            f"Job {job.id} was stopped from outside",
            f"Run it again: `sam-hub jobs retry {job.id}`.",
        )
        return Interrupted.exit_code, {"state": "interrupted", "error_title": title, "error_action": action}
    except (SamHubError, OSError) as error:
        told = error if isinstance(error, SamHubError) else of_the_system(error)
        _say(f"Error: {told}")
        return told.exit_code, {"state": "failed", "error_title": told.title, "error_action": told.action}
    except Exception as error:
        traceback.print_exc()
        title = f"The job failed in a way nobody foresaw: {type(error).__name__}: {error}"
        action = f"Read {folder / LOG}, and report it with the last lines."
        return 1, {"state": "failed", "error_title": title, "error_action": action}


def _write_down(context: AppContext, job_id: int, values: dict[str, Any]) -> None:
    with context.catalog.writing() as session:
        job = session.get(Job, job_id)
        if job is None or job.state in ENDED:
            return
        if values["state"] == "interrupted" and job.state == "cancelling":
            values = {"state": "cancelled"}
        for name, value in values.items():
            setattr(job, name, value)
        job.ended_at = datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
