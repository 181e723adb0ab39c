"""The demo's home, where its base is there already."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sam_hub.config import FILE_NAME, Settings, load_settings
from sam_hub.demo.setup import demo_home, prepare_home
from sam_hub.errors import DiskFull


def test_what_a_person_has_set_in_the_demos_home_stays(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    home = demo_home(settings)
    base = home / "base" / "SmolLM2-135M-Instruct"
    base.mkdir(parents=True)
    (base / "model.safetensors").touch()
    assert prepare_home(settings) == base
    with (home / FILE_NAME).open("a") as file:
        file.write('theme = "nord"\n')
    prepare_home(settings)
    made = load_settings(home=home)
    assert (made.endpoint, made.theme) == ("embedded", "nord")


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path)
    full = shutil.disk_usage(tmp_path)._replace(free=100_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    with pytest.raises(DiskFull, match=r"needs 500\.0 MB in .*demo.* Free 400\.0 MB, or set SAM_HUB_HOME"):
        prepare_home(settings, room=500_000_000)
    assert list(demo_home(settings).iterdir()) == []


def test_what_the_demo_has_already_needs_no_more_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path)
    base = demo_home(settings) / "base" / "SmolLM2-135M-Instruct"
    base.mkdir(parents=True)
    with (base / "model.safetensors").open("wb") as weights:
        weights.truncate(450_000_000)
    (base / "a name more").hardlink_to(base / "model.safetensors")
    full = shutil.disk_usage(tmp_path)._replace(free=100_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    assert prepare_home(settings, room=500_000_000) == base
    with pytest.raises(DiskFull):
        prepare_home(settings, room=600_000_000)
