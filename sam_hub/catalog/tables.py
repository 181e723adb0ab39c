"""The catalog's tables: what is known of models and targets, and what was done with them.

Removing an expert removes its descriptors, predictions and scores, too (foreign keys cascade). Selections, merges and
evaluations are history: they name experts as ``repo@commit``, never by id.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import StringConstraints
from sqlalchemy import JSON, CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import AutoString, Field, SQLModel

from sam_hub.catalog.stored_paths import StoredJson, StoredPath

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
MODEL_KINDS: tuple[ModelKind, ...] = ("base", "expert", "merge")


class RankingMethod(StrEnum):
    """How experts are ranked for a target, in the order in which rankings are shown."""

    SIMILARITY = "similarity"
    SAMPLING = "sampling"


class ValidationOutcome(StrEnum):
    """Whether a merge may answer, by the votes on its target's sample. Skipped: it may, and no vote was counted."""

    PASSED = "passed"
    REJECTED = "rejected"
    SKIPPED = "skipped"


class JobState(StrEnum):
    """Where a job stands; the last four are final."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


def _now() -> datetime:
    return datetime.now(UTC)


def _id() -> Any:
    return Field(default=None, primary_key=True)


def _owner(table: str, **options: Any) -> Any:
    """A reference to the row to which this one belongs, and with which it goes."""
    return Field(foreign_key=f"{table}.id", ondelete="CASCADE", **options)


def _exactly_one(*columns: str) -> CheckConstraint:
    count = " + ".join(f"CASE WHEN {column} IS NULL THEN 0 ELSE 1 END" for column in columns)
    return CheckConstraint(f"{count} = 1", name="one_owner")


def _one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    quoted = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({quoted})", name=column)


class _Row(SQLModel):
    """What was made at some time, by its number."""

    id: int = _id()
    created_at: datetime = Field(default_factory=_now)


class Base(SQLModel, table=True):
    """A base model at a commit: what experts were trained from."""

    __table_args__ = (UniqueConstraint("repo", "commit"),)

    id: int = _id()
    repo: str
    commit: str
    weights_sha256: str = Field(index=True)
    architecture: str
    hidden_size: int
    vocabulary_size: int
    parameter_count: int
    license: str | None = None
    path: str | None = Field(default=None, sa_type=StoredPath)
    added_at: datetime = Field(default_factory=_now)


class ExpertCreate(SQLModel):
    """What is given to add an expert (a Hub repo at a commit): an adapter of, or a full model from, one base."""

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
    path: str | None = Field(default=None, sa_type=StoredPath)
    details: dict[str, Any] = Field(default_factory=dict, sa_type=JSON, description="role, recipe, data, scores")


class Expert(ExpertCreate, table=True):
    """An expert in the catalog. One commit of a repo is the current one, which lists and rankings use."""

    __table_args__ = (
        UniqueConstraint("repo", "commit"),
        Index("uq_expert_current_repo", "repo", unique=True, sqlite_where=text("current")),
        *(
            Index(f"ix_expert_current_{column}", column, "repo", sqlite_where=text("current"))
            for column in ("domain", "base_repo", "size_bytes", "added_at")
        ),
        _one_of("kind", ("adapter", "full")),
        {"sqlite_autoincrement": True},  # people type ids: a removed expert's must not name another later
    )

    id: int = _id()
    base_id: int | None = Field(default=None, foreign_key="base.id", ondelete="SET NULL", index=True)
    current: bool = True
    added_at: datetime = Field(default_factory=_now, index=True)

    @property
    def ref(self) -> str:
        """``repo@commit``, as history names this expert."""
        return f"{self.repo}@{self.commit}"

    @property
    def is_baseline(self) -> bool:
        """Whether its sam_hub.json says that it is compared with and never chosen, as a unified model is."""
        return self.details.get("role") == "baseline"


class Target(_Row, table=True):
    """An unlabeled corpus with the entity types wanted. The corpus stays a file; its hash is kept here."""

    name: str = Field(unique=True)
    labels: list[str] = Field(sa_type=JSON)
    corpus_path: str = Field(sa_type=StoredPath)
    sentence_count: int
    corpus_sha256: str
    gold_path: str | None = Field(default=None, sa_type=StoredPath)


class Descriptor(_Row, table=True):
    """The mean embedding of an expert's training text or of a target's corpus (METHOD: similarity).

    ``vector`` is little-endian float32, L2-normalised. ``origin`` is a `sam_hub.catalog.descriptor_sources.Origin`.
    """

    __table_args__ = (
        UniqueConstraint("expert_id", "embedder", "revision"),
        UniqueConstraint("target_id", "embedder", "revision"),
        _exactly_one("expert_id", "target_id"),
    )

    expert_id: int | None = _owner("expert", default=None)  # a unique key indexes it
    target_id: int | None = _owner("target", default=None)
    embedder: str
    revision: str
    count: int
    sentences_sha256: str
    origin: str
    vector: bytes


class _ByModel(_Row):
    """What one model predicted: a base, an expert, or a merge. Unique keys index the owner."""

    base_id: int | None = _owner("base", default=None)
    expert_id: int | None = _owner("expert", default=None)
    merge_id: int | None = _owner("merge", default=None)


class SentencePrediction(_ByModel, table=True):
    """A model's answer to one sentence, kept as soon as it is computed, so that nothing is computed twice.

    ``prompt_sha256`` is of the whole prompt. ``base_commit`` is that of the base on which an adapter ran; it is empty
    for a model that is its own base. ``decoding`` names every setting that can change an answer. ``entities`` holds
    ``[start, end, text, label]`` lists. ``misaligned`` counts mentions by what was wrong with them.
    """

    __tablename__ = "sentence_prediction"
    __table_args__ = (
        *(
            Index(
                f"uq_sentence_prediction_{owner}_question",
                f"{owner}_id",
                "prompt_sha256",
                "decoding",
                "base_commit",
                unique=True,
                sqlite_where=text(f"{owner}_id IS NOT NULL"),  # a row is in one index, not in three
            )
            for owner in MODEL_KINDS
        ),
        _exactly_one("base_id", "expert_id", "merge_id"),
    )

    base_commit: str
    prompt_sha256: str
    decoding: str
    entities: list[list[Any]] = Field(sa_type=JSON)
    parse_failed: bool = False
    misaligned: dict[str, int] = Field(default_factory=dict, sa_type=JSON)
    seconds: float = 0.0


class PredictionRun(_ByModel, table=True):
    """A model's answers to a list of sentences, as they were used. Evaluations name runs.

    ``sentence_ids`` are the ids of its sentence predictions, in the order of the sentences. ``target_id`` is the target
    for which the run was made first.
    """

    __tablename__ = "prediction_run"
    __table_args__ = (
        *(
            UniqueConstraint(
                f"{owner}_id",
                "sentences_sha256",
                "prompt_format",
                "labels_sha256",
                "decoding",
                name=f"uq_prediction_run_{owner}_question",
            )
            for owner in MODEL_KINDS
        ),
        _exactly_one("base_id", "expert_id", "merge_id"),
        {"sqlite_autoincrement": True},  # evaluations hold these ids
    )

    target_id: int | None = _owner("target", default=None, index=True)
    sentences_sha256: str
    prompt_format: str
    labels: list[str] = Field(sa_type=JSON)
    labels_sha256: str
    decoding: str
    sentence_ids: list[int] = Field(sa_type=JSON)
    parse_failures: int = 0
    misaligned: dict[str, int] = Field(default_factory=dict, sa_type=JSON)
    seconds: float = 0.0


class LabelScore(_Row, table=True):
    """How likely each label is for a mention, according to an untuned base (see `sam_hub.inference.label_scores`).

    ``prompt_sha256`` is of the sentence and the mention. ``decoding`` names the labels, in the order of ``scores``, and
    every setting that can change a score.
    """

    __tablename__ = "label_score"
    __table_args__ = (UniqueConstraint("base_id", "prompt_sha256", "decoding"),)

    base_id: int = _owner("base")
    prompt_sha256: str
    decoding: str
    scores: list[float] = Field(sa_type=JSON)


class Selection(_Row, table=True):
    """A ranking of the experts for a target, and the k chosen (``repo@commit``), by the ranking or ``by_hand``."""

    __table_args__ = (_one_of("method", RankingMethod),)

    target_id: int = _owner("target", index=True)
    method: str
    k: int
    by_hand: bool = False
    parameters: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    ranking: list[dict[str, Any]] = Field(sa_type=JSON)
    chosen: list[str] = Field(sa_type=JSON)


class SamplingScore(SQLModel, table=True):
    """An expert's strict score against the votes on a target's sample, with its 95% interval.

    Written with the selection whose ranking it stands in, so that SQL can sort by it, and gone with either.
    """

    __tablename__ = "sampling_score"

    selection_id: int = _owner("selection", primary_key=True)
    expert_id: int = _owner("expert", primary_key=True, index=True)
    precision: float
    recall: float
    f1: float
    low: float
    high: float


class Merge(_Row, table=True):
    """A merged model on disk, with the recipe that makes it again. The recipe's experts are pinned and hashed."""

    recipe_hash: str = Field(unique=True)
    method: str
    recipe: dict[str, Any] = Field(sa_type=JSON)
    path: str = Field(sa_type=StoredPath)
    weights_sha256: str
    seconds: float

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """The merged experts, as the recipe names them."""
        return self.recipe["experts"]

    @property
    def refs(self) -> set[str]:
        """The ``repo@commit`` of each merged expert."""
        return {f"{item['repo']}@{item['commit']}" for item in self.inputs}


