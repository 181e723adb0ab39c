"""A home of its own, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_hub.config import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("HF_TOKEN", "HF_ENDPOINT", "SAM_HUB_TOKEN", "SAM_HUB_HOME"):
        monkeypatch.delenv(name, raising=False)
    return Settings(home=tmp_path / "home", offline=True)
