"""What a job was told, and what came of it, in words: a line for each field."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime


def filled_fields(values: Mapping[str, object]) -> dict[str, str]:
    """Return the fields that have a value, in words."""
    return {name: in_words(value) for name, value in values.items() if value not in (None, "", [], {})}


def in_words(value: object) -> str:
    """Return a value on one line: a moment in local time, a collection with its items, or their number if nested."""
    if isinstance(value, Mapping | list | tuple):
        items = list(value.values() if isinstance(value, Mapping) else value)
        if any(isinstance(item, Mapping | list | tuple) for item in items):
            return f"{len(items)} {'entry' if len(items) == 1 else 'entries'}"
        if isinstance(value, Mapping):
            return "; ".join(f"{name}: {in_words(item)}" for name, item in value.items())
        return ", ".join(map(in_words, items))
    if isinstance(value, datetime):
        return f"{value.astimezone():%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return f"{value:.1f}" if value >= 1 else f"{value:.3f}"
    return "" if value is None else str(value)