class SelectionMerge(SQLModel, table=True):
    """A merge that was made for a selection. Of several, the one with the largest id was made last.

    One recipe is one merge: two selections of the same experts share it. A merge of some of the chosen experts was made
    after the merge of all was rejected, and one of others by a search. A merge that was made to compare, or of experts
    named by hand, belongs to no selection.
    """

    __tablename__ = "selection_merge"
    __table_args__ = (UniqueConstraint("selection_id", "merge_id"), {"sqlite_autoincrement": True})

    id: int = _id()
    selection_id: int = _owner("selection")
    merge_id: int = _owner("merge", index=True)


class MergeValidation(SQLModel, table=True):
    """What the votes said of a merge that was made for a selection.

    A merge without a row was interrupted before. ``reason`` says why it was rejected or skipped. ``figures`` are those
    of `sam_hub.evaluation.validation.Validation`, and "search", if a search found the merge, what it tried
    (`sam_hub.services.merge_search.MergeSearch`); empty if it was skipped.
    """

    __tablename__ = "merge_validation"
    __table_args__ = (_one_of("outcome", ValidationOutcome),)

    selection_id: int = _owner("selection", primary_key=True)
    merge_id: int = _owner("merge", primary_key=True, index=True)
    outcome: str
    reason: str = ""
    figures: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


