"""A work of arithmetic: it takes as long as it is told to, and can misbehave in the ways that real works do."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sam_hub.errors import InputError
from sam_hub.jobs.task import Log, OnProgress, Task

if TYPE_CHECKING:
    from sam_hub.config import Settings
    from sam_hub.services.context import AppContext

SLEEP = "import time; time.sleep({seconds})"


@dataclass(frozen=True)
class Busy(Task):
    """Compute for ``seconds``, and report ``events_per_second``. It has no kind, and goes by its full name.

    Args:
        ignore_sigterm: go on when asked to stop.
        leave: a file that is written half at the start and whole at the end; gone when it is stopped.
        fail: what it says when it fails, halfway; empty: it does not.
        children: so many processes sleep beside it, each in a session of its own, so that only who looks for
            a process' children finds them.
    """

    QUEUE: ClassVar[str] = "compute"

    seconds: float = 10
    events_per_second: int = 20
    ignore_sigterm: bool = False
    leave: str = ""
    fail: str = ""
    children: int = 0

    @property
    def title(self) -> str:
        """A few words for lists."""
        return "busy"

    def run(self, context: AppContext, watch: OnProgress, say: Log) -> dict[str, Any]:
        """Compute."""
        if self.ignore_sigterm:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.leave:
            Path(self.leave).write_text("half")
        command = [sys.executable, "-c", SLEEP.format(seconds=self.seconds + 60)]
        asleep = [subprocess.Popen(command, start_new_session=True) for _ in range(self.children)]
        try:
            total = self._compute(watch, say)
        except (KeyboardInterrupt, InputError):
            self._remove_what_is_half()
            raise
        for child in asleep:
            child.kill()
            child.wait()
        if self.leave:
            Path(self.leave).write_text("whole")
        return {"total": total, "events": self.events}

    @property
    def events(self) -> int:
        """How often it reports."""
        return max(1, round(self.seconds * self.events_per_second))

    def _compute(self, watch: OnProgress, say: Log) -> int:
        total, began = 0, time.monotonic()
        for event in range(1, self.events + 1):
            while time.monotonic() - began < event * self.seconds / self.events:
                total = (total + sum(n * n for n in range(100))) % 1_000_003
            watch("busy", event, self.events)
            if event % max(1, self.events // 5) == 0:
                say(f"event {event} of {self.events}")
            if self.fail and event * 2 >= self.events:
                raise InputError(self.fail, "Take another one.")
        return total

    def clean_up(self, settings: Settings) -> None:
        """The half-written file of a process that was killed."""
        self._remove_what_is_half()

    def _remove_what_is_half(self) -> None:
        if self.leave and Path(self.leave).is_file() and Path(self.leave).read_text() == "half":
            Path(self.leave).unlink()
