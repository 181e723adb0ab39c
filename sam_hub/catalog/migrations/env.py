"""How alembic reaches the catalog: on the connection, and inside the transaction, that open_catalog holds."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

from sam_hub.catalog import tables  # noqa: F401 (fills SQLModel.metadata, whose names constraints take)

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,  # SQLite changes a table by making it anew
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
