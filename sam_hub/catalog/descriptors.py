"""Descriptors of experts and targets, and the search for the experts nearest to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, func
from sqlmodel import Session, col, insert, select

from sam_hub.catalog.opening import Catalog
from sam_hub.catalog.tables import Descriptor, Expert, Similarity
from sam_hub.errors import CatalogError, InputError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Neighbour:
    """An expert and the cosine, -1 to 1, of its descriptor to the one asked for."""

    expert: Expert
    cosine: float


def pack(vector: Sequence[float] | np.ndarray) -> bytes:
    """A vector as the catalog keeps it: L2-normalised little-endian float32.

    Raises:
        InputError: it is empty, zero, not finite, or no vector.
    """
    import numpy as np

    values = np.asarray(vector, dtype=np.float64)
    length = float(np.linalg.norm(values)) if values.ndim == 1 else 0.0
    if not (np.isfinite(length) and length > 0):
        raise InputError(
            "A descriptor's vector is empty, zero or not finite", "Compute the descriptor again."
        )
    return (values / length).astype("<f4").tobytes()


def unpack(descriptor: Descriptor) -> np.ndarray:
    """The vector of a descriptor, float32, shape (dimensions,)."""
    import numpy as np

    return np.frombuffer(descriptor.vector, dtype="<f4")


def put_descriptor(catalog: Catalog, descriptor: Descriptor) -> Descriptor:
    """Store a descriptor in place of its owner's earlier one by the same embedder and revision."""
    with catalog.writing() as session:
        known = session.exec(
            _of(descriptor.expert_id, descriptor.target_id, descriptor.embedder, descriptor.revision)
        )
        if earlier := known.first():
            session.delete(earlier)
            session.flush()
        session.add(descriptor)
        session.flush()
        _relate(session, descriptor)
        return descriptor


def _relate(session: Session, descriptor: Descriptor) -> None:
    """Keep the cosines of this descriptor to all of the other side, in place of the earlier ones."""
    import numpy as np

    own, other = ("target_id", "expert_id") if descriptor.expert_id is None else ("expert_id", "target_id")
    owner = getattr(descriptor, own)
    session.exec(delete(Similarity).where(col(getattr(Similarity, own)) == owner))
    rows = session.exec(
        select(getattr(Descriptor, other), Descriptor.vector).where(
            col(getattr(Descriptor, other)).is_not(None),
            Descriptor.embedder == descriptor.embedder,
            Descriptor.revision == descriptor.revision,
            func.length(Descriptor.vector) == len(descriptor.vector),
        )
    ).all()
    if rows:
        vectors = np.frombuffer(b"".join(vector for _, vector in rows), dtype="<f4").reshape(len(rows), -1)
        cosines = np.clip(vectors @ unpack(descriptor), -1.0, 1.0).tolist()
        pairs = zip(rows, cosines, strict=True)
        session.exec(
            insert(Similarity), params=[{own: owner, other: id_, "cosine": c} for (id_, _), c in pairs]
        )


def get_descriptor(
    catalog: Catalog,
    embedder: str,
    revision: str,
    *,
    expert_id: int | None = None,
    target_id: int | None = None,
) -> Descriptor | None:
    """The descriptor of an expert or of a target by this embedder, if it was computed."""
    with catalog.session() as session:
        return session.exec(_of(expert_id, target_id, embedder, revision)).first()


def _of(expert_id: int | None, target_id: int | None, embedder: str, revision: str):
    owner = Descriptor.target_id == target_id if expert_id is None else Descriptor.expert_id == expert_id
    return select(Descriptor).where(owner, Descriptor.embedder == embedder, Descriptor.revision == revision)


def nearest(
    catalog: Catalog,
    vector: Sequence[float] | np.ndarray,
    embedder: str,
    revision: str,
    limit: int | None = None,
    base_sha256: str | None = None,
) -> list[Neighbour]:
    """The current experts by the cosine of their descriptors to ``vector``, nearest first; ties by repo.

    Experts without any descriptor are left out. With ``base_sha256``, only experts of that base are ranked.

    Raises:
        CatalogError: an expert is described by another embedder (or revision) only; the message names both.
    """
    import numpy as np

    asked = np.frombuffer(pack(vector), dtype="<f4")
    among = [col(Expert.current)] + ([col(Expert.base_sha256) == base_sha256] if base_sha256 else [])
    with catalog.session() as session:
        _refuse_other_embedders(session, among, embedder, revision)
        rows = session.exec(
            select(Descriptor.expert_id, Descriptor.vector)
            .join(Expert)
            .where(*among, Descriptor.embedder == embedder, Descriptor.revision == revision)
            .order_by(Expert.repo)
        ).all()
        if not rows:
            return []
        if any(len(stored) != asked.nbytes for _, stored in rows):
            raise CatalogError(
                f"Descriptors by {embedder} differ in length",
                "Describe the experts again with `sam-hub describe`.",
            )
        vectors = np.frombuffer(b"".join(stored for _, stored in rows), dtype="<f4").reshape(len(rows), -1)
        cosines = vectors @ asked
        best = np.argsort(-cosines, kind="stable")[:limit]
        return [
            Neighbour(session.get_one(Expert, rows[i][0]), float(np.clip(cosines[i], -1.0, 1.0)))
            for i in best.tolist()
        ]


def _refuse_other_embedders(session: Session, among: list, embedder: str, revision: str) -> None:
    same = and_(col(Descriptor.embedder) == embedder, col(Descriptor.revision) == revision)
    comparable = select(Descriptor.expert_id).where(same, col(Descriptor.expert_id).is_not(None))
    other = session.exec(
        select(Expert.repo, Descriptor.embedder, Descriptor.revision)
        .join(Descriptor)
        .where(*among, col(Expert.id).not_in(comparable))
        .order_by(Expert.repo)
    ).first()
    if other:
        repo, its_embedder, its_revision = other
        raise CatalogError(
            f"{repo} is described by {its_embedder} at {its_revision}, which can't be compared with "
            f"{embedder} at {revision}",
            f"Run `sam-hub describe {repo}` to describe it by {embedder}, or remove it.",
        )
