"""Markdown of cards: lists, tables, numbers, and a last look for what must stay private."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sam_hub.errors import InputError

_PRIVATE = (
    (re.compile(r"\bhf_[A-Za-z0-9]{20,}"), "an access token"),
    (re.compile(r"(?<![\w/.:-])/(home|Users|root|tmp|var|work|mnt|data|opt|private)/\S+"), "a local path"),
    (re.compile(r"(?<![\w])[A-Za-z]:\\[^\s\\]+\\"), "a local path"),
    (re.compile(r"\bfile://"), "a local path"),
    (re.compile(r"https?://(127\.0\.0\.1|localhost|\[::1\])"), "an address of this machine"),
)


def public_text(parts: Iterable[str]) -> str:
    """The parts that are not empty, as one text that may leave this machine.

    Raises:
        InputError: it holds a token, a local path or a local address; a token is not repeated.
    """
    text = "\n\n".join(part for part in parts if part) + "\n"
    for pattern, what in _PRIVATE:
        if found := pattern.search(text):
            shown = "" if what == "an access token" else f": {found.group()[:80]}"
            raise InputError(
                f"The model card would hold {what}{shown}", "Name models by their repository instead."
            )
    return text


def number(value: float | None) -> str:
    """Three decimals, or a dash for None."""
    return "–" if value is None else f"{value:.3f}"


def percent(share: float | None) -> str:
    """A share of 0 to 1 in per cent, or a dash for None."""
    return "–" if share is None else f"{100 * share:.1f}%"


def bullets(values: Mapping[str, Any]) -> str:
    """One line a value, under its name."""
    return "\n".join(f"- **{_line(name)}:** {_line(value)}" for name, value in values.items())


def table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """A table; what is in a cell can't break it."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(_line(value) for value in line) + " |" for line in lines)


def code(language: str, text: str) -> str:
    """A block of code."""
    return f"```{language}\n{text}\n```"


def _line(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
