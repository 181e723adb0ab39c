"""How long work says how far it has come: one protocol for the API, the command line, the TUI and the jobs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Progress:
    """A step of long work.

    Args:
        what: what is being done, such as "ask acme/ner-law". A detail that changes follows a comma: "train, loss 0.5".
        done, total: how much of it, in ``unit``.
        unit: such as "sentences", "tensors" or "B" (bytes); empty where a count says enough.
    """

    what: str
    done: int
    total: int
    unit: str = ""


class Reporter:
    """Receives the progress and the log of long work. This one drops both; subclasses show or store them.

    Both methods may be called from any thread, and as often as the work likes.
    """

    def progress(self, what: str, done: int, total: int, unit: str = "") -> None:
        """Report a step (see `Progress`)."""

    def log(self, line: str) -> None:
        """Report a line for people to read."""

    def named(self, name: str) -> Reporter:
        """Return a reporter to this one that adds a name to each step: "merge" becomes "merge by similarity"."""
        return _Named(self, name)


class _Named(Reporter):
    def __init__(self, reporter: Reporter, name: str) -> None:
        self._reporter, self._name = reporter, name

    def progress(self, what: str, done: int, total: int, unit: str = "") -> None:
        self._reporter.progress(f"{what} {self._name}", done, total, unit)

    def log(self, line: str) -> None:
        self._reporter.log(line)


SILENT = Reporter()
SECONDS_BETWEEN_LINES = 15.0


class _Lines:
    """Standard error where it is no terminal: each state of a bar is a line of its own."""

    def write(self, text: str) -> None:
        if line := text.strip():
            print(line, file=sys.stderr)

    def flush(self) -> None:
        sys.stderr.flush()


class BarReporter(Reporter):
    """Shows progress as bars on standard error, one for each kind of work. Use it as a context manager.

    Where standard error is no terminal, a line is printed every 15 seconds instead.

    Args:
        log: gets the lines of the log; they are dropped where it is None.
        leave: keep a bar at the end.
    """

    def __init__(self, log: Callable[[str], None] | None = None, *, leave: bool = False) -> None:
        self._log, self._leave = log, leave
        self._lock, self._what = threading.RLock(), ""
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def progress(self, what: str, done: int, total: int, unit: str = "") -> None:
        """Move the bar of this work, or open one."""
        with self._lock:
            head = what.partition(",")[0]
            if self._bar is None or head != self._what:
                self._close()
                self._what, self._bar = head, self._open(what, total, unit)
            self._bar.total = total
            self._bar.set_description_str(what, refresh=False)
            self._bar.update(done - self._bar.n)
            if done >= total:
                self._close()

    def _open(self, what: str, total: int, unit: str) -> Any:
        from tqdm.auto import tqdm

        as_lines = not sys.stderr.isatty() and "ipykernel" not in sys.modules  # in a file: a line now and then
        seconds = SECONDS_BETWEEN_LINES if as_lines else 0.1
        units = {"unit": unit if unit == "B" else f" {unit}".rstrip(), "unit_scale": unit == "B"}
        waits = {"mininterval": seconds, "maxinterval": max(10, seconds), "delay": seconds}
        file = _Lines() if as_lines else None
        return tqdm(desc=what, total=total, leave=self._leave, file=file, dynamic_ncols=True, **units, **waits)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None

    def log(self, line: str) -> None:
        """Pass a line on."""
        if self._log is not None:
            with self._lock:
                if self._bar is not None:
                    self._bar.clear()
                self._log(line)
