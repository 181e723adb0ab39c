"""The catalog's file as SQLite sees it: where it is, how it is connected to, its schema, and what SQLite reports.

Imports nothing but the standard library, so that the first rows can be read before SQLAlchemy is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote

from sam_hub.errors import CatalogError, UsageError

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 30
# In the file's header ("SaM4"). It changes with the tables until the first release, which tells older files from ours.
APPLICATION_ID = 0x53614D34


def file_of(url: str) -> Path:
    """The file of a catalog's SQLAlchemy URL.

    Raises:
        UsageError: the URL is none, or not of a SQLite file.
    """
    scheme, found, rest = url.partition("://")
    if not found:
        raise UsageError(f"The catalog's URL can't be read: {url}", "Write it as sqlite:////folder/catalog.db.")
    place = unquote(rest.partition("?")[0])
    if scheme.partition("+")[0] != "sqlite" or not place.startswith("/") or place.strip("/") in ("", ":memory:"):
        shown = url if "@" not in rest else f"{scheme}://***@{rest.rpartition('@')[2]}"
        raise UsageError(
            f"The catalog must be a SQLite file, not {shown}",
            "Unset SAM_HUB_DATABASE_URL, or write it as sqlite:////folder/catalog.db.",
        )
    return Path(place[1:]).absolute()


def connect(path: Path, foreign_keys: bool = True) -> sqlite3.Connection:
    """A connection that leaves transactions to its owner (sqlite3's own ones would not hold a migration)."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA foreign_keys = {foreign_keys:d}")
        connection.execute("PRAGMA synchronous = NORMAL")  # safe in WAL mode, and an order faster to commit
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def head_version(migrations: Path = MIGRATIONS) -> str:
    """The newest schema version this program knows, by its migration files (no import of alembic)."""
    return max(file.name[:4] for file in (migrations / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))


def version_of(connection: sqlite3.Connection, path: Path) -> str | None:
    """Return the schema version of a catalog file; None for an empty file.

    Raises:
        CatalogError: the file belongs to another program, or a development version of this one made it.
    """
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return None
    if not {"alembic_version", "expert"} <= tables:
        raise CatalogError(
            f"{path} is a database of another program", "Set SAM_HUB_HOME or SAM_HUB_DATABASE_URL to another place."
        )
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if row is None or connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise CatalogError(
            f"The catalog {path} was made by a development version of sam-hub, which this version can't read",
            f"Move it away (mv '{path}' '{path}.old'); models on disk stay. Then add the experts again.",
        )
    return row[0]


def is_current(path: Path, migrations: Path = MIGRATIONS) -> bool:
    """Whether a file is at the newest schema and in WAL mode.

    Raises:
        CatalogError: the file can't be served at all: another program's, or a newer sam-hub's.
    """
    with closing(connect(path)) as connection:
        version = version_of(connection, path)
        head = head_version(migrations)
        if version is not None and version > head:
            raise CatalogError(
                f"The catalog {path} was made by a newer sam-hub (schema {version}; this version supports {head})",
                "Update sam-hub (pip install --upgrade sam-hub), or set SAM_HUB_HOME to another folder.",
            )
        return version == head and connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


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
