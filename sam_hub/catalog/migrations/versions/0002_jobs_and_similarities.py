"""Jobs; cosines of experts to targets; indexes by which 100,000 experts are sorted as fast as 100."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

STATES = "'queued', 'running', 'cancelling', 'done', 'failed', 'cancelled', 'interrupted'"
SORTED_BY = ("domain", "base_repo", "size_bytes", "added_at")


def upgrade() -> None:
    """Add both tables, and the indexes of the lists."""
    _similarities()
    _jobs()
    for column in SORTED_BY:
        columns = [column, "repo"]
        op.create_index(f"ix_expert_current_{column}", "expert", columns, sqlite_where=sa.text("current"))


def _similarities() -> None:
    references = [
        sa.ForeignKeyConstraint(
            [f"{other}_id"], [f"{other}.id"], name=f"fk_similarity_{other}_id", ondelete="CASCADE"
        )
        for other in ("target", "expert")
    ]
    op.create_table(
        "similarity",
        sa.Column("target_id", sa.Integer(), nullable=False),
        sa.Column("expert_id", sa.Integer(), nullable=False),
        sa.Column("cosine", sa.Float(), nullable=False),
        *references,
        sa.PrimaryKeyConstraint("target_id", "expert_id", name="pk_similarity"),
    )
    op.create_index("ix_similarity_expert_id", "similarity", ["expert_id"])
    _fill()


def _fill() -> None:
    """Targets and experts that were described before get their cosines."""
    import numpy as np

    pairs = op.get_bind().exec_driver_sql(
        "SELECT t.target_id, e.expert_id, t.vector, e.vector FROM descriptor t JOIN descriptor e "
        "ON t.target_id IS NOT NULL AND e.expert_id IS NOT NULL AND t.embedder = e.embedder "
        "AND t.revision = e.revision AND length(t.vector) = length(e.vector)"
    )
    for target_id, expert_id, one, other in pairs.all():
        cosine = float(np.clip(np.dot(*(np.frombuffer(v, dtype="<f4") for v in (one, other))), -1.0, 1.0))
        op.get_bind().exec_driver_sql(
            "INSERT OR REPLACE INTO similarity VALUES (?, ?, ?)", (target_id, expert_id, cosine)
        )


def _jobs() -> None:
    texts = ("kind", "title", "queue", "state")
    op.create_table(
        "job",
        sa.Column("id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in texts),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("pid_started", sa.Float(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("error_title", sa.String(), nullable=True),
        sa.Column("error_action", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(f"state IN ({STATES})", name=op.f("ck_job_state")),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_state", "job", ["state"])
