"""The catalog of the selection's stories, with labeled sentences beside it."""

from __future__ import annotations

from tests.selection.conftest import context, models

__all__ = ["context", "models"]
