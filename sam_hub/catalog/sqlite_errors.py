"""What SQLite reports, as errors a person can act on. Nothing is ever deleted to get out of one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sam_hub.catalog.schema import BUSY_SECONDS
from sam_hub.errors import CatalogError

# By SQLite's primary result codes, the low byte of the extended ones.
_EXPLANATIONS = (
    (
        (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT),
        "The catalog {path} is damaged, or is not a SQLite database",
        "Move it aside (mv '{path}' '{path}.damaged') and start again with an empty catalog, or put back a copy; "
        "models on disk are untouched.",
    ),
    (
        (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM),
        "The catalog {path} can't be opened for writing",
        "Allow writing to {path.parent} and to the file, or set SAM_HUB_HOME to a folder of your own.",
    ),
    (
        (sqlite3.SQLITE_FULL,),
        "The disk that holds the catalog {path} is full",
        "Free some space and run the command again. Stored data is intact.",
    ),
    (
        (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED),
        f"Another program has been writing to the catalog {{path}} for more than {BUSY_SECONDS} seconds",
        "Wait for it to end, or stop it, and run the command again.",
    ),
    (
        (sqlite3.SQLITE_IOERR,),
        "The catalog {path} can't be read from or written to the disk",
        "Check the disk, its quota and the file size limit (ulimit -f), and run the command again.",
    ),
)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the disk or the file is to blame for into a CatalogError; let programming errors through."""
    try:
        yield
    except Exception as error:
        cause = getattr(error, "orig", error)  # SQLAlchemy wraps it; reading the first rows does without SQLAlchemy
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF if isinstance(cause, sqlite3.Error) else 0
        for codes, title, action in _EXPLANATIONS:
            if code in codes:
                raise CatalogError(title.format(path=path), action.format(path=path)) from error
        raise
