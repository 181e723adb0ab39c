"""Scratch folders named after their process, so that what a killed one left is told from what is being made."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def scratch_prefix(kind: str) -> str:
    """How the names of this process's scratch folders of a kind begin: to be given to `tempfile`."""
    return f".{kind}-{os.getpid()}-"


def sweep_scratch(parent: Path, kind: str) -> None:
    """Delete the scratch folders of a kind in ``parent`` whose process has ended."""
    for left in parent.glob(f".{kind}-*-*"):
        owner = left.name.split("-")[1]
        if owner.isdigit() and has_ended(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def has_ended(pid: int) -> bool:
    """Whether no process of this number runs; one that was killed and not taken note of yet does not."""
    import psutil

    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
