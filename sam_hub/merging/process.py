"""Work of mergekit's in a process of its own: started, followed, and ended with all that it wrote, if need be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import sam_hub
from sam_hub import errors
from sam_hub.errors import SamHubError, UnusableModel
from sam_hub.tempdirs import staged_folder, sweep_scratch


@dataclass(frozen=True)
class Progress:
    """So many of so many tensors are written; ``tensor`` is the last one."""

    done: int
    total: int
    tensor: str


def make(
    output: Path,
    job: Mapping[str, Any],
    on_progress: Callable[[Progress], None] | None = None,
    timeout: float | None = None,
    is_made: Callable[[], bool] = lambda: False,
) -> None:
    """Have the folder ``output`` filled by a process of its own, ``python -m sam_hub.merging``: whole, or not at all.

    Nothing is left unless all goes well, not even after Ctrl+C: the process is killed with its children, and its
    folder deleted. What lay at ``output`` gives way when the new one is whole.

    Args:
        job: what is to be made; see there.
        timeout: seconds after which it is given up.
        is_made: whether another process has made the same meanwhile, in which case that one stays.

    Raises:
        UnusableModel, DiskFull: it failed for such a reason.
        SamHubError: it failed otherwise, or took too long; the message holds mergekit's own.
    """
    with staged_folder(output, keep=is_made) as folder, _worker() as worker:
        worker.do({**job, "folder": str(folder)}, on_progress, timeout)


def sweep_merges(merges: Path) -> None:
    """Delete what killed processes left in a home's ``merges`` and in the folders there."""
    for parent in (merges, *merges.glob("*/")):
        sweep_scratch(parent)


def _environment() -> dict[str, str]:
    paths = [str(Path(sam_hub.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "PYTHONSAFEPATH": "1",  # no module is taken from the folder in which it happens to be started
        "HF_HUB_OFFLINE": "1",  # a merge reads local folders only
        "TOKENIZERS_PARALLELISM": "false",
    }


class Worker:
    """A process that loads mergekit, and then does one piece of work (see ``python -m sam_hub.merging``)."""

    def __init__(self) -> None:
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sam_hub.merging"],
            stdin=subprocess.PIPE,  # gives the work, then is held open: its end tells that this process is gone
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=_environment(),
            start_new_session=True,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process, whatever it does."""
        _kill(self._process)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def do(
        self, job: Mapping[str, Any], on_progress: Callable[[Progress], None] | None, timeout: float | None
    ) -> None:
        """Have a job done; raises as `make`."""
        late = threading.Event()
        clock = threading.Timer(timeout or 0, lambda: (late.set(), _kill(self._process)))
        clock.daemon = True
        try:
            if timeout:
                clock.start()
            assert self._process.stdin is not None
            with suppress(BrokenPipeError):  # it died at its start: its log says why
                self._process.stdin.write(json.dumps(job) + "\n")
                self._process.stdin.flush()
            failure = _follow(self._process, on_progress)
            code = self._process.wait()
        finally:
            clock.cancel()
        if late.is_set():
            raise SamHubError(f"The merge took more than {timeout:g} s", "Give it more time with --timeout.")
        if failure is not None:
            raise failure
        if code != 0:
            raise _unexpected(code, self._log)


_spare: Worker | None = None


@contextmanager
def spare_worker(wanted: bool = True) -> Iterator[None]:
    """Within, a process loads mergekit beside what this one does; the first work that is to be done takes it."""
    global _spare
    _spare = Worker() if wanted else None
    try:
        yield
    finally:
        if _spare is not None:
            _spare.close()
        _spare = None


def _worker() -> Worker:
    global _spare
    taken, _spare = _spare or Worker(), None
    return taken


def _follow(
    process: subprocess.Popen[str], on_progress: Callable[[Progress], None] | None
) -> SamHubError | None:
    """Read the process's lines to their end; returns the error that it told, if any."""
    failure = None
    assert process.stdout is not None
    for line in process.stdout:
        if not line.endswith("\n"):  # it was killed while it wrote
            break
        message = json.loads(line)
        if error := message.get("error"):
            failure = getattr(errors, error["kind"], UnusableModel)(error["title"], error["action"])
        elif on_progress is not None and "done" in message:
            on_progress(Progress(message["done"], message["total"], message["tensor"]))
    return failure


def _kill(process: subprocess.Popen[str]) -> None:
    """With its children; it may have ended just now."""
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):  # macOS says so of one that has just ended
            os.killpg(process.pid, signal.SIGKILL)


def _unexpected(code: int, log: IO[str]) -> SamHubError:
    if code == -signal.SIGKILL:
        return SamHubError(
            "The merge was killed, most likely for want of memory", "Free memory, and merge again."
        )
    log.seek(0)
    lines = [line.strip() for line in log.read().splitlines() if line.strip()]
    reason = lines[-1] if lines and code > 0 else f"exit code {code}"
    if code < 0:
        reason = f"its process was ended by {signal.Signals(-code).name}"
    return SamHubError(
        f"The merge failed: {reason}",
        "Leave the experts out one by one, or try stock mergekit-yaml on what `sam-hub merge --dry-run` prints.",
    )
