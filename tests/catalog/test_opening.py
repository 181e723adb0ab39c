"""A catalog is made at first use, kept current, shared between processes, and never thrown away."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlmodel import SQLModel, select

from sam_hub.catalog.descriptors import put_descriptor
from sam_hub.catalog.engine import open_catalog
from sam_hub.catalog.experts import list_experts
from sam_hub.catalog.schema import MIGRATIONS, head_version
from sam_hub.catalog.tables import Expert
from sam_hub.errors import CatalogError, UsageError

from .conftest import commit_of, expert_of
from .test_history import descriptor_of


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def schema_of(engine) -> dict[str, list[str]]:
    """Each table's and index's DDL, its parts in alphabetical order: SQLite writes an added column behind another."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").all()
    ours = [(name, sql) for name, sql in rows if not name.startswith(("alembic", "sqlite"))]
    parts = {name: re.split(r"\n|, (?=\w+ [A-Z])", sql) for name, sql in ours}
    return {name: sorted(part.strip(" ,\t") for part in found) for name, found in parts.items()}


def python(code: str, *arguments: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_first_use_makes_the_folder_and_a_catalog_with_no_experts(url):
    with open_catalog(url) as catalog:
        assert catalog.path == path_of(url)
        assert len(list_experts(catalog)) == 0


def test_the_migrations_give_exactly_the_tables_the_program_declares(catalog):
    declared = create_engine("sqlite://")
    SQLModel.metadata.create_all(declared)
    with catalog.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
    assert schema_of(catalog.engine) == schema_of(declared)


def test_the_newest_migration_is_known_without_alembic(catalog):
    from alembic.script import ScriptDirectory

    assert head_version() == ScriptDirectory(str(MIGRATIONS)).get_current_head()


def test_readers_do_not_wait_for_writers_and_references_are_enforced(catalog):
    with catalog.engine.connect() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    assert values == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 30_000}


def test_a_catalog_copied_from_the_example_gets_its_write_ahead_log(url):
    open_catalog(url).close()
    with closing(sqlite3.connect(path_of(url))) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    with open_catalog(url) as catalog, catalog.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


def test_programs_started_at_once_on_an_empty_home_all_work(url):
    code = """
        import sys
        import alembic.command, filelock
        from sam_hub.catalog.engine import open_catalog
        from sam_hub.catalog.experts import add_expert
        from sam_hub.catalog.tables import ExpertCreate
        print("ready", flush=True)
        sys.stdin.readline()
        with open_catalog(sys.argv[1]) as catalog:
            for number in range(10):
                add_expert(catalog, ExpertCreate(repo=f"{sys.argv[2]}/e{number}", commit="a" * 40,
                                                 kind="adapter", base_repo="o/base"))
    """
    programs = [python(code, url, name) for name in ("first", "second", "third")]
    for program in programs:
        assert program.stdout.readline() == "ready\n"
    for program in programs:
        program.stdin.write("go\n")
        program.stdin.flush()
    for program in programs:
        _, errors = program.communicate(timeout=60)
        assert program.returncode == 0, errors
    with open_catalog(url) as catalog:
        assert len(list_experts(catalog)) == 30


def test_opening_a_current_catalog_loads_no_alembic_and_no_numpy(url):
    open_catalog(url).close()
    code = """
        import sys
        from sam_hub.catalog.engine import open_catalog
        open_catalog(sys.argv[1]).close()
        print([name for name in ("alembic", "numpy", "torch", "filelock") if name in sys.modules])
    """
    assert python(code, url).communicate(timeout=60)[0].strip() == "[]"


