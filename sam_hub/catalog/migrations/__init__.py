"""The catalog's schema, version by version; alembic runs them, `open_catalog` calls alembic."""