class AnswerRule(SQLModel, table=True):
    """How two merges answer together for a target, and their F1 against the votes on its sample.

    ``rule``: "union", or the one that answers alone: "first" (by similarity) or "second" (by sampling).
    """

    __tablename__ = "answer_rule"

    target_id: int = _owner("target", primary_key=True)
    first_merge_id: int = _owner("merge", primary_key=True, index=True)
    second_merge_id: int = _owner("merge", primary_key=True, index=True)
    rule: str
    first_f1: float
    second_f1: float
    union_f1: float


class Evaluation(_Row, table=True):
    """Strict scores of one system ("SaM", "unified", an expert…) on a target's labeled sentences.

    ``rule`` says how the predictions of two models were integrated; None for one model.
    """

    target_id: int = _owner("target", index=True)
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


class Push(_Row, table=True):
    """A model that was uploaded: where it is and which commit holds it."""

    merge_id: int | None = Field(default=None, foreign_key="merge.id", ondelete="SET NULL", index=True)
    repo: str
    commit: str
    url: str
    private: bool


class Similarity(SQLModel, table=True):
    """The cosine, -1 to 1, of an expert's descriptor to a target's, kept so that SQL can sort by it.

    Written with every descriptor (see `sam_hub.catalog.descriptors`), and gone with either. ``embedder`` and
    ``revision`` are those of both descriptors.
    """

    target_id: int = _owner("target", primary_key=True)
    expert_id: int = _owner("expert", primary_key=True, index=True)
    embedder: str
    revision: str
    cosine: float


class Job(_Row, table=True):
    """A piece of long work in a process of its own (see `sam_hub.jobs`).

    ``pid`` and ``pid_started`` (seconds since the epoch) tell its process from a later one of the same number.
    """

    __table_args__ = (
        _one_of("state", JobState),
        {"sqlite_autoincrement": True},  # logs lie under these numbers
    )

    kind: str
    title: str
    arguments: dict[str, Any] = Field(default_factory=dict, sa_type=StoredJson)
    queue: str
    state: str = Field(default=JobState.QUEUED.value, index=True)
    pid: int | None = None
    pid_started: float | None = None
    result: dict[str, Any] | None = Field(default=None, sa_type=StoredJson)
    error_title: str | None = None
    error_action: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
