"""The demo, run once as a user runs it, with the real base from PyPI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sam_hub.demo.base import REPO, make_base

COMMAND = [sys.executable, "-m", "sam_hub.cli", "demo", "--json"]


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def environment(demo_home: Path) -> dict[str, str]:
    return {**os.environ, "SAM_HUB_HOME": str(demo_home)}


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base from PyPI."""
    return make_base(tmp_path_factory.mktemp("base") / REPO.partition("/")[2])


def run_demo(environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def outcome(environment: dict[str, str]) -> dict[str, Any]:
    """What `sam-hub demo --json` printed."""
    return run_demo(environment)
