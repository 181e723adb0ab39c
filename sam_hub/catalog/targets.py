"""Targets: a corpus without labels, by name. The corpus stays a file; the catalog keeps its hash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import delete
from sqlmodel import col, select

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.names import resolve
from sam_hub.catalog.tables import Descriptor, Evaluation, Selection, Similarity, Target
from sam_hub.errors import CatalogError

LISTING = "sam-hub target list"


def put_target(catalog: Catalog, target: Target, replace: bool = False) -> Target:
    """Store a target. The same corpus and labels under a known name give the one that is there.

    Args:
        replace: let another corpus, or other labels, take the place of a target of this name. What was
            computed for the old ones goes: descriptors, selections with their scores, evaluations.

    Raises:
        CatalogError: the name is taken by another corpus or other labels, and ``replace`` is not set.
    """
    with catalog.writing() as session:
        known = session.exec(select(Target).where(Target.name == target.name)).first()
        if known is None:
            session.add(target)
            return target
        same_corpus = known.corpus_sha256 == target.corpus_sha256
        same = same_corpus and known.labels == target.labels
        if not (same or replace):
            raise CatalogError(
                f"A target '{target.name}' with another corpus or other labels is there already",
                "Choose another name, or replace it with --replace.",
            )
        stale: list[Any] = [] if same else [Selection, Evaluation]
        stale += [] if same_corpus else [Descriptor, Similarity]
        for table in stale:
            session.exec(delete(table).where(col(table.target_id) == known.id))
        target.gold_path = target.gold_path or (known.gold_path if same else None)
        for field in ("labels", "corpus_path", "sentence_count", "corpus_sha256", "gold_path"):
            setattr(known, field, getattr(target, field))
        return known


def get_target(catalog: Catalog, name: str) -> Target:
    """The target of this name, or the only one whose name ends so.

    Raises:
        CatalogError: none or several fit; the message shows the nearest names.
    """
    with catalog.session() as session:
        known = resolve(name, session.exec(select(Target.name)).all(), "target", LISTING)
        return session.exec(select(Target).where(Target.name == known)).one()


def get_target_by_id(catalog: Catalog, target_id: int) -> Target:
    """The target of this number.

    Raises:
        CatalogError: there is none.
    """
    with catalog.session() as session:
        found = session.get(Target, target_id)
    if found is None:
        raise CatalogError(f"No target {target_id} in the catalog", f"`{LISTING}` shows what is there.")
    return found


def set_gold(catalog: Catalog, target_id: int, path: Path) -> None:
    """Note where a target's labelled sentences are."""
    with catalog.writing() as session:
        session.get_one(Target, target_id).gold_path = str(path.absolute())


def own_copy(catalog: Catalog, target: Target) -> Path | None:
    """The copy of a target's texts beside the catalog that no other target uses; None where there is none.

    A home may be reached by several names (a link, ``..``), so paths are compared by where they lead.
    """
    path = Path(target.corpus_path).resolve()
    others = (Path(other.corpus_path).resolve() for other in list_targets(catalog) if other.id != target.id)
    its_own = path.parent == corpora_folder(catalog).resolve() and path.is_file() and path not in others
    return path if its_own else None


def corpora_folder(catalog: Catalog) -> Path:
    """Where the texts of all targets are kept: beside the catalog."""
    return catalog.path.parent / "targets"


def list_targets(catalog: Catalog) -> list[Target]:
    """All targets, by name."""
    with catalog.session() as session:
        return list(session.exec(select(Target).order_by(Target.name)))
