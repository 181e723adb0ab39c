"""The first schema: every table as `sam_hub.catalog.tables` declares it.

Nothing has been released yet, so that this revision follows the tables. For the first release, replace its body by what
``alembic revision --autogenerate`` writes for an empty database, and never edit it again: later revisions build on it.
"""

from __future__ import annotations

from alembic import op
from sqlmodel import SQLModel

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    SQLModel.metadata.create_all(op.get_bind())
