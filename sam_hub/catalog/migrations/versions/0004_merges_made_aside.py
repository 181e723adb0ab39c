"""Merges that were made to compare with, and stand for no selection."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column. What was merged before counts as made to be used."""
    op.add_column("merge", sa.Column("aside", sa.Boolean(), nullable=False, server_default=sa.false()))
