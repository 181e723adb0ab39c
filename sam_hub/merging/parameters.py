"""Parameters as people write them: ``name=value``, in a command's options or in a line of text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sam_hub.errors import UsageError

# Before the next name: a list's own commas and blanks (density=[0.3, 0.5]) are no boundary.
_BETWEEN = re.compile(r"[\s,]+(?=[A-Za-z_]\w*\s*=)")


def pairs(text: str) -> list[str]:
    """The ``name=value`` pairs of a line, with blanks or commas between them."""
    return [pair for pair in _BETWEEN.split(text.strip(" ,\t")) if pair]


def parameters(pairs: Sequence[str]) -> dict[str, Any]:
    """``name=value`` pairs; numbers and booleans are read as such.

    Raises:
        UsageError: a pair has no "=".
    """
    import yaml

    if bad := [pair for pair in pairs if "=" not in pair]:
        raise UsageError(f"'{bad[0]}' is not a parameter", "Write it as name=value, such as density=0.5.")
    split = (pair.partition("=") for pair in pairs)
    try:
        return {name.strip(): _number(yaml.safe_load(value)) for name, _, value in split}
    except yaml.YAMLError as error:
        raise UsageError("A parameter's value can't be read", "Use numbers, true, or false.") from error


def weights(text: str) -> tuple[float, ...]:
    """The numbers of a line, with blanks or commas between them.

    Raises:
        UsageError: a word is no number.
    """
    found = []
    for word in text.replace(",", " ").split():
        try:
            found.append(float(word))
        except ValueError as error:
            raise UsageError(f"'{word}' is not a weight", "Write numbers, such as 1 0.5.") from error
    return tuple(found)


def _number(value: Any) -> Any:
    """YAML takes 8e-4, without a point, for text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
