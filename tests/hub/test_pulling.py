"""A model is fetched at a pinned commit: checked, whole or not at all, and only once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sam_hub.errors import DiskFull, HubError, NotFoundOnHub, UnusableModel
from sam_hub.hub.connection import Hub
from sam_hub.hub.pulling import plan_pull, pull
from tests.hub.conftest import publish


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def _blob_of(hub_root: Path, size: int) -> Path:
    [blob] = [
        path for path in (hub_root / "blobs").rglob("*") if path.is_file() and path.stat().st_size == size
    ]
    return blob


def test_a_pull_is_planned_then_done_then_remembered(hub: Hub, adapter: Path, models: Path) -> None:
    (adapter / "train.py").write_text("print('not to be fetched')")
    commit = publish(hub, adapter, "acme/news")
    plan = plan_pull(hub, "acme/news", "main", models)
    assert (plan.commit, plan.folder) == (commit, models / "acme--news" / commit)
    assert (plan.to_fetch, plan.cached, plan.complete) == (plan.size, 0, False)
    assert plan.skipped == (".gitattributes", "train.py")
    seen: list[tuple[int, int, str]] = []
    folder = pull(hub, plan, lambda done, total, file: seen.append((done, total, file)))
    assert seen[-1][:2] == (plan.size, plan.size)
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    for file in plan.files:
        assert (folder / file.path).read_bytes() == (adapter / file.path).read_bytes()
        assert not (folder / file.path).is_symlink()
    again = plan_pull(hub, "acme/news", commit, models)
    assert (again.complete, again.to_fetch) == (True, 0)
    assert pull(hub, again) == folder


def test_what_was_pulled_needs_no_network(hub: Hub, adapter: Path, models: Path) -> None:
    commit = publish(hub, adapter, "acme/news")
    folder = pull(hub, plan_pull(hub, "acme/news", "main", models))
    offline = replace(hub, offline=True)
    assert pull(offline, plan_pull(offline, "acme/news", commit, models)) == folder
    with pytest.raises(HubError, match="Offline"):
        plan_pull(offline, "acme/news", "main", models)


def test_what_was_pulled_serves_when_the_hub_has_it_no_more_and_says_so(
    hub: Hub, adapter: Path, models: Path
) -> None:
    commit = publish(hub, adapter, "acme/news")
    folder = pull(hub, plan_pull(hub, "acme/news", "main", models))
    hub.api().delete_repo("acme/news")
    plan = plan_pull(hub, "acme/news", commit, models)
    assert (plan.complete, pull(hub, plan)) == (True, folder)
    assert "There is no repository 'acme/news'" in plan.because
    with pytest.raises(NotFoundOnHub):
        plan_pull(hub, "acme/news", "main", models)


KILLED = """
import os, signal, sys
from pathlib import Path
from sam_hub.hub.connection import Hub
from sam_hub.hub.pulling import plan_pull, pull
endpoint, token, cache, models = sys.argv[1:]
hub = Hub(endpoint, token, Path(cache))
pull(hub, plan_pull(hub, "acme/news", "main", Path(models)), lambda *_: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_after_a_kill_the_next_pull_succeeds_and_nothing_of_the_first_stays(
    hub: Hub, adapter: Path, models: Path
) -> None:
    commit = publish(hub, adapter, "acme/news")
    program = [sys.executable, "-c", KILLED, hub.endpoint, str(hub.token), str(hub.cache_dir), str(models)]
    assert subprocess.run(program, check=False).returncode == -signal.SIGKILL
    assert not (models / "acme--news" / commit).exists()
    partials = list(hub.cache_dir.rglob("*.incomplete"))  # which huggingface_hub would leave for ever
    assert partials
    for partial in partials:
        os.utime(partial, (time.time() - 1000,) * 2)
    folder = pull(hub, plan_pull(hub, "acme/news", "main", models))
    assert [path.name for path in (models / "acme--news").iterdir()] == [folder.name]
    assert not list(hub.cache_dir.rglob("*.incomplete"))


def test_a_cached_model_is_not_fetched_twice(hub: Hub, adapter: Path, models: Path, tmp_path: Path) -> None:
    publish(hub, adapter, "acme/news")
    pull(hub, plan_pull(hub, "acme/news", "main", models))
    elsewhere = plan_pull(hub, "acme/news", "main", tmp_path / "elsewhere")
    assert (elsewhere.to_fetch, elsewhere.complete) == (0, False)


def test_wrong_bytes_of_the_right_length_are_found(
    hub: Hub, adapter: Path, models: Path, hub_root: Path
) -> None:
    publish(hub, adapter, "acme/news")
    weights = (adapter / "adapter_model.safetensors").read_bytes()
    _blob_of(hub_root, len(weights)).write_bytes(b"\0" * len(weights))
    plan = plan_pull(hub, "acme/news", "main", models)
    with pytest.raises(UnusableModel, match=r"adapter_model\.safetensors of 'acme/news' is damaged"):
        pull(hub, plan)
    assert list((models / "acme--news").iterdir()) == []
    _blob_of(hub_root, len(weights)).write_bytes(weights)
    assert (pull(hub, plan) / "adapter_model.safetensors").read_bytes() == weights


def test_a_damaged_cache_is_mended(hub: Hub, adapter: Path, models: Path) -> None:
    commit = publish(hub, adapter, "acme/news")
    cached = Path(
        hub.api().hf_hub_download("acme/news", "README.md", revision=commit, cache_dir=hub.cache_dir)
    )
    cached.resolve().write_bytes(b"x" * cached.stat().st_size)
    folder = pull(hub, plan_pull(hub, "acme/news", commit, models))
    assert (folder / "README.md").read_bytes() == (adapter / "README.md").read_bytes()


def test_a_folder_that_lost_a_file_is_made_anew(hub: Hub, adapter: Path, models: Path) -> None:
    publish(hub, adapter, "acme/news")
    folder = pull(hub, plan_pull(hub, "acme/news", "main", models))
    (folder / "adapter_config.json").unlink()
    pull(hub, plan_pull(hub, "acme/news", "main", models))
    assert (folder / "adapter_config.json").exists()
    assert list((models / "acme--news").iterdir()) == [folder]


def test_pickles_are_refused_before_a_byte_is_fetched(hub: Hub, adapter: Path, models: Path) -> None:
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    publish(hub, adapter, "acme/pickle")
    with pytest.raises(UnusableModel, match="pickles only"):
        plan_pull(hub, "acme/pickle", "main", models)
    assert not models.exists()


def test_a_full_disk_is_foreseen(hub: Hub, adapter: Path, models: Path) -> None:
    publish(hub, adapter, "acme/news")
    plan = replace(plan_pull(hub, "acme/news", "main", models), free=10)
    with pytest.raises(DiskFull, match=r"needs 0\.0 MB of disk"):
        pull(hub, plan)
    assert not models.exists()


def test_stopping_leaves_nothing_half_written(hub: Hub, adapter: Path, models: Path) -> None:
    publish(hub, adapter, "acme/news")

    def stop(done: int, total: int, file: str) -> None:
        if file == "adapter_model.safetensors":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(hub, plan_pull(hub, "acme/news", "main", models), stop)
    assert list((models / "acme--news").iterdir()) == []
    assert not list(hub.cache_dir.rglob("*.incomplete"))


def test_a_private_model_looks_absent_to_strangers(
    hub: Hub, stranger: Hub, adapter: Path, models: Path
) -> None:
    publish(hub, adapter, "acme/secret", private=True)
    with pytest.raises(NotFoundOnHub, match="no repository"):
        plan_pull(stranger, "acme/secret", "main", models)