@pytest.mark.parametrize("content", [b"this is no database, " * 300, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_corrupt_file_is_named_and_left_as_it_is(url, content):
    path_of(url).parent.mkdir()
    path_of(url).write_bytes(content)
    with pytest.raises(CatalogError, match="damaged") as caught:
        open_catalog(url)
    assert "Move it aside" in caught.value.action
    assert path_of(url).read_bytes() == content


def test_damage_found_later_is_explained_as_well(catalog, add):
    for number in range(50):
        add(f"o/expert-{number}", details={"recipe": "x" * 4000})
    catalog.close()
    whole = catalog.path.read_bytes()
    catalog.path.write_bytes(whole[: 4096 * 2] + b"\xab" * (len(whole) - 4096 * 2))
    with pytest.raises(CatalogError, match="damaged"), catalog.session() as session:
        session.exec(select(Expert)).all()


def test_a_catalog_of_a_newer_program_is_refused(url):
    with open_catalog(url) as catalog, catalog.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(CatalogError, match=r"newer sam-hub.*0999") as caught:
        open_catalog(url)
    assert "pip install --upgrade" in caught.value.action


def test_a_database_of_another_program_is_refused_and_untouched(url):
    path_of(url).parent.mkdir()
    with closing(sqlite3.connect(path_of(url))) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    before = path_of(url).read_bytes()
    with pytest.raises(CatalogError, match="another program"):
        open_catalog(url)
    assert path_of(url).read_bytes() == before


@pytest.mark.parametrize("version", ["0001", "0005"])
def test_a_catalog_of_a_development_version_is_told_what_to_do_and_untouched(url, version):
    path_of(url).parent.mkdir()
    with closing(sqlite3.connect(path_of(url))) as connection:
        connection.execute("CREATE TABLE expert (id INTEGER PRIMARY KEY, repo TEXT)")
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES (?)", (version,))
        connection.commit()
    before = path_of(url).read_bytes()
    for _ in range(2):
        with pytest.raises(CatalogError, match="development version") as caught:
            open_catalog(url)
    assert f"mv '{path_of(url)}'" in caught.value.action
    assert "models on disk stay" in caught.value.action
    assert path_of(url).read_bytes() == before
    assert [file.name for file in path_of(url).parent.iterdir()] in (
        ["catalog.db"],
        ["catalog.db", "catalog.db.lock"],
        ["catalog.db.lock", "catalog.db"],
    )


@pytest.mark.parametrize("bad", ["no url", "postgresql://host/db", "sqlite://"])
def test_a_url_that_is_no_sqlite_file_is_wrong_usage(bad):
    with pytest.raises(UsageError, match=r"sqlite:////folder/catalog\.db"):
        open_catalog(bad)


def test_a_home_that_is_a_file_is_explained(tmp_path):
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(CatalogError, match="SAM_HUB_HOME"):
        open_catalog(f"sqlite:///{tmp_path / 'home' / 'catalog.db'}")


@contextmanager
def somebody_else():
    """Root may write everywhere: where the tests run as root, be nobody for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="no POSIX permissions here")
def test_an_unwritable_folder_is_explained(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    with somebody_else(), pytest.raises(CatalogError, match=r"can't be (created or )?opened") as caught:
        open_catalog(f"sqlite:///{home / 'catalog.db'}")
    assert "SAM_HUB_HOME" in caught.value.action


def test_a_full_disk_stores_nothing_of_the_command_and_keeps_what_was_there(catalog, add):
    add("o/first")
    large = [Expert(**expert_of(f"o/e{n}", details={"text": "x" * 9000}).model_dump()) for n in range(50)]

    def store_on_a_full_disk() -> None:
        with catalog.writing() as session:
            session.connection().exec_driver_sql("PRAGMA max_page_count = 1")  # no page more than there are
            session.add_all(large)

    with pytest.raises(CatalogError, match="full") as caught:
        store_on_a_full_disk()
    assert "Free some space" in caught.value.action
    assert len(list_experts(catalog)) == 1


def test_a_disk_that_refuses_to_write_leaves_no_half_made_catalog(url):
    code = """
        import resource, sys
        from sam_hub.catalog.engine import open_catalog
        from sam_hub.errors import CatalogError
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
        try:
            open_catalog(sys.argv[1])
        except CatalogError as error:
            print(error.title)
    """
    output, errors = python(code, url).communicate(timeout=60)
    assert "can't be read from or written to" in output, errors
    with open_catalog(url) as catalog:  # the limit is gone: the same home works
        assert len(list_experts(catalog)) == 0


@pytest.fixture
def later_migrations(tmp_path):
    """The program one version later."""
    folder = tmp_path / "later"
    shutil.copytree(MIGRATIONS, folder)
    now = head_version()
    later = f"{int(now) + 1:04}"

    def add_version(body: str) -> Path:
        (folder / "versions" / f"{later}_later.py").write_text(
            f"from alembic import op\nrevision = '{later}'\ndown_revision = '{now}'\n"
            f"def upgrade():\n    op.execute('CREATE TABLE note (text TEXT)')\n    {body}\n"
        )
        return folder

    return add_version


def test_an_older_catalog_is_copied_before_it_is_migrated(url, later_migrations, catalog, add):
    add("o/kept")
    with open_catalog(url, later_migrations("pass")) as later:
        assert "note" in schema_of(later.engine)
        assert len(list_experts(later)) == 1
    backup = path_of(url).with_name(f"catalog.db.backup-{head_version()}")
    with open_catalog(f"sqlite:///{backup}") as before:
        assert "note" not in schema_of(before.engine)
        assert len(list_experts(before)) == 1


def test_a_migration_that_fails_leaves_the_catalog_as_it_was(url, later_migrations, catalog, add):
    add("o/kept", commit=commit_of("kept"))
    with pytest.raises(ZeroDivisionError):
        open_catalog(url, later_migrations("1 / 0"))
    with open_catalog(url) as same:
        assert "note" not in schema_of(same.engine)
        assert len(list_experts(same)) == 1


def test_a_migration_that_changes_a_table_loses_nothing_that_refers_to_it(url, later_migrations, catalog, add):
    put_descriptor(catalog, descriptor_of([1, 0], expert_id=add("o/kept").id))
    change = (
        "with op.batch_alter_table('expert', recreate='always') as table: "
        "table.alter_column('domain', new_column_name='field')"
    )
    with open_catalog(url, later_migrations(change)) as later, later.engine.connect() as connection:
        assert "field" in " ".join(schema_of(later.engine)["expert"])
        assert connection.exec_driver_sql("SELECT count(*) FROM descriptor").scalar_one() == 1


def test_a_migration_is_not_run_over_references_to_nothing(url, later_migrations, catalog, add):
    put_descriptor(catalog, descriptor_of([1, 0], expert_id=add("o/gone").id))
    with closing(sqlite3.connect(path_of(url))) as connection, connection:
        connection.execute("DELETE FROM expert")  # as a tool would that enforces no references
    with pytest.raises(CatalogError, match="1 references to missing rows"):
        open_catalog(url, later_migrations("pass"))
    with open_catalog(url) as same:
        assert "note" not in schema_of(same.engine)
