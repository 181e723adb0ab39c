"""What the UI remembers between two starts: a small JSON file in the home."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

FILE_NAME = "tui.json"


class UiState:
    """Remembered values by name. A damaged or unwritable file is no reason to stop: nothing in it is needed."""

    def __init__(self, home: Path) -> None:
        self._file = home / FILE_NAME
        self._values: dict[str, object] = {}
        with suppress(OSError, ValueError):
            read = json.loads(self._file.read_text(encoding="utf-8"))
            self._values = read if isinstance(read, dict) else {}

    def get(self, name: str) -> object:
        """The value of this name, or None."""
        return self._values.get(name)

    def put(self, name: str, value: object) -> None:
        """Remember a value."""
        self._values[name] = value
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            scratch = self._file.with_suffix(".new")
            scratch.write_text(json.dumps(self._values), encoding="utf-8")
            scratch.replace(self._file)
