"""Which tests are slow (`pytest -m "not slow"` leaves them out), and what all have in common."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

# For the many processes that the tests start, too. On models so small, more threads only wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"
# Where it is set, each process compiles all of sam-hub, which takes longer than most of what it does.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# What a shell starts in the background ignores Ctrl+C, and so does all that it starts: tests that send one would wait.
signal.signal(signal.SIGINT, signal.default_int_handler)

SLOW = (
    "end_to_end",
    "demo/test_pipeline.py",
    "hub/test_loading.py",
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
    # The longest files, then what is slow, so that no process is left with it at the end.
    longest = ("test_demo.py", "test_new_home.py")
    items.sort(key=lambda item: (item.path.name not in longest, "slow" not in item.keywords))
