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
from sam_hub.tui.messages import Failed
from sam_hub.tui.source import JobView, Source
from sam_hub.tui.symbols import Symbols

if TYPE_CHECKING:
    from sam_hub.catalog.queries import ExpertRow, TargetRow
    from sam_hub.config import Settings


def remembered_target(home: Path) -> str | None:
    """Return the target in use when the UI was last open. A damaged file is no reason to stop."""
    with suppress(OSError, ValueError, AttributeError):
        return json.loads((home / "tui.json").read_text(encoding="utf-8")).get("target")
    return None


def remember_target(home: Path, name: str) -> None:
    """Keep the target in use for the next start, if the disk lets us."""
    with suppress(OSError):
        files.write_json(home / "tui.json", {"target": name})


@dataclass
class AppState:
    """The state that all parts share. Only the app changes it."""

    settings: Settings
    source: Source
    symbols: Symbols
    keys: KeyNames
    target: TargetRow | None = None
    checked: dict[int, ExpertRow] = field(default_factory=dict)  # the selected experts, by id
    jobs: list[JobView] = field(default_factory=list)  # the latest, newest first
    jobs_known: bool = False
    failure: Failed | None = None

    @property
    def active_jobs(self) -> list[JobView]:
        """The jobs that wait or run."""
        return [view for view in self.jobs if view.is_active]

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
        """Return the newest job of a kind that is about the target in use; None without one."""
        name = self.target.name if self.target else None
        return next((view for view in self.jobs if view.job.kind == kind and view.target == name), None)
