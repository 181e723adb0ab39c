"""The process of a job: started in a session of its own, recognized again, ended with all its children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import sam_hub
from sam_hub.jobs.progress import LOG, job_folder, make_private, private

if TYPE_CHECKING:
    import psutil

    from sam_hub.catalog.tables import Job
    from sam_hub.config import Settings

GRACE_SECONDS = 2.5  # from the request to end until it is no request any more; with the rest below four
# The system counts from its start, which moves when the clock is set: not by so much, and no number of a process
# comes round again so soon.
SAME_START_SECONDS = 2.0
# What a job starts that is there for others too: the next job, and the Hub that a home shares.
OUTLIVING = (["-m", "sam_hub.jobs.worker"], ["-m", "sam_hub.local_hub"])


def start(settings: Settings, job_id: int) -> tuple[int, float]:
    """Start the process of a job; returns its pid and when it was started, in seconds since the epoch.

    It outlives this one. Its output is the job's log.
    """
    folder = job_folder(settings, job_id)
    make_private(folder)
    with open(folder / LOG, "ab", opener=private) as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "sam_hub.jobs.worker", str(job_id)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(settings),
            start_new_session=True,
        )
    return child.pid, started_at(child.pid)


def started_at(pid: int) -> float:
    """Return when a process was started, in seconds since the epoch."""
    import psutil

    return psutil.Process(pid).create_time()


def environment(settings: Settings) -> dict[str, str]:
    """Return what leads the process to the same settings. The token goes by the environment, and into no file."""
    paths = [str(Path(sam_hub.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    values = settings.model_dump(mode="json", exclude={"theme", "ascii", "keys"}, exclude_none=True)
    given = {f"SAM_HUB_{name.upper()}": str(value) for name, value in values.items()}
    # Those of the person's own home do not hold in the demo's.
    inherited = {k: v for k, v in os.environ.items() if k not in ("SAM_HUB_DATABASE_URL", "SAM_HUB_TOKEN")}
    return {**inherited, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUNBUFFERED": "1", **given}


def is_alive(job: Job) -> bool:
    """Whether the process of a job runs: this very one, not a later one of the same number."""
    import psutil

    if job.pid is None:
        return False
    try:
        process = psutil.Process(job.pid)
        same = job.pid_started is None or abs(process.create_time() - job.pid_started) < SAME_START_SECONDS
        return same and _runs(process)
    except psutil.NoSuchProcess:
        return False


def end(job: Job) -> bool:
    """End the process of a job and all that it started; returns whether it ended in order when asked to.

    SIGTERM lets it take back what it half did; after `GRACE_SECONDS` SIGKILL takes what is left.
    """
    import psutil

    family = _family(job) if is_alive(job) else []
    if not family:
        return False
    assert job.pid is not None
    with suppress(ProcessLookupError):
        os.killpg(job.pid, signal.SIGTERM)
    _wait(lambda: not is_alive(job), GRACE_SECONDS)
    in_order = not is_alive(job)
    if not in_order:  # it may have started more since
        family = list(dict.fromkeys([*family, *_family(job)]))
    _wait(lambda: not any(map(_runs, family)), 0.3 if in_order else 0)
    for process in filter(_runs, family):  # also those in sessions of their own
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _wait(lambda: not any(map(_runs, family)), 0.7)
    return in_order


def _wait(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def _runs(process: psutil.Process) -> bool:
    """Whether it does; one that ended and of which nobody has taken note yet does not."""
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _family(job: Job) -> list[psutil.Process]:
    """The process of a job and all below it, but for what outlives it; none if it has just ended."""
    import psutil

    found: list[psutil.Process] = []
    try:
        itself = psutil.Process(job.pid)
        command, below = itself.cmdline(), [itself]
    except psutil.NoSuchProcess:
        return []
    while below:
        process = below.pop()
        found.append(process)
        with suppress(psutil.Error):
            for child in process.children():
                started = child.cmdline()
                # A fork that runs no program of its own has the command of its parent.
                if started == command or started[1:3] not in OUTLIVING:
                    below.append(child)
    return found
