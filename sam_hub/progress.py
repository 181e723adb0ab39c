"""How long work says how far it has come: one protocol for the API, the command line, the TUI and the jobs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """A step of long work.

    Args:
        what: what is being done, such as "ask acme/ner-law". A detail that changes follows a comma: "train, loss 0.5".
        done, total: how much of it, in ``unit``.
        unit: such as "sentences", "tensors" or "B" (bytes); empty where a count says enough.
    """

    what: str
    done: int
    total: int
    unit: str = ""


class Reporter:
    """Receives the progress and the log of long work. This one drops both; subclasses show or store them.

    Both methods may be called from any thread, and as often as the work likes.
    """

    def progress(self, what: str, done: int, total: int, unit: str = "") -> None:
        """Report a step (see `Progress`)."""

    def log(self, line: str) -> None:
        """Report a line for people to read."""

    def named(self, name: str) -> Reporter:
        """Return a reporter to this one that adds a name to each step: "merge" becomes "merge by similarity"."""
        return _Named(self, name)


class _Named(Reporter):
    def __init__(self, reporter: Reporter, name: str) -> None:
        self._reporter, self._name = reporter, name

    def progress(self, what: str, done: int, total: int, unit: str = "") -> None:
        self._reporter.progress(f"{what} {self._name}", done, total, unit)

    def log(self, line: str) -> None:
        self._reporter.log(line)


SILENT = Reporter()
