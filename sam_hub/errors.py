"""The errors that users see: what went wrong, what to do next, and the exit code.

The exit codes are an interface: 0 done, 1 failed, 2 wrong usage, 3 the network or the Hub (worth a
retry), 130 interrupted.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class SamHubError(Exception):
    """Something a person can act on.

    Args:
        title: what went wrong, one sentence without a full stop.
        action: what to do next, one sentence; it may hold a command to type.
    """

    exit_code = 1

    def __init__(self, title: str, action: str) -> None:
        super().__init__(title)
        self.title = title
        self.action = action

    def __str__(self) -> str:
        return f"{self.title}. {self.action}"

    def __reduce__(self) -> tuple[type[SamHubError], tuple[str, str]]:
        return type(self), (self.title, self.action)  # an exception pickles what its base class was given


class InputError(SamHubError):
    """An input (a corpus, a label set, a model) can't be used."""


class UsageError(SamHubError):
    """The command was used incorrectly."""

    exit_code = 2


class HubError(SamHubError):
    """The network or the Hub failed; the same call may work later."""

    exit_code = 3


class NotFoundOnHub(SamHubError):
    """The Hub has no such repository, revision, or file, or the token has no access to it."""


class UnusableModel(SamHubError):
    """A model on the Hub or on disk can't be used: it has another base, only pickles, or damaged files."""


class CatalogError(SamHubError):
    """The catalog can't be read, or does not have the requested entry."""


class DiskFull(SamHubError):
    """There is not enough free disk space."""


class Interrupted(SamHubError):
    """The user stopped the work (Ctrl+C)."""

    exit_code = 130

    def __init__(self, title: str = "Interrupted", action: str = "No partial files are left.") -> None:
        super().__init__(title, action)


def was_interrupted(error: BaseException | None) -> bool:
    """Return whether Ctrl+C is behind an error: a library that it stops while closing may fail in its own way."""
    return error is not None and (isinstance(error, KeyboardInterrupt) or was_interrupted(error.__context__))


def of_the_system(error: OSError) -> SamHubError:
    """Return the error that explains a failure of the operating system."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFull(f"The disk is full{where}", "Free some space, or set SAM_HUB_HOME to a larger disk.")
    return InputError(f"{error.strerror or error}{where}", "Check the path and its permissions.")


def first_fault(error: ValidationError) -> str:
    """Return the first thing that pydantic found wrong, and where."""
    fault = error.errors()[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
