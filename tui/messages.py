"""What parts of the UI tell each other. Workers only post these; handlers on the app own all changes of state."""

from __future__ import annotations

from textual.message import Message

from tui.source import JobView


class JobsSeen(Message):
    """The jobs, as they were read just now; ``ended`` are those that came to an end since the last time."""

    def __init__(self, jobs: list[JobView], ended: list[JobView]) -> None:
        super().__init__()
        self.jobs, self.ended = jobs, ended


class Failed(Message):
    """Something a person asked for failed; the app shows it and keeps it for ``!``."""

    def __init__(self, title: str, action: str, log: str = "") -> None:
        super().__init__()
        self.title, self.action, self.log = title, action, log


class TargetChosen(Message):
    """The person works on this target from now on (None: there is none)."""

    def __init__(self, name: str | None) -> None:
        super().__init__()
        self.name = name
