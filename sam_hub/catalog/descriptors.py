"""Descriptors of experts and targets, and the search for the experts nearest to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from sqlalchemy import ColumnElement, delete, func
from sqlmodel import Session, col, insert, select

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.tables import Descriptor, Expert, Sha256, Similarity
from sam_hub.errors import CatalogError, InputError, first_fault

if TYPE_CHECKING:
    import numpy as np

DIMENSIONS = {"all-MiniLM-L6-v2": 384}  # of the embedders that are known here
_LENGTH_TOLERANCE = 0.01  # files hold six digits of each number


@dataclass(frozen=True)
class DescribedOtherwise:
    """An expert that only another embedder describes, and by which it is."""

    repo: str
    embedder: str
    revision: str

    def against(self, embedder: str, revision: str) -> CatalogError:
        """Return why it can't be compared with what this embedder describes, and what to do."""
        return CatalogError(
            f"{self.repo} is described by {self.embedder} at {self.revision}, which can't be compared with "
            f"{embedder} at {revision}",
            f"Run `sam-hub describe {self.repo}` to describe it by {embedder}, or remove it.",
        )


def pack(vector: Sequence[float] | np.ndarray) -> bytes:
    """Return a vector as the catalog keeps it: L2-normalised little-endian float32.

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
    """Return the vector of a descriptor, float32, shape (dimensions,)."""
    import numpy as np

    return np.frombuffer(descriptor.vector, dtype="<f4")


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it can't be printed")
    return text


_Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_printable)]


class _DescriptorFile(BaseModel):
    """A repository's ``descriptor.json``."""

    model_config = ConfigDict(strict=True)

    embedder: _Name
    revision: _Name
    count: int = Field(ge=1, le=10**9)
    sentences_sha256: Sha256
    vector: list[float] = Field(min_length=1, max_length=16_384)


def read_descriptor(content: Mapping[str, Any]) -> Descriptor:
    """Return the descriptor that a repository's ``descriptor.json`` holds, without an owner.

    Raises:
        ValueError: it can't be one; the message says why.
    """
    import numpy as np

    try:
        file = _DescriptorFile.model_validate(content)
    except ValidationError as error:
        raise ValueError(first_fault(error)) from error
    dimensions = DIMENSIONS.get(file.embedder, len(file.vector))
    if len(file.vector) != dimensions:
        raise ValueError(f"its vector has {len(file.vector)} numbers, not {dimensions}")
    length = float(np.linalg.norm(file.vector))
    if not abs(length - 1) <= _LENGTH_TOLERANCE:  # also where it is not finite
        raise ValueError(f"its vector's length is {length:.3g}, not 1")
    return Descriptor(**file.model_dump(exclude={"vector"}), origin="repo", vector=pack(file.vector))


def put_descriptor(catalog: Catalog, descriptor: Descriptor) -> Descriptor:
    """Store a descriptor in place of its owner's earlier one by the same embedder and revision."""
    with catalog.writing() as session:
        its = _by(descriptor.embedder, descriptor.revision)
        session.exec(delete(Descriptor).where(*its, _of(descriptor.expert_id, descriptor.target_id)))
        session.add(descriptor)
        session.flush()
        _relate(session, descriptor)
        return descriptor


def _relate(session: Session, descriptor: Descriptor) -> None:
    """Keep the cosines of this descriptor to all of the other side, in place of the earlier ones.

    Pairs that only another embedder describes keep theirs.
    """
    own, other = ("target_id", "expert_id") if descriptor.expert_id is None else ("expert_id", "target_id")
    owner, other_id = getattr(descriptor, own), col(getattr(Descriptor, other))
    comparable = [other_id.is_not(None), *_by(descriptor.embedder, descriptor.revision)]
    its = (
        col(getattr(Similarity, own)) == owner,
        col(getattr(Similarity, other)).in_(select(other_id).where(*comparable)),
    )
    session.exec(delete(Similarity).where(*its))
    if cosines := _cosines(session, other_id, comparable, descriptor.vector):
        row = {own: owner, "embedder": descriptor.embedder, "revision": descriptor.revision}
        session.exec(insert(Similarity), params=[{**row, other: id_, "cosine": cosine} for id_, cosine in cosines])


