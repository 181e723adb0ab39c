"""What the parts of the UI share: the app owns one `AppState` and passes it down. Widgets and tabs read it."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sam_hub import files
from sam_hub.tui.actions import KeyNames
from sam_hub.tui.source import JobView, Source
from sam_hub.tui.symbols import Symbols

if TYPE_CHECKING:
    from sam_hub.catalog.queries import ExpertRow, TargetRow
    from sam_hub.config import Settings

FILE_NAME = "tui.json"


class UiState:
    """Values that the UI remembers between two starts, in a small JSON file in the home.

    A damaged or unwritable file is no reason to stop: nothing in it is needed.
    """

    def __init__(self, home: Path) -> None:
        self._file = home / FILE_NAME
        self._values: dict[str, object] = {}
        with suppress(OSError, ValueError):
            read = json.loads(self._file.read_text(encoding="utf-8"))
            self._values = read if isinstance(read, dict) else {}

    def get(self, name: str) -> object:
        """Return the value of this name, or None."""
        return self._values.get(name)

    def put(self, name: str, value: object) -> None:
        """Remember a value."""
        self._values[name] = value
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            files.write_json(self._file, self._values)


@dataclass(frozen=True)
class Failure:
    """What failed, what to do, and the end of a log if there is one."""

    title: str
    action: str
    log: str = ""


@dataclass
class AppState:
    """The state that all parts share. Only the app changes it."""

    settings: Settings
    source: Source
    symbols: Symbols
    keys: KeyNames
    remembered: UiState
    target: TargetRow | None = None
    checked: dict[int, ExpertRow] = field(default_factory=dict)  # the selected experts, by id
    jobs: list[JobView] = field(default_factory=list)
    jobs_known: bool = False
    failure: Failure | None = None

    @property
    def checked_repos(self) -> list[str]:
        """The repositories of the selected experts."""
        return [row.repo for row in self.checked.values()]

    @property
    def base_of_checked(self) -> str | None:
        """The hash of the base of the selected experts (of the first one); None without any."""
        return next((row.base_sha256 for row in self.checked.values()), None)

    def toggle(self, row: ExpertRow) -> None:
        """Select an expert, or unselect it."""
        if self.checked.pop(row.id, None) is None:
            self.checked[row.id] = row

    @property
    def hub_name(self) -> str:
        """How people call the Hub in use."""
        endpoint = self.settings.endpoint
        return "the embedded Hub" if endpoint == "embedded" else urlsplit(endpoint).hostname or endpoint

    def job_of_target(self, kind: str) -> JobView | None:
        """Return the active job of a kind that is about the target in use; None without one."""
        name = self.target.name if self.target else None
        mine = (v for v in self.jobs if v.job.kind == kind and v.is_active and v.target == name)
        return next(mine, None)
