"""Temporary folders named after their process, so that what a dead process left can be told from work in progress."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def scratch_prefix(kind: str) -> str:
    """Return how the names of this process's temporary folders of a kind begin, for `tempfile`."""
    return f".{kind}-{os.getpid()}-"


def clean_up_scratch(parent: Path, kind: str = "*") -> None:
    """Delete the temporary folders of a kind in ``parent`` whose process has ended."""
    for leftover in list(parent.glob(f".{kind}-*-*")):
        owner = leftover.name.rsplit("-", 2)[1]
        if owner.isdigit() and has_ended(int(owner)):
            shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def staged_folder(destination: Path, keep: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """Yield an empty folder to fill, which becomes ``destination`` at the end: whole, or not at all.

    If the body raises, nothing is left and ``destination`` is untouched. A killed process leaves a hidden folder
    beside it, which the next call for the same destination deletes.

    Args:
        destination: if it exists, it is replaced at the last moment.
        keep: asked at the end whether what another process has put there meanwhile is to stay.

    Raises:
        OSError: a folder can't be made, or ``destination`` can't be replaced.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    clean_up_scratch(destination.parent, destination.name)
    staging, old = (_sibling(destination) for _ in range(2))
    try:
        staging.mkdir()
        yield staging
        if not keep():
            _replace(destination, staging, old)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def move_aside(folder: Path) -> Path:
    """Rename a folder that is going to be deleted, so that nobody sees half of it; return its new place.

    Raises:
        OSError: it can't be renamed; `FileNotFoundError` if it is gone.
    """
    return folder.rename(_sibling(folder))


def _sibling(folder: Path) -> Path:
    return folder.with_name(f"{scratch_prefix(folder.name)}{secrets.token_hex(4)}")


def _replace(destination: Path, staging: Path, old: Path, attempts: int = 10) -> None:
    for attempt in range(1, attempts + 1):
        with suppress(FileNotFoundError):
            destination.rename(old)
        try:
            staging.rename(destination)
            return
        except BaseException as error:
            if isinstance(error, OSError) and destination.exists() and attempt < attempts:
                # Another process put its own there between the two renames.
                shutil.rmtree(old, ignore_errors=True)
                continue
            if old.exists() and not destination.exists():
                old.rename(destination)
            raise


def has_ended(pid: int) -> bool:
    """Return whether no process has this number; a killed one that its parent has not waited for has ended."""
    import psutil

    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
