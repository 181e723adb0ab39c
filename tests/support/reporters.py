"""Who listens to long work in tests."""

from __future__ import annotations

from collections.abc import Callable

from sam_hub.progress import Progress, Reporter


class Recorder(Reporter):
    """Keeps every step and every line; ``on_step`` is called with each step, and may stop the work by raising."""

    def __init__(self, on_step: Callable[[Progress], None] = lambda step: None) -> None:
        self.steps: list[Progress] = []
        self.lines: list[str] = []
        self._on_step = on_step

    def progress(self, what: str, done: int, total: int, unit: str = "") -> None:
        """Keep a step."""
        self.steps.append(Progress(what, done, total, unit))
        self._on_step(self.steps[-1])

    def log(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)
