"""What a killed process left half-written goes; what another one is at work on stays."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sam_hub.config import Settings
from sam_hub.jobs.tasks.experts import PullExpert
from sam_hub.jobs.tasks.merging import MergeExperts
from sam_hub.jobs.tasks.pushing import PushMerge
from sam_hub.tempdirs import scratch_prefix


@pytest.fixture
def killed() -> Iterator[int]:
    """The number of a process that was killed, of which its parent has not taken note yet."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    process.kill()
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        continue
    yield process.pid
    process.wait()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


Sweep = Callable[[Settings], None]


@pytest.mark.parametrize(
    ("place", "kind", "sweep"),
    [
        ("merges", "push", PushMerge("court", "me/x").sweep),
        ("models/acme--news", "pull", PullExpert("acme/news").sweep),
        ("models/acme--base", "pull", PullExpert("acme/news").sweep),
    ],
)
def test_a_sweep_takes_what_the_killed_left_and_not_what_is_being_made(
    settings: Settings, killed: int, place: str, kind: str, sweep: Sweep
) -> None:
    folder = settings.home / place
    folder.mkdir(parents=True)
    at_work = Path(tempfile.mkdtemp(prefix=scratch_prefix(kind), dir=folder))
    (folder / at_work.name.replace(scratch_prefix(kind), f".{kind}-{killed}-")).mkdir()
    sweep(settings)
    assert list(folder.iterdir()) == [at_work]


def test_a_killed_merge_is_swept_though_nobody_has_taken_note_of_its_end(
    settings: Settings, killed: int
) -> None:
    (settings.merges / f".0123.{killed}.partial").mkdir(parents=True)
    MergeExperts("court").sweep(settings)
    assert list(settings.merges.iterdir()) == []
