"""Descriptors of experts and targets, and the search for the experts nearest to one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func
from sqlmodel import Session, col, insert, select

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.tables import Descriptor, Expert, Similarity
from sam_hub.errors import CatalogError, InputError

if TYPE_CHECKING:
    import numpy as np

DIMENSIONS = {"all-MiniLM-L6-v2": 384}  # of the embedders that are known here
MOST_DIMENSIONS = 16_384
MOST_SENTENCES = 10**9
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LENGTH_TOLERANCE = 0.01  # files hold six digits of each number


@dataclass(frozen=True)
class Neighbour:
    """An expert and the cosine, -1 to 1, of its descriptor to the one asked for."""

    expert: Expert
    cosine: float


@dataclass(frozen=True)
class DescribedOtherwise:
    """An expert that only another embedder describes, and by which it is."""

    repo: str
    embedder: str
    revision: str

    def against(self, embedder: str, revision: str) -> CatalogError:
        """Why it can't be compared with what this embedder describes, and what to do."""
        return CatalogError(
            f"{self.repo} is described by {self.embedder} at {self.revision}, which can't be compared with "
            f"{embedder} at {revision}",
            f"Run `sam-hub describe {self.repo}` to describe it by {embedder}, or remove it.",
        )


def pack(vector: Sequence[float] | np.ndarray) -> bytes:
    """A vector as the catalog keeps it: L2-normalised little-endian float32.

    Raises:
        InputError: it is empty, zero, not finite, or no vector.
    """
    import numpy as np

    values = np.asarray(vector, dtype=np.float64)
    length = float(np.linalg.norm(values)) if values.ndim == 1 else 0.0
    if not (np.isfinite(length) and length > 0):
        raise InputError("A descriptor's vector is empty, zero or not finite", "Compute the descriptor again.")
    return (values / length).astype("<f4").tobytes()


def unpack(descriptor: Descriptor) -> np.ndarray:
    """The vector of a descriptor, float32, shape (dimensions,)."""
    import numpy as np

    return np.frombuffer(descriptor.vector, dtype="<f4")


def read_descriptor(said: Mapping[str, Any]) -> Descriptor:
    """The descriptor that a repository's ``descriptor.json`` holds, without an owner.

    Raises:
        ValueError: it can't be one; the message says why.
    """
    for name, most in (("embedder", 200), ("revision", 100)):
        text = said.get(name)
        if not (isinstance(text, str) and 0 < len(text) <= most and text.isprintable()):
            raise ValueError(f"it names no {name}")
    count, digest = said.get("count"), said.get("sentences_sha256")
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_SENTENCES:
        raise ValueError("its count of sentences is not a whole number from 1 on")
    if not (isinstance(digest, str) and _SHA256.fullmatch(digest)):
        raise ValueError("its sentences_sha256 is not 64 hexadecimal digits")
    vector = _vector_said(said.get("vector"), DIMENSIONS.get(said["embedder"]))
    return Descriptor(
        embedder=said["embedder"],
        revision=said["revision"],
        count=count,
        sentences_sha256=digest,
        origin="repo",
        vector=vector,
    )


def _vector_said(values: object, dimensions: int | None) -> bytes:
    import numpy as np

    if not isinstance(values, list) or not 0 < len(values) <= MOST_DIMENSIONS:
        raise ValueError("its vector is no list of numbers, or too long")
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        raise ValueError("its vector holds something else than numbers")
    if dimensions is not None and len(values) != dimensions:
        raise ValueError(f"its vector has {len(values)} numbers, not {dimensions}")
    try:
        length = float(np.linalg.norm(np.array(values, dtype=np.float64)))
    except OverflowError:
        length = float("inf")
    if not abs(length - 1) <= _LENGTH_TOLERANCE:  # also where it is not finite
        raise ValueError(f"its vector's length is {length:.3g}, not 1")
    return pack(values)


def put_descriptor(catalog: Catalog, descriptor: Descriptor) -> Descriptor:
    """Store a descriptor in place of its owner's earlier one by the same embedder and revision."""
    with catalog.writing() as session:
        known = session.exec(_of(descriptor.expert_id, descriptor.target_id, descriptor.embedder, descriptor.revision))
        if earlier := known.first():
            session.delete(earlier)
            session.flush()
        session.add(descriptor)
        session.flush()
        _relate(session, descriptor)
        return descriptor


