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
from sam_hub.catalog.registration import DETAILS
from sam_hub.catalog.tables import Descriptor, Expert, ExpertCreate

OWNER = "sam-hub"
# An example has no history: with the clock's time, no two builds would be equal.
ADDED_AT = datetime(2025, 1, 1, tzinfo=UTC)


def build_example(expert_folders: Sequence[Path], destination: Path) -> None:
    """Write a catalog that holds these experts and their descriptors to ``destination``, replacing it.

    Their repos are ``sam-hub/<name>``. Having no Hub commit yet, each has one made of its files' hashes.
    The same files give the same bytes under one version of SQLite.

    Raises:
        OSError, KeyError, ValueError: a file or a fact of an expert is missing or can't be read.
    """
    experts = [_read_expert(folder) for folder in sorted(expert_folders)]
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".example-") as folder:
        draft = Path(folder) / "catalog.db"
        with open_catalog(f"sqlite:///{draft}") as catalog, catalog.writing() as session:
            for expert, descriptor in experts:
                session.add(expert)
                session.flush()
                descriptor.expert_id = expert.id
                session.add(descriptor)
        with closing(sqlite3.connect(draft)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
            connection.execute("VACUUM")
        draft.replace(destination)


def _read_expert(folder: Path) -> tuple[Expert, Descriptor]:
    contents = {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}
    about, adapter, descriptor = (
        json.loads(contents[name]) for name in ("sam_hub.json", "adapter_config.json", "descriptor.json")
    )
    hashes = (f"{name} {hashlib.sha256(content).hexdigest()}\n" for name, content in contents.items())
    expert = ExpertCreate(
        repo=f"{OWNER}/{about['name']}",
        **{name: about[name] for name in ("base_sha256", "license", "labels", "prompt_format", "domain")},
        commit=hashlib.sha256("".join(hashes).encode()).hexdigest()[:40],
        kind="adapter",
        base_repo=about["base"],
        rank=adapter["r"],
        alpha=adapter["lora_alpha"],
        target_modules=sorted(adapter["target_modules"]),
        size_bytes=sum(map(len, contents.values())),
        details={key: about[key] for key in DETAILS if key in about},
    )
    row = read_descriptor(descriptor)
    row.created_at = ADDED_AT
    return Expert(**expert.model_dump(), added_at=ADDED_AT), row
