"""``catalog.db.example``: a catalog of the shipped experts, the same bytes from the same files.

An expert's folder holds ``adapter_config.json``, ``adapter_model.safetensors``, ``sam_hub.json`` (what it is)
and ``descriptor.json`` (the mean embedding of its training text).
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sam_hub.catalog.descriptors import pack
from sam_hub.catalog.engine import open_catalog
from sam_hub.catalog.schema import head_version
from sam_hub.catalog.tables import Descriptor, Expert, ExpertCreate
from sam_hub.errors import CatalogError, InputError

OWNER = "sam-hub"
# An example has no history: with the clock's time, no two builds would be equal.
ADDED_AT = datetime(2025, 1, 1, tzinfo=UTC)
IDENTITY = {
    "expert": "SELECT * FROM expert",
    "descriptor": "SELECT expert.repo, descriptor.* FROM descriptor JOIN expert ON expert.id = expert_id",
}


def build_example(expert_folders: Sequence[Path], destination: Path) -> None:
    """Write a catalog that holds these experts and their descriptors to ``destination``, replacing it.

    Their repos are ``sam-hub/<name>``. Having no Hub commit yet, each has one made of its files' hashes.
    The same files give the same bytes under one version of SQLite.

    Raises:
        InputError: a folder lacks a file, or one can't be read.
        CatalogError: the destination can't be written.
    """
    read = [_read_expert(folder) for folder in sorted(expert_folders)]
    try:
        with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".example-") as folder:
            draft = Path(folder) / "catalog.db"
            with open_catalog(f"sqlite:///{draft}") as catalog, catalog.writing() as session:
                for expert, descriptor in read:
                    session.add(expert)
                    session.flush()
                    session.add(Descriptor(expert_id=expert.id, **descriptor))
            with closing(sqlite3.connect(draft)) as connection:
                connection.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
                connection.execute("VACUUM")
            draft.replace(destination)
    except OSError as error:
        raise CatalogError(
            f"The example {destination} can't be written: {error.strerror}", "Allow writing to its folder."
        ) from error


def describe_difference(example: Path, expert_folders: Sequence[Path]) -> list[str]:
    """How an example differs from what these folders would give, a line each; empty if it agrees.

    The example is only read: opening it as a catalog would change its bytes.

    Raises:
        InputError: a folder lacks a file, or one can't be read.
        CatalogError: there is no example, or it is no catalog.
    """
    with tempfile.TemporaryDirectory() as folder:
        expected = Path(folder) / "catalog.db"
        build_example(expert_folders, expected)
        version = _rows(example, "SELECT version_num FROM alembic_version")[0]["version_num"]
        if version != head_version():
            return [f"schema: the example has {version}, this program {head_version()}"]
        return [
            line
            for table, query in IDENTITY.items()
            for line in _compare(table, _rows(example, query), _rows(expected, query))
        ]


def _compare(table: str, found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> list[str]:
    have, want = ({row["repo"]: row for row in rows} for rows in (found, expected))
    lines = [f"{table} {repo}: missing from the example" for repo in sorted(want.keys() - have.keys())]
    lines += [f"{table} {repo}: in the example, but not shipped" for repo in sorted(have.keys() - want.keys())]
    for repo in sorted(want.keys() & have.keys()):
        names = [name for name, value in want[repo].items() if have[repo][name] != value and not name.endswith("id")]
        if names:
            lines.append(f"{table} {repo}: another {', '.join(names)}")
    return lines


def _rows(database: Path, query: str) -> list[dict[str, Any]]:
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]
    except sqlite3.Error as error:
        raise CatalogError(f"The example {database} can't be read: {error}", "Build it again.") from error


def _read_expert(folder: Path) -> tuple[Expert, dict[str, Any]]:
    try:
        about, adapter, descriptor = (
            json.loads((folder / name).read_text(encoding="utf-8"))
            for name in ("sam_hub.json", "adapter_config.json", "descriptor.json")
        )
        if (about["schema"], about["kind"]) != (1, "expert"):
            raise ValueError("sam_hub.json does not describe an expert in schema 1")
        commit, size = _identity(folder)
        create = ExpertCreate(
            repo=f"{OWNER}/{about['name']}",
            commit=commit,
            kind="adapter",
            base_repo=about["base"],
            base_sha256=about["base_sha256"],
            rank=adapter["r"],
            alpha=adapter["lora_alpha"],
            target_modules=sorted(adapter["target_modules"]),
            license=about["license"],
            labels=about["labels"],
            prompt_format=about["prompt_format"],
            domain=about["domain"],
            size_bytes=size,
            details={key: about[key] for key in ("recipe", "data", "scores")},
        )
        fields = {name: descriptor[name] for name in ("embedder", "revision", "count", "sentences_sha256")}
        vector = pack(descriptor["vector"])
    except KeyError as error:
        raise InputError(
            f"The expert in {folder} does not state its {error}", "Train it again, or leave it out."
        ) from error
    except (OSError, TypeError, ValueError) as error:
        raise InputError(
            f"The expert in {folder} can't be read: {error}", "Train it again, or leave it out."
        ) from error
    return Expert(**create.model_dump(), added_at=ADDED_AT), {
        **fields,
        "origin": "repo",
        "vector": vector,
        "created_at": ADDED_AT,
    }


def _identity(folder: Path) -> tuple[str, int]:
    """40 hex digits made of the names and hashes of all files, and their size in bytes."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    if not any(path.name == "adapter_model.safetensors" for path in files):
        raise ValueError("adapter_model.safetensors is missing")
    digest, size = hashlib.sha256(), 0
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.name} {hashlib.sha256(content).hexdigest()}\n".encode())
        size += len(content)
    return digest.hexdigest()[:40], size
