"""Works that misbehave otherwise than `tests.jobs.busy.Busy` does."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sam_hub.jobs.work import Say, Watch, Work
from tests.jobs.busy import Busy

if TYPE_CHECKING:
    from sam_hub.jobs.place import Place
    from sam_hub.settings import Settings


@dataclass(frozen=True)
class Download(Busy):
    """Busy in the room of downloads."""

    ROOM: ClassVar[str] = "network"


@dataclass(frozen=True)
class Unforeseen(Work):
    """Has a bug."""

    def run(self, place: Place, watch: Watch, say: Say) -> dict[str, Any]:
        """Divide."""
        return {"result": 1 / 0}


@dataclass(frozen=True)
class Unsweepable(Busy):
    """Left something that can't be deleted."""

    def sweep(self, settings: Settings) -> None:
        """Fail, as a folder of somebody else does."""
        (settings.home / "not there").unlink()


@dataclass(frozen=True)
class UseToken(Work):
    """Uses the token, and tells no more of it than its length."""

    def run(self, place: Place, watch: Watch, say: Say) -> dict[str, Any]:
        """Say as much as a work may say of its settings."""
        say(f"with {place.settings!r}")
        watch("use the token", 1, 1)
        return {"length": len(place.settings.token or "")}


@dataclass(frozen=True)
class UseHub(Work):
    """Is the first that needs the Hub which a home shares, and so starts it."""

    def run(self, place: Place, watch: Watch, say: Say) -> dict[str, Any]:
        """Start it, and go on."""
        from sam_hub.hub.embedded import shared_hub

        endpoint, _ = shared_hub(Path(place.settings.hub))
        watch(endpoint, 0, 1)
        time.sleep(60)
        return {}


@dataclass(frozen=True)
class Stubborn(Work):
    """When asked to end, starts a process in a session of its own, and stays."""

    file: str

    def run(self, place: Place, watch: Watch, say: Say) -> dict[str, Any]:
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
