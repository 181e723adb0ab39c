"""A person at a terminal: keys go into a tmux session, and the screen is read back."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

ENDED = "the program ended with"


class Tmux:
    """`sam-hub` (or another command) in a terminal of its own, on a tmux server of its own.

    Args:
        environment: variables beside those of this process.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        columns: int = 80,
        rows: int = 24,
        command: tuple[str, ...] = (sys.executable, "-m", "sam_hub"),
        folder: Path | None = None,
    ) -> None:
        self._socket = f"sam-hub-{secrets.token_hex(4)}"
        shell = shlex.join(["env", "LC_ALL=C.UTF-8", *(f"{k}={v}" for k, v in environment.items()), *command])
        # What the command says at its end stays to be read.
        self._tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), f"{shell}; echo {ENDED} $?; sleep 600",
                   folder=folder)  # fmt: skip

    def _tmux(self, *arguments: str, folder: Path | None = None) -> str:
        command = ["tmux", "-u", "-L", self._socket, "-f", os.devnull, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
        return done.stdout

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names (``Enter``, ``Escape``, ``Space``, ``C-t``, ``a``)."""
        for key in keys:
            self._send(key)

    def type(self, text: str) -> None:
        """Type a text."""
        self._send("-l", text)

    def _send(self, *keys: str) -> None:
        """Send keys when all before has come to an end, as a person does: keys go where the cursor is by then."""
        self._wait_until_idle()
        self._tmux("send-keys", *keys)
        time.sleep(0.05)  # the terminal hands the keys on by itself
        self._wait_until_idle()

    def _wait_until_idle(self, seconds: float = 10) -> None:
        """Wait until the program waits, too: none of its threads ran, or wanted to, ten times in a row.

        Not for ever: what shows how far a job is never rests for long. Its children are not looked at (what they do
        is waited for by what it shows), and where there is no ``/proc``, this is but a pause.
        """
        deadline, idle = time.monotonic() + seconds, 0
        while idle < 10 and time.monotonic() < deadline:
            idle = 0 if self._wants_to_run() else idle + 1
            time.sleep(0.01)

    def _wants_to_run(self) -> bool:
        """Whether a thread of the program is running, waits for a core or for the disk, or is stopped."""
        try:
            threads = Path(f"/proc/{self.pid()}/task").glob("*/stat")
            states = [stat.read_text().rpartition(")")[2].split()[0] for stat in threads]
        except (IndexError, FileNotFoundError, ProcessLookupError):
            return True  # it is about to start, or a thread has just ended
        return any(state in "RDT" for state in states)

    def screen(self) -> str:
        """What is on the screen, line by line."""
        return self._tmux("capture-pane", "-p")

    def wait_for(self, *texts: str, seconds: float = 30) -> str:
        """Wait until all of these are on the screen at once; returns the screen.

        Raises:
            AssertionError: they don't come; the message shows the screen.
        """
        return self.wait_until(lambda screen: all(text in screen for text in texts), seconds, f"{texts}")

    def wait_for_any(self, *texts: str, seconds: float = 30) -> str:
        """Wait until one of these is on the screen."""
        return self.wait_until(lambda screen: any(text in screen for text in texts), seconds, f"any of {texts}")

    def wait_until(self, holds: Callable[[str], bool], seconds: float = 30, what: str = "what was awaited") -> str:
        """Wait until something holds for the screen; returns the screen.

        Raises:
            AssertionError: it does not come to hold; the message shows the screen.
        """
        deadline = time.monotonic() + seconds
        while True:
            shown = self.screen()
            if holds(shown):
                return shown
            if time.monotonic() > deadline or ENDED in shown:
                raise AssertionError(f"{what} did not come within {seconds:g} s; the screen:\n{shown}")
            time.sleep(0.1)

    def pid(self) -> int:
        """The process that runs in the terminal: the shell's only child."""
        import psutil

        shell = int(self._tmux("list-panes", "-F", "#{pane_pid}"))
        return psutil.Process(shell).children()[0].pid

    def close(self) -> None:
        """Close the terminal, and end all that ran in it."""
        subprocess.run(["tmux", "-L", self._socket, "kill-server"], capture_output=True, check=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
