"""Services that misbehave, and one that tells where it runs."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from sam_hub.services.context import AppContext


def pid(context: AppContext) -> int:
    """Return the number of the process."""
    return os.getpid()


def divide(context: AppContext) -> float:
    """Fail as a bug does."""
    print("to nowhere")
    return 1 / 0


def sleep(context: AppContext, seconds: float) -> str:
    """Take long."""
    time.sleep(seconds)
    return "awake"


def die(context: AppContext) -> None:
    """End without an answer."""
    os.kill(os.getpid(), signal.SIGKILL)


def standing(context: AppContext) -> tuple[bool, bool, str]:
    """Return whether it leads a session, whether it ignores Ctrl+C, and where its output goes."""
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    return os.getsid(0) == os.getpid(), ignored, str(Path("/proc/self/fd/1").readlink())
