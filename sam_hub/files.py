"""The one way in which files are written: whole, or not at all."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any


def write_atomic(path: Path, content: str | bytes, *, private: bool = False) -> None:
    """Write a file under a temporary name beside it, then rename it: a reader sees the old one or the new one.

    Args:
        content: text is written as UTF-8.
        private: only its owner may read it; otherwise the process's umask decides.

    Raises:
        OSError: it can't be written; the old file is untouched, and nothing is left beside it.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    mode = 0o600 if private else 0o666
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any, *, private: bool = False) -> None:
    """Write a value as indented JSON, as `write_atomic` does."""
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n", private=private)
