"""The catalog's tables: what is known of models and targets, and what was done with them.

An expert's removal takes its descriptors, answers, predictions and probes along (foreign keys cascade), while
selections, merges and evaluations are history: they name experts as ``repo@commit``, never by id.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import StringConstraints
from sqlalchemy import JSON, CheckConstraint, Index, UniqueConstraint, false, text
from sqlmodel import AutoString, Field, SQLModel

# Named constraints: SQLite can change a constraint in a later migration only by its name.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ModelKind = Literal["base", "expert", "merge"]


def _now() -> datetime:
    return datetime.now(UTC)


def _id() -> Any:
    return Field(default=None, primary_key=True)


def _owner(table: str) -> Any:
    """A reference to the row to which this one belongs, and with which it goes (a unique key indexes it)."""
    return Field(default=None, foreign_key=f"{table}.id", ondelete="CASCADE")


def _exactly_one(*columns: str) -> CheckConstraint:
    count = " + ".join(f"CASE WHEN {column} IS NULL THEN 0 ELSE 1 END" for column in columns)
    return CheckConstraint(f"{count} = 1", name="one_owner")


class Base(SQLModel, table=True):
    """A base model at a commit: what experts were trained from."""

    __table_args__ = (UniqueConstraint("repo", "commit"),)

    id: int | None = _id()
    repo: str
    commit: str
    weights_sha256: str = Field(index=True)
    architecture: str
    hidden_size: int
    vocabulary_size: int
    parameter_count: int
    license: str | None = None
    path: str | None = None
    added_at: datetime = Field(default_factory=_now)


class ExpertBase(SQLModel):
    """What is known of an expert: a Hub repo at a commit, an adapter of, or a full model from, one base."""

    repo: str = Field(min_length=1)
    commit: Commit
    kind: Literal["adapter", "full"] = Field(sa_type=AutoString)
    base_repo: str = Field(min_length=1, index=True)
    base_sha256: Sha256 | None = Field(default=None, index=True)
    rank: int | None = Field(default=None, ge=1)
    alpha: float | None = None
    target_modules: list[str] = Field(default_factory=list, sa_type=JSON)
    license: str | None = None
    labels: list[str] = Field(default_factory=list, sa_type=JSON)
    prompt_format: str | None = None
    domain: str | None = Field(default=None, index=True)
    size_bytes: int = Field(default=0, ge=0)
    path: str | None = None
    details: dict[str, Any] = Field(default_factory=dict, sa_type=JSON, description="recipe, data, scores")


class Expert(ExpertBase, table=True):
    """An expert in the catalog. One commit of a repo is the current one, which lists and rankings use."""

    __table_args__ = (
        UniqueConstraint("repo", "commit"),
        Index("uq_expert_current_repo", "repo", unique=True, sqlite_where=text("current")),
        *(
            Index(f"ix_expert_current_{column}", column, "repo", sqlite_where=text("current"))
            for column in ("domain", "base_repo", "size_bytes", "added_at")
        ),
        CheckConstraint("kind IN ('adapter', 'full')", name="kind"),
        {"sqlite_autoincrement": True},  # people type ids: a removed expert's must not name another later
    )

    id: int | None = _id()
    base_id: int | None = Field(default=None, foreign_key="base.id", ondelete="SET NULL", index=True)
    current: bool = True
    added_at: datetime = Field(default_factory=_now, index=True)

    @property
    def ref(self) -> str:
        """``repo@commit``, as history names this expert."""
        return f"{self.repo}@{self.commit}"


class ExpertCreate(ExpertBase):
    """What is given to add an expert; the base is found by its hash."""


class ExpertPublic(ExpertBase):
    """An expert as lists and ``--json`` show it."""

    id: int
    base_id: int | None
    current: bool
    added_at: datetime


class Target(SQLModel, table=True):
    """An unlabelled corpus with the entity types wanted. The corpus stays a file; its hash is kept here."""

    id: int | None = _id()
    name: str = Field(unique=True)
    labels: list[str] = Field(sa_type=JSON)
    corpus_path: str
    sentence_count: int
    corpus_sha256: str
    gold_path: str | None = None
    created_at: datetime = Field(default_factory=_now)


class Descriptor(SQLModel, table=True):
    """The mean embedding of an expert's training text or of a target's corpus (METHOD: similarity).

    ``vector`` is little-endian float32, L2-normalised. ``origin`` is a `sam_hub.catalog.descriptor_sources.Origin`.
    """

    __table_args__ = (
        UniqueConstraint("expert_id", "embedder", "revision"),
        UniqueConstraint("target_id", "embedder", "revision"),
        _exactly_one("expert_id", "target_id"),
    )

    id: int | None = _id()
    expert_id: int | None = _owner("expert")
    target_id: int | None = _owner("target")
    embedder: str
    revision: str
    count: int
    sentences_sha256: str
    origin: str
    vector: bytes
    created_at: datetime = Field(default_factory=_now)


class Answer(SQLModel, table=True):
    """A model's answer to one sentence: kept as soon as it is there, so that no question is computed twice.

    ``prompt_sha256`` is of the whole prompt; ``base_commit`` is that of the base on which an adapter ran, and
    empty for a model that is its own base. ``decoding``, ``entities`` and ``misaligned`` are a `Prediction`'s.
    """

    __table_args__ = (
        *(
            Index(
                f"uq_answer_{owner}_question",
                f"{owner}_id",
                "prompt_sha256",
                "decoding",
                "base_commit",
                unique=True,
                sqlite_where=text(f"{owner}_id IS NOT NULL"),  # a row is in one index, not in three
            )
            for owner in ("base", "expert", "merge")
        ),
        _exactly_one("base_id", "expert_id", "merge_id"),
    )

    id: int | None = _id()
    base_id: int | None = _owner("base")
    expert_id: int | None = _owner("expert")
    merge_id: int | None = _owner("merge")
    base_commit: str
    prompt_sha256: str
    decoding: str
    entities: list[list[Any]] = Field(sa_type=JSON)
    parse_failed: bool = False
    misaligned: dict[str, int] = Field(default_factory=dict, sa_type=JSON)
    seconds: float = 0.0
    created_at: datetime = Field(default_factory=_now)


class LabelScore(SQLModel, table=True):
    """How likely each label is for a mention, as an untuned base says (see `sam_hub.inference.label_scores`).

    ``prompt_sha256`` is of the sentence and the mention; ``decoding`` names the labels, in the order of ``scores``, and
    every setting that can change one.
    """

    __table_args__ = (UniqueConstraint("base_id", "prompt_sha256", "decoding"),)

    id: int | None = _id()
    base_id: int = Field(foreign_key="base.id", ondelete="CASCADE")
    prompt_sha256: str
    decoding: str
    scores: list[float] = Field(sa_type=JSON)
    created_at: datetime = Field(default_factory=_now)


class Prediction(SQLModel, table=True):
    """A model's answers to a list of sentences, as they were used: evaluations name it.

    ``entities`` holds, for each sentence, a list of ``[start, end, text, label]``. ``misaligned`` counts
    mentions by what was wrong with them. ``target_id`` says for whom it was asked first.
    """

    __table_args__ = (
        *(
            UniqueConstraint(
                f"{owner}_id",
                "sentences_sha256",
                "prompt_format",
                "labels_sha256",
                "decoding",
                name=f"uq_prediction_{owner}_question",
            )
            for owner in ("base", "expert", "merge")
        ),
        _exactly_one("base_id", "expert_id", "merge_id"),
        {"sqlite_autoincrement": True},  # evaluations hold these ids
    )

    id: int | None = _id()
    base_id: int | None = _owner("base")
    expert_id: int | None = _owner("expert")
    merge_id: int | None = _owner("merge")
    target_id: int | None = Field(default=None, foreign_key="target.id", ondelete="CASCADE", index=True)
    sentences_sha256: str
    prompt_format: str
    labels: list[str] = Field(sa_type=JSON)
    labels_sha256: str
    decoding: str
    entities: list[list[list[Any]]] = Field(sa_type=JSON)
    parse_failures: int = 0
    misaligned: dict[str, int] = Field(default_factory=dict, sa_type=JSON)
    seconds: float = 0.0
    created_at: datetime = Field(default_factory=_now)


class Probe(SQLModel, table=True):
    """An expert's strict score against the votes on a target's sample, with its bootstrap interval."""

    __table_args__ = (UniqueConstraint("target_id", "expert_id", "sample_key", "votes", "threshold"),)

    id: int | None = _id()
    expert_id: int = Field(foreign_key="expert.id", ondelete="CASCADE", index=True)
    target_id: int = Field(foreign_key="target.id", ondelete="CASCADE")
    sample_key: str
    votes: str
    threshold: float
    precision: float
    recall: float
    f1: float
    low: float
    high: float
    pseudo_entities: int
    created_at: datetime = Field(default_factory=_now)


class Selection(SQLModel, table=True):
    """A ranking of the experts for a target, and the k chosen (``repo@commit``)."""

    __table_args__ = (CheckConstraint("method IN ('similarity', 'sampling')", name="method"),)

    id: int | None = _id()
    target_id: int = Field(foreign_key="target.id", ondelete="CASCADE", index=True)
    method: str
    k: int
    parameters: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    ranking: list[dict[str, Any]] = Field(sa_type=JSON)
    chosen: list[str] = Field(sa_type=JSON)
    created_at: datetime = Field(default_factory=_now)


class Merge(SQLModel, table=True):
    """A merged model on disk, with the recipe that makes it again. ``inputs`` are pinned and hashed.

    ``aside``: it was made to compare with, and stands for no selection, even of the same experts.
    """

    id: int | None = _id()
    recipe_hash: str = Field(unique=True)
    method: str
    recipe: dict[str, Any] = Field(sa_type=JSON)
    inputs: list[dict[str, Any]] = Field(sa_type=JSON)
    path: str
    weights_sha256: str
    seconds: float
    created_at: datetime = Field(default_factory=_now)
    aside: bool = Field(default=False, sa_column_kwargs={"server_default": false()})


class Evaluation(SQLModel, table=True):
    """Strict scores of one system ("SaM", "unified", an expert…) on a target's labelled sentences.

    ``rule`` says how the predictions of two models were integrated; None for one model.
    """

    id: int | None = _id()
    target_id: int = Field(foreign_key="target.id", ondelete="CASCADE", index=True)
    name: str
    test_sha256: str
    precision: float
    recall: float
    f1: float
    support: int
    parse_failures: int
    per_type: dict[str, dict[str, float]] = Field(default_factory=dict, sa_type=JSON)
    prediction_ids: list[int] = Field(default_factory=list, sa_type=JSON)
    rule: str | None = None
    seconds: float
    created_at: datetime = Field(default_factory=_now)


class Push(SQLModel, table=True):
    """A model that was uploaded: where it is and which commit holds it."""

    id: int | None = _id()
    merge_id: int | None = Field(default=None, foreign_key="merge.id", ondelete="SET NULL", index=True)
    repo: str
    commit: str
    url: str
    private: bool
    created_at: datetime = Field(default_factory=_now)


class Similarity(SQLModel, table=True):
    """The cosine, -1 to 1, of an expert's descriptor to a target's, kept so that SQL can sort by it.

    Written with every descriptor (see `sam_hub.catalog.descriptors`), and gone with either.
    """

    target_id: int = Field(foreign_key="target.id", ondelete="CASCADE", primary_key=True)
    expert_id: int = Field(foreign_key="expert.id", ondelete="CASCADE", primary_key=True, index=True)
    cosine: float


class Job(SQLModel, table=True):
    """A piece of long work in a process of its own (see `sam_hub.jobs`).

    ``pid`` and ``pid_started`` (seconds since the epoch) tell its process from a later one of the same number.
    """

    __table_args__ = (
        CheckConstraint(
            "state IN ('queued', 'running', 'cancelling', 'done', 'failed', 'cancelled', 'interrupted')",
            name="state",
        ),
        {"sqlite_autoincrement": True},  # logs lie under these numbers
    )

    id: int | None = _id()
    kind: str
    title: str
    arguments: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    queue: str
    state: str = Field(default="queued", index=True)
    pid: int | None = None
    pid_started: float | None = None
    result: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    error_title: str | None = None
    error_action: str | None = None
    created_at: datetime = Field(default_factory=_now)
    started_at: datetime | None = None
    ended_at: datetime | None = None
