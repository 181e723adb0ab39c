"""Column types for paths: those in the catalog's folder are stored relative to it, so a home can be moved or copied."""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy import JSON, Dialect
from sqlalchemy.types import TypeDecorator
from sqlmodel import AutoString

_HOME = "{home}"


def _exchange(value: Any, old: str, new: str) -> Any:
    """Return a value in which every path that is ``old``, or in it, begins with ``new``."""
    if isinstance(value, dict):
        return {key: _exchange(part, old, new) for key, part in value.items()}
    if isinstance(value, list):
        return [_exchange(part, old, new) for part in value]
    inside = isinstance(value, str) and (value == old or value.startswith(f"{old}{os.sep}"))
    return new + value.removeprefix(old) if inside else value


class _OfHome(TypeDecorator[Any]):
    """``Dialect.home`` is the catalog's folder: `sam_hub.catalog.engine` sets it."""

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return _exchange(value, dialect.home, _HOME)  # type: ignore[attr-defined]

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return _exchange(value, _HOME, dialect.home)  # type: ignore[attr-defined]


class StoredPath(_OfHome):
    """An absolute path."""

    impl = AutoString
    cache_ok = True


class StoredJson(_OfHome):
    """Plain values with absolute paths anywhere in them."""

    impl = JSON
    cache_ok = True
