"""A program in a terminal of its own: keys go in, and the seconds until something is on the screen come out."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self


class Terminal:
    """Runs a command in a pseudo-terminal, as a terminal emulator does."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], columns: int = 120, rows: int = 36
    ) -> None:
        self.started = time.perf_counter()
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._process = subprocess.Popen(
            command,
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(rows), **environment},
            start_new_session=True,
        )
        os.close(follower)
        self._leader = leader

    def press(self, keys: str) -> float:
        """Send keys; returns when that was."""
        now = time.perf_counter()
        os.write(self._leader, keys.encode())
        return now

    def wait_for(self, text: str, since: float, limit: float = 60) -> float:
        """Seconds from ``since`` until ``text`` is written to the screen.

        Raises:
            TimeoutError: it does not come; the message holds the end of what came.
        """
        seen = b""
        wanted = text.encode()
        while time.perf_counter() - since < limit:
            ready, _, _ = select.select([self._leader], [], [], 0.5)
            if ready:
                try:
                    seen += os.read(self._leader, 1 << 16)
                except OSError:
                    break
                if wanted in seen:
                    return time.perf_counter() - since
        raise TimeoutError(f"{text!r} did not come; the end of what came: {seen[-400:]!r}")

    def drain(self, seconds: float) -> None:
        """Read what is written in the next seconds, and forget it."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if select.select([self._leader], [], [], left)[0]:
                os.read(self._leader, 1 << 16)

    def processor_seconds(self) -> float:
        """Processor time that the program has used."""
        import psutil

        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    def close(self) -> None:
        """End the program."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._leader)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
