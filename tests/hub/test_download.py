"""A model is fetched at a pinned commit: checked, whole or not at all, and only once."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_hub.errors import NotFoundOnHub
from sam_hub.hub.client import Hub
from sam_hub.hub.download import plan_pull, pull
from sam_hub.progress import Progress, Reporter
from tests.support.hubs import publish
from tests.support.reporters import Recorder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def test_a_pull_is_planned_then_done_then_remembered(hub: Hub, adapter: Path, models: Path) -> None:
    (adapter / "train.py").write_text("print('not to be fetched')")
    commit = publish(hub, adapter, "acme/news")
    plan = plan_pull(hub, "acme/news", "main", models)
    assert (plan.commit, plan.folder) == (commit, models / "acme--news" / commit)
    assert (plan.to_fetch, plan.cached, plan.complete) == (plan.size, 0, False)
    recorder = Recorder()
    folder = pull(hub, plan, recorder)
    assert recorder.steps[-1] == Progress("pull acme/news: sam_hub.json", plan.size, plan.size, "B")
    assert [step.done for step in recorder.steps] == sorted(step.done for step in recorder.steps)
    for file in plan.files:
        assert (folder / file.path).read_bytes() == (adapter / file.path).read_bytes()
        assert not (folder / file.path).is_symlink()
    assert not (folder / "train.py").exists()
    again = plan_pull(hub, "acme/news", commit, models)
    assert (again.complete, again.to_fetch) == (True, 0)
    assert pull(hub, again) == folder


def test_a_cached_model_is_not_fetched_twice(hub: Hub, adapter: Path, models: Path, tmp_path: Path) -> None:
    publish(hub, adapter, "acme/news")
    pull(hub, plan_pull(hub, "acme/news", "main", models))
    elsewhere = plan_pull(hub, "acme/news", "main", tmp_path / "elsewhere")
    assert (elsewhere.to_fetch, elsewhere.complete) == (0, False)


def test_a_damaged_cache_is_mended(hub: Hub, adapter: Path, models: Path) -> None:
    commit = publish(hub, adapter, "acme/news")
    cached = Path(hub.api().hf_hub_download("acme/news", "README.md", revision=commit, cache_dir=hub.cache_dir))
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


def test_stopping_leaves_nothing_half_written(hub: Hub, adapter: Path, models: Path) -> None:
    publish(hub, adapter, "acme/news")

    class Stop(Reporter):
        def progress(self, what: str, done: int, total: int, unit: str = "") -> None:
            if what.endswith("adapter_model.safetensors"):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(hub, plan_pull(hub, "acme/news", "main", models), Stop())
    assert list((models / "acme--news").iterdir()) == []
    assert not list(hub.cache_dir.rglob("*.incomplete"))


def test_a_private_model_looks_absent_to_strangers(hub: Hub, stranger: Hub, adapter: Path, models: Path) -> None:
    publish(hub, adapter, "acme/secret", private=True)
    with pytest.raises(NotFoundOnHub, match="no repository"):
        plan_pull(stranger, "acme/secret", "main", models)
