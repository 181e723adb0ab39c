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

from sam_hub.catalog.descriptors import read_descriptor
from sam_hub.catalog.engine import open_catalog
from sam_hub.catalog.tables import Descriptor, Expert, ExpertCreate
from sam_hub.errors import CatalogError, InputError

OWNER = "sam-hub"
# An example has no history: with the clock's time, no two builds would be equal.
ADDED_AT = datetime(2025, 1, 1, tzinfo=UTC)


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
                    descriptor.expert_id = expert.id
                    session.add(descriptor)
            with closing(sqlite3.connect(draft)) as connection:
                connection.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
                connection.execute("VACUUM")
            draft.replace(destination)
    except OSError as error:
        raise CatalogError(
            f"The example {destination} can't be written: {error.strerror}", "Allow writing to its folder."
        ) from error


def _read_expert(folder: Path) -> tuple[Expert, Descriptor]:
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
            **{name: about[name] for name in ("base_sha256", "license", "labels", "prompt_format", "domain")},
            commit=commit,
            kind="adapter",
            base_repo=about["base"],
            rank=adapter["r"],
            alpha=adapter["lora_alpha"],
            target_modules=sorted(adapter["target_modules"]),
            size_bytes=size,
            details={key: about[key] for key in ("role", "recipe", "data", "scores") if key in about},
        )
        row = read_descriptor(descriptor)
    except KeyError as error:
        title = f"The expert in {folder} does not state its {error}"
        raise InputError(title, "Train it again, or leave it out.") from error
    except (OSError, TypeError, ValueError) as error:
        title = f"The expert in {folder} can't be read: {error}"
        raise InputError(title, "Train it again, or leave it out.") from error
    row.created_at = ADDED_AT
    return Expert(**create.model_dump(), added_at=ADDED_AT), row


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
