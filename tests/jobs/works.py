"""Works that misbehave otherwise than `tests.jobs.busy.Busy` does."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sam_hub.jobs.task import Log, OnProgress, Task
from tests.jobs.busy import Busy

if TYPE_CHECKING:
    from sam_hub.config import Settings
    from sam_hub.services.context import AppContext


@dataclass(frozen=True)
class Download(Busy):
    """Busy in the room of downloads."""

    QUEUE: ClassVar[str] = "network"


@dataclass(frozen=True)
class Unforeseen(Task):
    """Has a bug."""

    def run(self, context: AppContext, watch: OnProgress, say: Log) -> dict[str, Any]:
        """Divide."""
        return {"result": 1 / 0}


@dataclass(frozen=True)
class Unsweepable(Busy):
    """Left something that can't be deleted."""

    def clean_up(self, settings: Settings) -> None:
        """Fail, as a folder of somebody else does."""
        (settings.home / "not there").unlink()


@dataclass(frozen=True)
class UseToken(Task):
    """Uses the token, and tells no more of it than its length."""

    def run(self, context: AppContext, watch: OnProgress, say: Log) -> dict[str, Any]:
        """Say as much as a work may say of its settings."""
        say(f"with {context.settings!r}")
        watch("use the token", 1, 1)
        return {"length": len(context.settings.token or "")}


@dataclass(frozen=True)
class UseHub(Task):
    """Is the first that needs the Hub which a home shares, and so starts it."""

    def run(self, context: AppContext, watch: OnProgress, say: Log) -> dict[str, Any]:
        """Start it, and go on."""
        from sam_hub.hub.embedded import shared_hub

        endpoint, _ = shared_hub(Path(context.settings.hub))
        watch(endpoint, 0, 1)
        time.sleep(60)
        return {}


@dataclass(frozen=True)
class Stubborn(Task):
    """When asked to end, starts a process in a session of its own, and stays."""

    file: str

    def run(self, context: AppContext, watch: OnProgress, say: Log) -> dict[str, Any]:
        """Wait to be asked."""
        watch("wait", 0, 1)
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            command = [sys.executable, "-c", "import time; time.sleep(60)"]
            child = subprocess.Popen(command, start_new_session=True)
            Path(self.file).write_text(str(child.pid))
            time.sleep(60)
        return {}
