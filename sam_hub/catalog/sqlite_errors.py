"""What SQLite reports, as errors a person can act on. Nothing is ever deleted to get out of one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from sam_hub.catalog.schema import BUSY_SECONDS
from sam_hub.errors import CatalogError


def _damaged(path: Path) -> CatalogError:
    return CatalogError(
        f"The catalog {path} is damaged, or is no SQLite database",
        f"Move it aside (mv '{path}' '{path}.damaged') and start again with an empty catalog, or put back a "
        "copy; models on disk are untouched.",
    )


def _unwritable(path: Path) -> CatalogError:
    return CatalogError(
        f"The catalog {path} can't be opened for writing",
        f"Allow writing to {path.parent} and to the file, or set SAM_HUB_HOME to a folder of your own.",
    )


def _full(path: Path) -> CatalogError:
    return CatalogError(
        f"The disk that holds the catalog {path} is full",
        "Free some space and run the command again; what was stored before is intact.",
    )


def _busy(path: Path) -> CatalogError:
    return CatalogError(
        f"Another program has been writing to the catalog {path} for more than {BUSY_SECONDS} seconds",
        "Wait for it to end, or stop it, and run the command again.",
    )


def _broken_disk(path: Path) -> CatalogError:
    return CatalogError(
        f"The disk refused to read or write the catalog {path}",
        "Check the disk, its quota and the file size limit (ulimit -f), and run the command again.",
    )


# By SQLite's primary result code, the low byte of the extended one.
EXPLANATIONS = {
    sqlite3.SQLITE_NOTADB: _damaged,
    sqlite3.SQLITE_CORRUPT: _damaged,
    sqlite3.SQLITE_CANTOPEN: _unwritable,
    sqlite3.SQLITE_READONLY: _unwritable,
    sqlite3.SQLITE_PERM: _unwritable,
    sqlite3.SQLITE_FULL: _full,
    sqlite3.SQLITE_BUSY: _busy,
    sqlite3.SQLITE_LOCKED: _busy,
    sqlite3.SQLITE_IOERR: _broken_disk,
}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the disk or the file is to blame for into a CatalogError; let programming errors through."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        explain = EXPLANATIONS.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
        if explain is None:
            raise
        raise explain(path) from error
