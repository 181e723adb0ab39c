"""What a killed process left half-written goes; what another one is at work on stays."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from sam_hub.config import Settings
from sam_hub.services.experts import clean_up_pulls
from sam_hub.services.merges import clean_up_merges
from sam_hub.services.options import MergeOptions, PullOptions, PushOptions
from sam_hub.services.push import clean_up_pushes
from sam_hub.tempdirs import scratch_prefix, staged_folder


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
        ("merges", "push", partial(clean_up_pushes, options=PushOptions("court", "me/x"))),
        ("models/acme--news", "pull", partial(clean_up_pulls, options=PullOptions("acme/news"))),
        ("models/acme--base", "pull", partial(clean_up_pulls, options=PullOptions("acme/news"))),
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


def test_a_killed_merge_is_swept_though_nobody_has_taken_note_of_its_end(settings: Settings, killed: int) -> None:
    (settings.merges / f".0123-{killed}-9a").mkdir(parents=True)
    clean_up_merges(settings, MergeOptions("court"))
    assert list(settings.merges.iterdir()) == []


def test_a_staged_folder_takes_its_place_whole_and_the_old_one_gives_way(tmp_path: Path, killed: int) -> None:
    place = tmp_path / "models" / "a-model"
    (tmp_path / "models" / f".a-model-{killed}-77").mkdir(parents=True)
    for content in ("first", "second"):
        with staged_folder(place) as folder:
            (folder / "weights").write_text(content)
            assert not (place / "weights").exists() or (place / "weights").read_text() == "first"
        assert (place / "weights").read_text() == content
        assert [path.name for path in place.parent.iterdir()] == ["a-model"]


def interrupted(place: Path) -> None:
    with staged_folder(place) as folder:
        (folder / "weights").write_text("half")
        raise KeyboardInterrupt


def test_a_staged_folder_whose_work_fails_leaves_all_as_it_was(tmp_path: Path) -> None:
    place = tmp_path / "model"
    place.mkdir()
    (place / "weights").write_text("good")
    with pytest.raises(KeyboardInterrupt):
        interrupted(place)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (place / "weights").read_text() == "good"


def test_what_another_process_put_there_meanwhile_may_stay(tmp_path: Path) -> None:
    place = tmp_path / "model"
    with staged_folder(place, keep=place.exists) as folder:
        (folder / "weights").write_text("mine")
        place.mkdir()
        (place / "weights").write_text("theirs")
    assert (place / "weights").read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_staged_folder_is_readable_as_the_umask_says(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with staged_folder(tmp_path / "model"):
        pass
    assert (tmp_path / "model").stat().st_mode == (tmp_path / "plain").stat().st_mode
