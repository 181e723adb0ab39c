"""Which tests are slow: `pytest -m "not slow"` leaves them out."""

from __future__ import annotations

from pathlib import Path

import pytest

SLOW = (
    "end_to_end",
    "demo/test_pipeline.py",
    "local_hub/test_durability.py",
    "local_hub/test_stock_tools.py",
    "merging/test_equal_to_mergekit.py",
    "merging/test_killed.py",
    "support/test_tmux.py",
    "tui/test_terminal.py",
    "tui/test_themes.py",
    "tui/test_web.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what drives terminals, browsers, real models or stock tools, or kills processes many times; run it first."""
    root = Path(__file__).parent
    for item in items:
        if item.path.relative_to(root).as_posix().startswith(SLOW):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: "slow" not in item.keywords)  # so that no process is left with the longest at the end
