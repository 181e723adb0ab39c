"""The first schema: bases, experts, targets, what was computed for them, its history, and jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table; those that others refer to come first."""
    _bases()
    _experts()
    _targets()
    _merges()
    _descriptors()
    _predictions()
    _selections()
    _evaluations()
    _pushes()
    _jobs()


def _id() -> sa.Column:
    return sa.Column("id", sa.Integer(), nullable=False)


def _text(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.String(), nullable=nullable)


def _number(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Integer(), nullable=nullable)


def _real(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Float(), nullable=nullable)


def _json(name: str) -> sa.Column:
    return sa.Column(name, sa.JSON(), nullable=False)


def _time(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def _reference(table: str, other: str, on_delete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    column = f"{other}_id"
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}", ondelete=on_delete)


def _one_owner(table: str, *columns: str) -> sa.CheckConstraint:
    count = " + ".join(f"CASE WHEN {column} IS NULL THEN 0 ELSE 1 END" for column in columns)
    return sa.CheckConstraint(f"{count} = 1", name=op.f(f"ck_{table}_one_owner"))


def _one_of(table: str, column: str, *values: str) -> sa.CheckConstraint:
    quoted = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({quoted})", name=op.f(f"ck_{table}_{column}"))


def _bases() -> None:
    op.create_table(
        "base",
        _id(),
        _text("repo"),
        _text("commit"),
        _text("weights_sha256"),
        _text("architecture"),
        _number("hidden_size"),
        _number("vocabulary_size"),
        _number("parameter_count"),
        _text("license", nullable=True),
        _text("path", nullable=True),
        _time("added_at"),
        sa.PrimaryKeyConstraint("id", name="pk_base"),
        sa.UniqueConstraint("repo", "commit", name="uq_base_repo_commit"),
    )
    op.create_index("ix_base_weights_sha256", "base", ["weights_sha256"])


def _experts() -> None:
    op.create_table(
        "expert",
        _text("repo"),
        _text("commit"),
        _text("kind"),
        _text("base_repo"),
        _text("base_sha256", nullable=True),
        _number("rank", nullable=True),
        _real("alpha", nullable=True),
        _json("target_modules"),
        _text("license", nullable=True),
        _json("labels"),
        _text("prompt_format", nullable=True),
        _text("domain", nullable=True),
        _number("size_bytes"),
        _text("path", nullable=True),
        _json("details"),
        _id(),
        _number("base_id", nullable=True),
        sa.Column("current", sa.Boolean(), nullable=False),
        _time("added_at"),
        _one_of("expert", "kind", "adapter", "full"),
        _reference("expert", "base", on_delete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_expert"),
        sa.UniqueConstraint("repo", "commit", name="uq_expert_repo_commit"),
        sqlite_autoincrement=True,
    )
    for column in ("added_at", "base_id", "base_repo", "base_sha256", "domain"):
        op.create_index(f"ix_expert_{column}", "expert", [column])
    op.create_index(
        "uq_expert_current_repo", "expert", ["repo"], unique=True, sqlite_where=sa.text("current")
    )
    for column in (
        "domain",
        "base_repo",
        "size_bytes",
        "added_at",
    ):  # lists of 100,000 experts are sorted by these
        op.create_index(
            f"ix_expert_current_{column}", "expert", [column, "repo"], sqlite_where=sa.text("current")
        )


def _targets() -> None:
    op.create_table(
        "target",
        _id(),
        _text("name"),
        _json("labels"),
        _text("corpus_path"),
        _number("sentence_count"),
        _text("corpus_sha256"),
        _text("gold_path", nullable=True),
        _time("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_target"),
        sa.UniqueConstraint("name", name="uq_target_name"),
    )


def _merges() -> None:
    op.create_table(
        "merge",
        _id(),
        _text("recipe_hash"),
        _text("method"),
        _json("recipe"),
        _text("path"),
        _text("weights_sha256"),
        _real("seconds"),
        _time("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_merge"),
        sa.UniqueConstraint("recipe_hash", name="uq_merge_recipe_hash"),
    )


def _descriptors() -> None:
    op.create_table(
        "descriptor",
        _id(),
        _number("expert_id", nullable=True),
        _number("target_id", nullable=True),
        _text("embedder"),
        _text("revision"),
        _number("count"),
        _text("sentences_sha256"),
        _text("origin"),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        _time("created_at"),
        _one_owner("descriptor", "expert_id", "target_id"),
        _reference("descriptor", "expert"),
        _reference("descriptor", "target"),
        sa.PrimaryKeyConstraint("id", name="pk_descriptor"),
        *(
            sa.UniqueConstraint(
                owner, "embedder", "revision", name=f"uq_descriptor_{owner}_embedder_revision"
            )
            for owner in ("expert_id", "target_id")
        ),
    )


def _predictions() -> None:
    owners = ("base", "expert", "merge")
    keys = [f"{owner}_id" for owner in owners]
    op.create_table(
        "sentence_prediction",
        _id(),
        *(_number(key, nullable=True) for key in keys),
        *(_text(name) for name in ("base_commit", "prompt_sha256", "decoding")),
        _json("entities"),
        sa.Column("parse_failed", sa.Boolean(), nullable=False),
        _json("misaligned"),
        _real("seconds"),
        _time("created_at"),
        _one_owner("sentence_prediction", *keys),
        *(_reference("sentence_prediction", owner) for owner in owners),
        sa.PrimaryKeyConstraint("id", name="pk_sentence_prediction"),
    )
    for owner in owners:
        op.create_index(
            f"uq_sentence_prediction_{owner}_question",
            "sentence_prediction",
            [f"{owner}_id", "prompt_sha256", "decoding", "base_commit"],
            unique=True,
            sqlite_where=sa.text(f"{owner}_id IS NOT NULL"),
        )
    op.create_table(
        "prediction_run",
        _id(),
        *(_number(key, nullable=True) for key in keys),
        _number("target_id", nullable=True),
        *(_text(name) for name in ("sentences_sha256", "prompt_format")),
        _json("labels"),
        *(_text(name) for name in ("labels_sha256", "decoding")),
        _json("sentence_ids"),
        _number("parse_failures"),
        _json("misaligned"),
        _real("seconds"),
        _time("created_at"),
        _one_owner("prediction_run", *keys),
        *(_reference("prediction_run", other) for other in (*owners, "target")),
        sa.PrimaryKeyConstraint("id", name="pk_prediction_run"),
        *(
            sa.UniqueConstraint(
                f"{owner}_id",
                *("sentences_sha256", "prompt_format", "labels_sha256", "decoding"),
                name=f"uq_prediction_run_{owner}_question",
            )
            for owner in owners
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_prediction_run_target_id", "prediction_run", ["target_id"])
    op.create_table(
        "label_score",
        _id(),
        _number("base_id"),
        *(_text(name) for name in ("prompt_sha256", "decoding")),
        _json("scores"),
        _time("created_at"),
        _reference("label_score", "base"),
        sa.PrimaryKeyConstraint("id", name="pk_label_score"),
        sa.UniqueConstraint(
            *("base_id", "prompt_sha256", "decoding"), name="uq_label_score_base_id_prompt_sha256_decoding"
        ),
    )


def _selections() -> None:
    op.create_table(
        "selection",
        _id(),
        _number("target_id"),
        _text("method"),
        _number("k"),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        *(_json(name) for name in ("parameters", "ranking", "chosen")),
        _time("created_at"),
        _one_of("selection", "method", "similarity", "sampling"),
        _reference("selection", "target"),
        sa.PrimaryKeyConstraint("id", name="pk_selection"),
    )
    op.create_index("ix_selection_target_id", "selection", ["target_id"])
    op.create_table(
        "selection_merge",
        _id(),
        _number("selection_id"),
        _number("merge_id"),
        _reference("selection_merge", "selection"),
        _reference("selection_merge", "merge"),
        sa.PrimaryKeyConstraint("id", name="pk_selection_merge"),
        sa.UniqueConstraint("selection_id", "merge_id", name="uq_selection_merge_selection_id_merge_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_selection_merge_merge_id", "selection_merge", ["merge_id"])
    _scores("similarity", "target", "cosine")
    _scores("sampling_score", "selection", "precision", "recall", "f1", "low", "high")


def _scores(table: str, owner: str, *scores: str) -> None:
    """Create a table of an expert's scores for something."""
    op.create_table(
        table,
        _number(f"{owner}_id"),
        _number("expert_id"),
        *(_real(score) for score in scores),
        _reference(table, owner),
        _reference(table, "expert"),
        sa.PrimaryKeyConstraint(f"{owner}_id", "expert_id", name=f"pk_{table}"),
    )
    op.create_index(f"ix_{table}_expert_id", table, ["expert_id"])


def _evaluations() -> None:
    op.create_table(
        "evaluation",
        _id(),
        _number("target_id"),
        _text("name"),
        _text("test_sha256"),
        *(_real(name) for name in ("precision", "recall", "f1")),
        _number("support"),
        _number("parse_failures"),
        _json("per_type"),
        _json("prediction_ids"),
        _text("rule", nullable=True),
        _real("seconds"),
        _time("created_at"),
        _reference("evaluation", "target"),
        sa.PrimaryKeyConstraint("id", name="pk_evaluation"),
    )
    op.create_index("ix_evaluation_target_id", "evaluation", ["target_id"])


def _pushes() -> None:
    op.create_table(
        "push",
        _id(),
        _number("merge_id", nullable=True),
        _text("repo"),
        _text("commit"),
        _text("url"),
        sa.Column("private", sa.Boolean(), nullable=False),
        _time("created_at"),
        _reference("push", "merge", on_delete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_push"),
    )
    op.create_index("ix_push_merge_id", "push", ["merge_id"])


def _jobs() -> None:
    op.create_table(
        "job",
        _id(),
        *(_text(name) for name in ("kind", "title")),
        _json("arguments"),
        *(_text(name) for name in ("queue", "state")),
        _number("pid", nullable=True),
        _real("pid_started", nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        *(_text(name, nullable=True) for name in ("error_title", "error_action")),
        _time("created_at"),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=True) for name in ("started_at", "ended_at")),
        _one_of(
            *("job", "state"),
            *("queued", "running", "cancelling", "done", "failed", "cancelled", "interrupted"),
        ),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_state", "job", ["state"])
