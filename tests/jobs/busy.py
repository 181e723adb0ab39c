"""A service of arithmetic: it takes as long as it is told to, and can misbehave in the ways that real ones do."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sam_hub.errors import InputError
from sam_hub.jobs.kinds import Task
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.options import JobOptions

if TYPE_CHECKING:
    from sam_hub.config import Settings
    from sam_hub.services.context import AppContext

SLEEP = "import time; time.sleep({seconds})"


@dataclass(frozen=True)
class Busy(JobOptions, kind="tests.jobs.busy:BUSY", title="busy"):
    """Compute a little, for ``seconds``, and report ``events_per_second``.

    Args:
        ignore_sigterm: go on when asked to stop.
        leave: a file that is written half at the start and whole at the end; gone when it is stopped.
        fail: what it says when it fails, halfway; empty: it does not.
        children: so many processes sleep beside it, each in a session of its own, so that only who looks for
            a process' children finds them.
    """

    seconds: float = 10
    events_per_second: int = 20
    ignore_sigterm: bool = False
    leave: str = ""
    fail: str = ""
    children: int = 0

    @property
    def events(self) -> int:
        """How often it reports."""
        return max(1, round(self.seconds * self.events_per_second))


@dataclass(frozen=True)
class BusyOutcome:
    """What was computed."""

    total: int
    events: int


def run_busy(context: AppContext, options: Busy, reporter: Reporter = SILENT) -> BusyOutcome:
    """Compute."""
    if options.ignore_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if options.leave:
        Path(options.leave).write_text("half")
    command = [sys.executable, "-c", SLEEP.format(seconds=options.seconds + 60)]
    asleep = [subprocess.Popen(command, start_new_session=True) for _ in range(options.children)]
    try:
        total = _compute(options, reporter)
    except (KeyboardInterrupt, InputError):
        _remove_what_is_half(options)
        raise
    for child in asleep:
        child.kill()
        child.wait()
    if options.leave:
        Path(options.leave).write_text("whole")
    return BusyOutcome(total, options.events)


def _compute(options: Busy, reporter: Reporter) -> int:
    total, began = 0, time.monotonic()
    for event in range(1, options.events + 1):
        total = (total + sum(n * n for n in range(100))) % 1_000_003
        time.sleep(max(0.0, began + event * options.seconds / options.events - time.monotonic()))
        reporter.progress("busy", event, options.events)
        if event % max(1, options.events // 5) == 0:
            reporter.log(f"event {event} of {options.events}")
        if options.fail and event * 2 >= options.events:
            raise InputError(options.fail, "Take another one.")
    return total


def clean_up_busy(settings: Settings, options: Busy) -> None:
    """Delete the half-written file of a process that was killed."""
    _remove_what_is_half(options)


def _remove_what_is_half(options: Busy) -> None:
    if options.leave and Path(options.leave).is_file() and Path(options.leave).read_text() == "half":
        Path(options.leave).unlink()


BUSY = Task(__name__, "run_busy", clean_up="clean_up_busy")