def _relate(session: Session, descriptor: Descriptor) -> None:
    """Keep the cosines of this descriptor to all of the other side, in place of the earlier ones.

    Pairs that only another embedder describes keep theirs.
    """
    import numpy as np

    own, other = ("target_id", "expert_id") if descriptor.expert_id is None else ("expert_id", "target_id")
    owner, other_id = getattr(descriptor, own), col(getattr(Descriptor, other))
    comparable = (
        other_id.is_not(None),
        col(Descriptor.embedder) == descriptor.embedder,
        col(Descriptor.revision) == descriptor.revision,
    )
    session.exec(
        delete(Similarity).where(
            col(getattr(Similarity, own)) == owner,
            col(getattr(Similarity, other)).in_(select(other_id).where(*comparable)),
        )
    )
    same_length = func.length(Descriptor.vector) == len(descriptor.vector)
    rows = session.exec(select(getattr(Descriptor, other), Descriptor.vector).where(*comparable, same_length)).all()
    if rows:
        vectors = np.frombuffer(b"".join(vector for _, vector in rows), dtype="<f4").reshape(len(rows), -1)
        cosines = np.clip(vectors @ unpack(descriptor), -1.0, 1.0).tolist()
        by = {own: owner, "embedder": descriptor.embedder, "revision": descriptor.revision}
        pairs = zip(rows, cosines, strict=True)
        session.exec(insert(Similarity), params=[{**by, other: id_, "cosine": cosine} for (id_, _), cosine in pairs])


def similarities_of(catalog: Catalog, target_id: int, embedder: str, revision: str) -> dict[int, float]:
    """Return the kept cosines of the experts' descriptors by this embedder to a target's, by the experts' ids."""
    query = select(Similarity.expert_id, Similarity.cosine).where(
        Similarity.target_id == target_id, Similarity.embedder == embedder, Similarity.revision == revision
    )
    with catalog.session() as session:
        return dict(session.exec(query).all())


def get_descriptor(
    catalog: Catalog, embedder: str, revision: str, *, expert_id: int | None = None, target_id: int | None = None
) -> Descriptor | None:
    """The descriptor of an expert or of a target by this embedder, if it was computed."""
    with catalog.session() as session:
        return session.exec(_of(expert_id, target_id, embedder, revision)).first()


def descriptors_of(catalog: Catalog, expert_id: int) -> list[Descriptor]:
    """All descriptors of an expert: one an embedder and revision, the latest first."""
    with catalog.session() as session:
        query = select(Descriptor).where(Descriptor.expert_id == expert_id)
        return list(session.exec(query.order_by(col(Descriptor.id).desc())))


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
    *,
    leave_out_others: bool = False,
) -> list[Neighbour]:
    """The current experts by the cosine of their descriptors to ``vector``, nearest first; ties by repo.

    Experts without any descriptor are left out. With ``base_sha256``, only experts of that base are ranked.

    Args:
        leave_out_others: leave out who is described by another embedder only; `described_otherwise` names them.

    Raises:
        CatalogError: an expert is described by another embedder (or revision) only; the message names both.
    """
    import numpy as np

    asked = np.frombuffer(pack(vector), dtype="<f4")
    others = [] if leave_out_others else described_otherwise(catalog, embedder, revision, base_sha256)
    if others:
        raise others[0].against(embedder, revision)
    with catalog.session() as session:
        rows = session.exec(
            select(Descriptor.expert_id, Descriptor.vector)
            .join(Expert)
            .where(*_among(base_sha256), Descriptor.embedder == embedder, Descriptor.revision == revision)
            .order_by(Expert.repo)
        ).all()
        if not rows:
            return []
        if any(len(stored) != asked.nbytes for _, stored in rows):
            raise CatalogError(
                f"Descriptors by {embedder} differ in length",
                "Describe the experts again with `sam-hub describe --again`.",
            )
        vectors = np.frombuffer(b"".join(stored for _, stored in rows), dtype="<f4").reshape(len(rows), -1)
        cosines = vectors @ asked
        best = np.argsort(-cosines, kind="stable")[:limit]
        return [
            Neighbour(session.get_one(Expert, rows[i][0]), float(np.clip(cosines[i], -1.0, 1.0))) for i in best.tolist()
        ]


def described_otherwise(
    catalog: Catalog, embedder: str, revision: str, base_sha256: str | None = None
) -> list[DescribedOtherwise]:
    """The current experts that are described, but not by this embedder at this revision; by repo."""
    same = and_(col(Descriptor.embedder) == embedder, col(Descriptor.revision) == revision)
    comparable = select(Descriptor.expert_id).where(same, col(Descriptor.expert_id).is_not(None))
    with catalog.session() as session:
        rows = session.exec(
            select(Expert.repo, Descriptor.embedder, Descriptor.revision)
            .join(Descriptor)
            .where(*_among(base_sha256), col(Expert.id).not_in(comparable))
            .order_by(col(Expert.repo), col(Descriptor.id))
        ).all()
    return [DescribedOtherwise(*values) for values in {row[0]: row for row in rows}.values()]


def _among(base_sha256: str | None) -> list:
    return [col(Expert.current)] + ([col(Expert.base_sha256) == base_sha256] if base_sha256 else [])
