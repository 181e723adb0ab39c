"""A catalog of many experts, made by the catalog's own tables in seconds."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

DOMAINS = ("legal", "biomedical", "news", "finance", "social")
TYPES = ("person", "location", "organization", "court", "judge", "disease", "drug", "product")
BASE_SHA = "b" * 64
START = datetime(2026, 1, 1, tzinfo=UTC)


def expert_values(number: int, **changed: object) -> dict[str, object]:
    """The columns of one expert; all numbers give different ones, and the same each time."""
    domain = DOMAINS[number % len(DOMAINS)]
    return {
        "repo": f"acme/ner-{number:06}-{domain}",
        "commit": hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest(),
        "kind": "adapter",
        "base_repo": "acme/base",
        "base_sha256": BASE_SHA,
        "rank": 8,
        "alpha": 16.0,
        "target_modules": ["q_proj"],
        "license": "apache-2.0",
        "labels": [TYPES[(number + step) % len(TYPES)] for step in range(3)],
        "prompt_format": "b2ner",
        "domain": domain,
        "size_bytes": 4_000_000 + 1_000 * number,
        "path": None,
        "details": {},
        "current": True,
        "added_at": START + timedelta(minutes=number),
        **changed,
    }


def fill(url: str, count: int, *special: dict[str, object]) -> None:
    """Make a catalog with ``count`` experts, and some more with these columns changed."""
    from sqlmodel import insert

    from sam_hub.catalog.engine import open_catalog
    from sam_hub.catalog.tables import Expert

    rows = [expert_values(number) for number in range(count)]
    rows += [expert_values(count + at, **changed) for at, changed in enumerate(special)]
    with open_catalog(url) as catalog, catalog.writing() as session:
        for at in range(0, len(rows), 5_000):
            session.execute(insert(Expert), rows[at : at + 5_000])


def add_target(url: str, folder: Path, name: str = "court", labels: tuple[str, ...] = ("person", "court")) -> None:
    """A target with a small corpus."""
    from sam_hub.catalog.engine import open_catalog
    from sam_hub.catalog.targets import define_target

    corpus = folder / f"{name}.txt"
    corpus.write_text("The court of Paris heard Marie Curie .\nA judge spoke .\n")
    with open_catalog(url) as catalog:
        define_target(catalog, name, corpus, list(labels))
