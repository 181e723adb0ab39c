"""Answers to single sentences, so that what was interrupted goes on where it stopped."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

OWNERS = ("base", "expert", "merge")
QUESTION = ("prompt_sha256", "decoding", "base_commit")


def upgrade() -> None:
    """Add their table. What was predicted before stays, but can't be taken apart: it keeps no sentences."""
    count = " + ".join(f"CASE WHEN {owner}_id IS NULL THEN 0 ELSE 1 END" for owner in OWNERS)
    references = [
        sa.ForeignKeyConstraint(
            [f"{owner}_id"], [f"{owner}.id"], name=f"fk_answer_{owner}_id", ondelete="CASCADE"
        )
        for owner in OWNERS
    ]
    op.create_table(
        "answer",
        sa.Column("id", sa.Integer(), nullable=False),
        *(sa.Column(f"{owner}_id", sa.Integer(), nullable=True) for owner in OWNERS),
        *(sa.Column(name, sa.String(), nullable=False) for name in QUESTION),
        sa.Column("entities", sa.JSON(), nullable=False),
        sa.Column("parse_failed", sa.Boolean(), nullable=False),
        sa.Column("misaligned", sa.JSON(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(f"{count} = 1", name=op.f("ck_answer_one_owner")),
        *references,
        sa.PrimaryKeyConstraint("id", name="pk_answer"),
    )
    for owner in OWNERS:
        op.create_index(
            f"uq_answer_{owner}_question",
            "answer",
            [f"{owner}_id", *QUESTION],
            unique=True,
            sqlite_where=sa.text(f"{owner}_id IS NOT NULL"),
        )
