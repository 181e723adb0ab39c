"""Opening the catalog: made, checked and brought to the current schema before anything reads it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar, TypeVarTuple, overload

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlmodel import Session, SQLModel
from sqlmodel.sql.expression import Select, SelectOfScalar

from sam_hub.catalog.schema import (
    APPLICATION_ID,
    MIGRATIONS,
    connect,
    explained,
    file_of,
    head_version,
    is_current,
    version_of,
)
from sam_hub.errors import CatalogError

LOCK_SECONDS = 120
_LISTINGS = {"expert": "list", "target": "target list", "job": "jobs list"}
Row = TypeVar("Row", bound=SQLModel)
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True)
class Catalog:
    """An open catalog. Safe to use from several threads, and beside other processes."""

    engine: Engine
    path: Path

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Read: one consistent view, which no writer waits for."""
        with explained(self.path), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Write: all of it is stored at the end, or nothing, if an exception leaves the block."""
        # The write lock is taken at the start: a reader that becomes a writer would fail at once when another
        # process has written in between, whatever the timeout.
        engine = self.engine.execution_options(begin="IMMEDIATE")
        with explained(self.path), Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    @overload
    def all(self, query: SelectOfScalar[T]) -> list[T]: ...

    @overload
    def all(self, query: Select[*Ts]) -> list[tuple[*Ts]]: ...

    def all(self, query: Any) -> list[Any]:
        """Return what a query finds."""
        with self.session() as session:
            return list(session.exec(query))

    def first(self, query: SelectOfScalar[T]) -> T | None:
        """Return the first that a query finds."""
        with self.session() as session:
            return session.exec(query).first()

    def get(self, table: type[Row], number: int) -> Row:
        """Return the row with this id."""
        with self.session() as session:
            row = session.get(table, number)
        if row is None:
            noun = table.__name__.lower()
            listing = _LISTINGS.get(noun, "list")
            raise CatalogError(f"No {noun} {number} in the catalog", f"`sam-hub {listing}` shows what is there.")
        return row

    def add(self, row: Row) -> Row:
        """Store a new row, and return it with its id."""
        with self.writing() as session:
            session.add(row)
            return row

    def close(self) -> None:
        """Close every connection; the last one of all processes folds the write-ahead log into the file."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_catalog(url: str, migrations: Path = MIGRATIONS) -> Catalog:
    """Open the catalog at an SQLAlchemy URL; make it, or bring it to the current schema, where needed.

    Two processes may do so at once: one migrates, the other waits. A catalog of an older version is copied
    to ``<file>.backup-<its version>`` first, and a migration that fails leaves it as it was.

    Raises:
        UsageError: the URL is none, or not of a SQLite file.
        CatalogError: the file is damaged, foreign, newer than this program or not writable, or the disk full.
    """
    path = file_of(url)
    catalog = Catalog(_engine(path), path)
    try:
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not (path.exists() and is_current(path, migrations)):
                _prepare(path, migrations)
        return catalog
    except OSError as error:
        raise CatalogError(
            f"The catalog {path} can't be created or opened: {error.strerror or error}",
            "Allow writing there, free some space, or set SAM_HUB_HOME to another folder.",
        ) from error


def _engine(path: Path, foreign_keys: bool = True) -> Engine:
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, creator=lambda: connect(path, foreign_keys))
    engine.dialect.home = str(path.parent.absolute())  # type: ignore[attr-defined]  # for `StoredPath`

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")

    return engine


def _prepare(path: Path, migrations: Path) -> None:
    """Migrate under a lock, as one transaction; WAL mode first, since it can't change inside of one."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(f"{path}.lock", timeout=LOCK_SECONDS):
            if path.exists() and is_current(path, migrations):
                return  # another process was faster
            with closing(connect(path)) as connection:
                version = version_of(connection, path)
                if version is not None and version != head_version(migrations):
                    _back_up(connection, path.with_name(f"{path.name}.backup-{version}"))
                connection.execute("PRAGMA journal_mode = WAL")
            _upgrade(path, migrations)
    except Timeout as error:
        raise CatalogError(
            f"Another sam-hub process has locked the catalog {path} for {LOCK_SECONDS} seconds",
            "Wait for it to end, or stop it, and run the command again.",
        ) from error


def _back_up(connection: sqlite3.Connection, copy: Path) -> None:
    """Copy the whole database, write-ahead log included, to ``copy``; all of it or nothing."""
    partial = copy.with_name(f"{copy.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(partial)) as target:
            connection.backup(target)
        partial.replace(copy)
    finally:
        partial.unlink(missing_ok=True)


def _upgrade(path: Path, migrations: Path) -> None:
    """Run the migrations as one transaction, with references unenforced until its end.

    SQLite changes a table by making it anew and dropping the old one; with references enforced, that drop
    would delete all that refers to it.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    engine = _engine(path, foreign_keys=False)
    try:
        with engine.execution_options(begin="IMMEDIATE").begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
                raise CatalogError(
                    f"The catalog {path} has {len(broken)} references to missing rows, so it was not migrated",
                    f"Restore a copy, or move it aside (mv '{path}' '{path}.damaged') and start again.",
                )
    finally:
        engine.dispose()
