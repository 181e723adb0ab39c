"""Services that misbehave otherwise than `tests.jobs.busy` does."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sam_hub.jobs.kinds import Task
from sam_hub.progress import SILENT, Reporter
from tests.jobs.busy import BUSY, Busy, clean_up_busy, run_busy

if TYPE_CHECKING:
    from sam_hub.config import Settings
    from sam_hub.services.context import AppContext

__all__ = ["clean_up_busy", "run_busy"]


@dataclass(frozen=True)
class Download(Busy):
    """Busy in the queue of downloads."""

    KIND: ClassVar[str] = "tests.jobs.services:DOWNLOAD"


@dataclass(frozen=True)
class Unsweepable(Busy):
    """Left something that can't be deleted."""

    KIND: ClassVar[str] = "tests.jobs.services:UNSWEEPABLE"


def fail_to_clean_up(settings: Settings, options: Any) -> None:
    """Fail, as a folder of somebody else does."""
    (settings.home / "not there").unlink()


@dataclass(frozen=True)
class Length:
    """A number."""

    length: float


@dataclass(frozen=True)
class Unforeseen:
    """Has a bug."""

    KIND: ClassVar[str] = "tests.jobs.services:UNFORESEEN"
    title: ClassVar[str] = "divide"


def divide(context: AppContext, options: Any, reporter: Reporter = SILENT) -> Length:
    """Divide."""
    return Length(1 / 0)


@dataclass(frozen=True)
class UseToken:
    """Uses the token, and tells no more of it than its length."""

    KIND: ClassVar[str] = "tests.jobs.services:USE_TOKEN"
    title: ClassVar[str] = "use the token"


def use_token(context: AppContext, options: Any, reporter: Reporter = SILENT) -> Length:
    """Say as much as a service may say of its settings."""
    reporter.log(f"with {context.settings!r}")
    reporter.progress("use the token", 1, 1)
    return Length(len(context.settings.token or ""))


@dataclass(frozen=True)
class UseHub:
    """Is the first that needs the Hub which a home shares, and so starts it."""

    KIND: ClassVar[str] = "tests.jobs.services:USE_HUB"
    title: ClassVar[str] = "use the Hub"


def use_hub(context: AppContext, options: Any, reporter: Reporter = SILENT) -> None:
    """Start it, and go on."""
    from sam_hub.hub.embedded import shared_hub

    endpoint, _ = shared_hub(Path(context.settings.hub))
    reporter.progress(endpoint, 0, 1)
    time.sleep(60)


@dataclass(frozen=True)
class Stubborn:
    """When asked to end, starts a process in a session of its own, and stays."""

    KIND: ClassVar[str] = "tests.jobs.services:STUBBORN"
    title: ClassVar[str] = "stay"

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


DOWNLOAD = replace(BUSY, module=__name__, options="Download", queue="network")
UNSWEEPABLE = replace(BUSY, module=__name__, options="Unsweepable", clean_up="fail_to_clean_up")
UNFORESEEN = Task(__name__, "Unforeseen", "divide", "Length")
USE_TOKEN = Task(__name__, "UseToken", "use_token", "Length")
USE_HUB = Task(__name__, "UseHub", "use_hub", "Length")
STUBBORN = Task(__name__, "Stubborn", "stay", "Length")
