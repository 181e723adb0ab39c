"""What all tests have in common: which of them share a worker."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a file go to one worker, for its fixtures; all that use the demo's home to one."""
    for item in items:
        in_the_demo = "end_to_end" in item.path.parts
        item.add_marker(pytest.mark.xdist_group("demo" if in_the_demo else str(item.path)))