def _cosines(
    session: Session, owner: Any, which: Sequence[ColumnElement[bool]], vector: bytes
) -> list[tuple[int, float]]:
    """The cosine of a vector to each of some descriptors, with the owner of that one."""
    import numpy as np

    same_length = func.length(Descriptor.vector) == len(vector)
    rows = session.exec(select(owner, Descriptor.vector).where(*which, same_length)).all()
    vectors = np.frombuffer(b"".join(row[1] for row in rows), dtype="<f4").reshape(len(rows), len(vector) // 4)
    cosines = np.clip(vectors @ np.frombuffer(vector, dtype="<f4"), -1.0, 1.0)
    return [(row[0], cosine) for row, cosine in zip(rows, cosines.tolist(), strict=True)]


def similarities_of(catalog: Catalog, target_id: int, embedder: str, revision: str) -> dict[int, float]:
    """Return the kept cosines of the experts' descriptors by this embedder to a target's, by the experts' ids."""
    query = select(Similarity.expert_id, Similarity.cosine).where(
        Similarity.target_id == target_id, Similarity.embedder == embedder, Similarity.revision == revision
    )
    return dict(catalog.all(query))


def get_descriptor(
    catalog: Catalog, embedder: str, revision: str, *, expert_id: int | None = None, target_id: int | None = None
) -> Descriptor | None:
    """Return the descriptor of an expert or of a target by this embedder, if it was computed."""
    return catalog.first(select(Descriptor).where(_of(expert_id, target_id), *_by(embedder, revision)))


def descriptors_of(catalog: Catalog, expert_id: int) -> list[Descriptor]:
    """Return all descriptors of an expert: one an embedder and revision, the latest first."""
    return catalog.all(select(Descriptor).where(_of(expert_id)).order_by(col(Descriptor.id).desc()))


def nearest(
    catalog: Catalog, vector: Sequence[float] | np.ndarray, embedder: str, revision: str, limit: int | None = None
) -> list[tuple[Expert, float]]:
    """Return the current experts with the cosine of their descriptors to ``vector``, nearest first; ties by repo.

    Experts that this embedder does not describe are left out; `described_otherwise` names them.
    """
    current = select(Expert.id).where(col(Expert.current))
    which = [col(Descriptor.expert_id).in_(current), *_by(embedder, revision)]
    with catalog.session() as session:
        cosines = _cosines(session, Descriptor.expert_id, which, pack(vector))
        best = sorted(cosines, key=lambda pair: -pair[1])[:limit]
        experts = [(session.get_one(Expert, id_), cosine) for id_, cosine in best]
    return sorted(experts, key=lambda pair: (-pair[1], pair[0].repo))


def described_otherwise(catalog: Catalog, embedder: str, revision: str) -> list[DescribedOtherwise]:
    """Return the current experts that are described, but not by this embedder at this revision; by repo."""
    comparable = select(Descriptor.expert_id).where(*_by(embedder, revision), col(Descriptor.expert_id).is_not(None))
    rows = catalog.all(
        select(Expert.repo, Descriptor.embedder, Descriptor.revision)
        .join(Descriptor)
        .where(col(Expert.current), col(Expert.id).not_in(comparable))
        .order_by(col(Expert.repo), col(Descriptor.id))
    )
    return [DescribedOtherwise(*row) for row in {row[0]: row for row in rows}.values()]


def _by(embedder: str, revision: str) -> list[ColumnElement[bool]]:
    return [col(Descriptor.embedder) == embedder, col(Descriptor.revision) == revision]


def _of(expert_id: int | None, target_id: int | None = None) -> ColumnElement[bool]:
    return col(Descriptor.target_id) == target_id if expert_id is None else col(Descriptor.expert_id) == expert_id
