"""Services that misbehave otherwise than `tests.jobs.busy` does."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_hub.jobs.kinds import Task
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.options import JobOptions
from tests.jobs.busy import BUSY, Busy, BusyOutcome, clean_up_busy, run_busy

if TYPE_CHECKING:
    from sam_hub.config import Settings
    from sam_hub.services.context import AppContext

__all__ = ["Busy", "BusyOutcome", "clean_up_busy", "run_busy"]


@dataclass(frozen=True)
class Download(Busy, kind="tests.jobs.services:DOWNLOAD", title="busy"):
    """Busy in the queue of downloads."""


@dataclass(frozen=True)
class NeverCleanedUp(Busy, kind="tests.jobs.services:UNSWEEPABLE", title="busy"):
    """Left something that can't be deleted."""


def fail_to_clean_up(settings: Settings, options: Any) -> None:
    """Fail, as a folder of somebody else does."""
    (settings.home / "not there").unlink()


@dataclass(frozen=True)
class Length:
    """A number."""

    length: float


@dataclass(frozen=True)
class Unforeseen(JobOptions, kind="tests.jobs.services:UNFORESEEN", title="divide"):
    """Has a bug."""


def divide(context: AppContext, options: Unforeseen, reporter: Reporter = SILENT) -> Length:
    """Divide."""
    return Length(1 / 0)


@dataclass(frozen=True)
class UseToken(JobOptions, kind="tests.jobs.services:USE_TOKEN", title="use the token"):
    """Uses the token, and tells no more of it than its length."""


def use_token(context: AppContext, options: UseToken, reporter: Reporter = SILENT) -> Length:
    """Say as much as a service may say of its settings."""
    reporter.log(f"with {context.settings!r}")
    reporter.progress("use the token", 1, 1)
    return Length(len(context.settings.token or ""))


@dataclass(frozen=True)
class UseHub(JobOptions, kind="tests.jobs.services:USE_HUB", title="use the Hub"):
    """Is the first that needs the Hub which a home shares, and so starts it."""


def use_hub(context: AppContext, options: UseHub, reporter: Reporter = SILENT) -> None:
    """Start it, and go on."""
    from sam_hub.hub.embedded import shared_hub

    endpoint, _ = shared_hub(Path(context.settings.hub))
    reporter.progress(endpoint, 0, 1)
    time.sleep(60)


@dataclass(frozen=True)
class Stubborn(JobOptions, kind="tests.jobs.services:STUBBORN", title="stay"):
    """When asked to end, starts a process in a session of its own, and stays."""

    file: str


def stay(context: AppContext, options: Stubborn, reporter: Reporter = SILENT) -> None:
    """Wait to be asked."""
    reporter.progress("wait", 0, 1)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        child = subprocess.Popen(command, start_new_session=True)
        Path(options.file).write_text(str(child.pid))
        time.sleep(60)


DOWNLOAD = replace(BUSY, module=__name__, queue="network")
UNSWEEPABLE = replace(BUSY, module=__name__, clean_up="fail_to_clean_up")
UNFORESEEN = Task(__name__, "divide")
USE_TOKEN = Task(__name__, "use_token")
USE_HUB = Task(__name__, "use_hub")
STUBBORN = Task(__name__, "stay")
