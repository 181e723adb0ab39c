"""Settings come from the environment, then from the file in the home folder, then from defaults."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sam_hub.config import PUBLIC_HUB, load_settings, share_processors
from sam_hub.errors import UsageError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SAM_HUB_HOME", str(tmp_path))
    return tmp_path


def test_everything_lies_under_the_home(home: Path) -> None:
    settings = load_settings()
    assert settings.home == home
    assert settings.catalog_url == f"sqlite:///{home / 'catalog.db'}"
    assert {settings.models.parent, settings.merges.parent} == {home}


def test_the_hub_is_the_public_one_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().endpoint == PUBLIC_HUB
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:8111/")
    monkeypatch.setenv("HF_TOKEN", "secret")
    settings = load_settings()
    assert (settings.endpoint, settings.token) == ("http://127.0.0.1:8111", "secret")


def test_a_token_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert "secret" not in repr(load_settings())


def test_the_environment_goes_before_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "settings.toml").write_text('threads = 1\nendpoint = "http://hub.example"\n')
    monkeypatch.setenv("SAM_HUB_THREADS", "2")
    settings = load_settings()
    assert (settings.threads, settings.endpoint) == (2, "http://hub.example")


@pytest.mark.parametrize("text", ["threads = many", "threads = -1", "colour = 'red'"])
def test_a_bad_file_is_named(home: Path, text: str) -> None:
    (home / "settings.toml").write_text(text)
    with pytest.raises(UsageError, match=r"settings\.toml"):
        load_settings()


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "SAM_HUB_THREADS"):
        monkeypatch.setenv(name, "")
    settings = load_settings()
    assert (settings.offline, settings.token, settings.threads) == (False, None, 0)


def test_waiting_threads_leave_the_processors_to_others_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "0")  # to be put back afterwards
    monkeypatch.delenv("GOMP_SPINCOUNT")
    share_processors()
    assert os.environ["GOMP_SPINCOUNT"] == "10000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    share_processors()
    assert os.environ["GOMP_SPINCOUNT"] == "7"
