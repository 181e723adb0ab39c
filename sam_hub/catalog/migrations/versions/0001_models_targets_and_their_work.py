"""The first schema: bases, experts, targets, what was computed for them, and the history of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table; those that others refer to come first."""
    _bases()
    _experts()
    _targets()
    _merges()
    _descriptors()
    _predictions()
    _probes()
    _selections()
    _evaluations()
    _pushes()


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
        sa.CheckConstraint("kind IN ('adapter', 'full')", name=op.f("ck_expert_kind")),
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
        _json("inputs"),
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
    question = ("sentences_sha256", "prompt_format", "labels_sha256", "decoding")
    owners = ("base", "expert", "merge")
    op.create_table(
        "prediction",
        _id(),
        *(_number(f"{owner}_id", nullable=True) for owner in owners),
        _number("target_id", nullable=True),
        _text("sentences_sha256"),
        _text("prompt_format"),
        _json("labels"),
        _text("labels_sha256"),
        _text("decoding"),
        _json("entities"),
        _number("parse_failures"),
        _json("misaligned"),
        _real("seconds"),
        _time("created_at"),
        _one_owner("prediction", *(f"{owner}_id" for owner in owners)),
        *(_reference("prediction", other) for other in (*owners, "target")),
        sa.PrimaryKeyConstraint("id", name="pk_prediction"),
        *(
            sa.UniqueConstraint(f"{owner}_id", *question, name=f"uq_prediction_{owner}_question")
            for owner in owners
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_prediction_target_id", "prediction", ["target_id"])


def _probes() -> None:
    key = ("target_id", "expert_id", "sample_key", "votes", "threshold")
    op.create_table(
        "probe",
        _id(),
        _number("expert_id"),
        _number("target_id"),
        _text("sample_key"),
        _text("votes"),
        *(_real(name) for name in ("threshold", "precision", "recall", "f1", "low", "high")),
        _number("pseudo_entities"),
        _time("created_at"),
        _reference("probe", "expert"),
        _reference("probe", "target"),
        sa.PrimaryKeyConstraint("id", name="pk_probe"),
        sa.UniqueConstraint(*key, name=f"uq_probe_{'_'.join(key)}"),
    )
    op.create_index("ix_probe_expert_id", "probe", ["expert_id"])


def _selections() -> None:
    op.create_table(
        "selection",
        _id(),
        _number("target_id"),
        _text("method"),
        _number("k"),
        _json("parameters"),
        _json("ranking"),
        _json("chosen"),
        _time("created_at"),
        sa.CheckConstraint("method IN ('similarity', 'sampling')", name=op.f("ck_selection_method")),
        _reference("selection", "target"),
        sa.PrimaryKeyConstraint("id", name="pk_selection"),
    )
    op.create_index("ix_selection_target_id", "selection", ["target_id"])


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
