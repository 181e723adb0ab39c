"""Listing and help stay quick: nothing heavy is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "peft", "mergekit", "sentence_transformers")


@pytest.mark.parametrize(
    "code",
    [
        "import sam_hub",
        "import sam_hub.cli",
        "import sam_hub.cli.app",
        "from sam_hub.cli import run; run(['--help'])",
        "from sam_hub.cli import run; assert run(['list']) == 0",
        "from sam_hub.cli import run; assert run(['target', 'list']) == 0",
    ],
)
def test_no_heavy_import(code: str, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAM_HUB_HOME", str(tmp_path))
    check = f"import sys; {code}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
