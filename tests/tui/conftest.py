"""A home with a filled catalog, and the UI on it in a terminal of a known size."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from sam_hub.config import Settings, load_settings
from sam_hub.tui.app import SamHubApp
from tests.support.tiny_hub import CORPUS, EXPERTS, GOLD, fill_hub
from tests.tui.filled import add_target, fill

PRELOAD = [
    "huggingface_hub.hf_api",
    "sam_hub.catalog.queries",
    "sam_hub.catalog.removal",
    "sam_hub.evaluation.publication",
    "sam_hub.evaluation.systems",
    "sam_hub.hub.inspection",
    "sam_hub.hub.search",
    "sam_hub.hub.upload",
    "sam_hub.merging.service",
    "sam_hub.selection.service",
]
WIDE, NARROW = (120, 36), (80, 24)
Condition = Callable[[], object]


@pytest.fixture(scope="package", autouse=True)
def quick_processes() -> Iterator[None]:
    """Fork the services' processes from one that has imported them: two hundred UIs start two each.

    `tests/services/test_pool.py` starts them as users do, and so does what drives a terminal.
    """
    import multiprocessing

    from sam_hub.services import pool

    multiprocessing.set_forkserver_preload(PRELOAD)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "START_METHOD", "forkserver")
        yield


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an empty home, with nothing of this machine in them."""
    for name in ("HF_TOKEN", "HF_ENDPOINT", "SAM_HUB_THEME", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SAM_HUB_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return load_settings(offline=True)


@pytest.fixture
def filled(settings: Settings, tmp_path: Path) -> Settings:
    """Seven experts and a target."""
    fill(settings.catalog_url, 7)
    add_target(settings.catalog_url, tmp_path)
    return settings


@pytest.fixture
def environment(filled: Settings) -> dict[str, str]:
    """Where the UI finds the filled home, and nothing of the network."""
    return {"SAM_HUB_HOME": str(filled.home), "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="session")
def worked_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home where the whole job was done with tiny models, from the experts on its own Hub to the scores."""
    from sam_hub.hub.embedded import stop_shared_hub
    from sam_hub.services.context import AppContext
    from sam_hub.services.evaluation import run_evaluation
    from sam_hub.services.experts import run_add, run_pull
    from sam_hub.services.merges import run_merges
    from sam_hub.services.options import (
        AddOptions,
        EvaluationOptions,
        MergeOptions,
        PullOptions,
        SelectOptions,
        TargetOptions,
    )
    from sam_hub.services.selection import run_selection
    from sam_hub.services.targets import run_create_target

    work = tmp_path_factory.mktemp("worked")
    home = work / "home"
    home.mkdir()
    fill_hub(work / "models").rename(home / "hub")
    (work / "corpus.txt").write_text(CORPUS)
    (work / "gold.jsonl").write_text(GOLD)
    repos = tuple(f"acme/ner-{name}" for name in EXPERTS)
    texts = {"corpus": work / "corpus.txt", "gold": work / "gold.jsonl"}
    settings = load_settings(home=home, endpoint="embedded", token=None, offline=False, device="cpu")
    with AppContext(settings) as context:
        run_add(context, AddOptions(repos))
        for repo in repos:
            run_pull(context, PullOptions(repo))
        run_create_target(context, TargetOptions("court", labels=("person", "court"), **texts))
        run_selection(context, SelectOptions("court", k=2, min_vote_ratio=0))  # votes of tiny models are chance
        run_merges(context, MergeOptions("court", validate=False))  # votes of tiny models are chance
        run_evaluation(context, EvaluationOptions("court", singles=True))
    stop_shared_hub(settings.hub)
    return home


@pytest.fixture
def worked(worked_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A copy of that home, with a Hub of its own."""
    from sam_hub.hub.embedded import stop_shared_hub

    for name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "SAM_HUB_THEME", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "worked"
    shutil.copytree(worked_home, home)
    (home / "settings.toml").write_text('endpoint = "embedded"\ndevice = "cpu"\n')
    monkeypatch.setenv("SAM_HUB_HOME", str(home))
    settings = load_settings()
    yield settings
    stop_shared_hub(settings.hub)


@pytest.fixture
def same_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The free disk is a number of this machine: for pictures it is always the same."""
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=41 * 10**9))


async def until(pilot: Pilot, condition: Condition, seconds: float = 20) -> None:
    """Wait until something holds, and the screen shows it."""
    waited = 0.0
    while not condition():
        if waited > seconds:
            raise AssertionError(f"it never came to hold; the screen:\n{text_of(pilot.app)}")
        await asyncio.sleep(0.02)
        await pilot.pause()
        waited += 0.02
    await pilot.pause()


async def ready(pilot: Pilot) -> None:
    """Wait for the first rows (or the first use)."""
    app = pilot.app
    assert isinstance(app, SamHubApp)
    await until(pilot, lambda: app.settled and app.state.jobs_known)


def text_of(app: object) -> str:
    """What is on the screen, as lines of text."""
    screen = app.screen  # type: ignore[attr-defined]
    return "\n".join(strip.text.rstrip() for strip in screen._compositor.render_strips())
