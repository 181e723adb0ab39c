"""How likely each label is for a mention, as a base says."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

QUESTION = ("base_id", "prompt_sha256", "decoding")


def upgrade() -> None:
    """Add their table."""
    op.create_table(
        "labelscore",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("base_id", sa.Integer(), nullable=False),
        sa.Column("prompt_sha256", sa.String(), nullable=False),
        sa.Column("decoding", sa.String(), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["base_id"], ["base.id"], name="fk_labelscore_base_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_labelscore"),
        sa.UniqueConstraint(*QUESTION, name=f"uq_labelscore_{'_'.join(QUESTION)}"),
    )
