"""A commit that the Hub has acknowledged is there and whole, whatever is killed and whoever else writes."""

from __future__ import annotations

import hashlib
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

from sam_hub.hub.client import Hub
from tests.support.hubs import RunningHub, hub_process

COMMITS = 50
REPO = "local/much-written"


def api_of(server: RunningHub, cache: Path) -> HfApi:
    return Hub(server.endpoint, server.token, cache).api()


def files_of(number: int) -> dict[str, bytes]:
    """A large file and a small one, other ones for every commit."""
    draw = random.Random(number)
    return {f"{number}.safetensors": draw.randbytes(300_000), f"{number}.txt": draw.randbytes(40).hex().encode()}


def commit(api: HfApi, number: int, parent: str | None = None) -> str:
    operations = [CommitOperationAdd(path, data) for path, data in files_of(number).items()]
    return api.create_commit(REPO, operations, commit_message=f"commit {number}", parent_commit=parent).oid


def test_no_acknowledged_commit_is_lost_when_the_hub_is_killed_during_fifty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client retries a killed Hub five times. The test does not wait between them.
    monkeypatch.setattr("huggingface_hub.utils._http.time", SimpleNamespace(sleep=lambda seconds: None))
    root, chance = tmp_path / "hub", random.Random(11)
    with hub_process(root) as server:
        api = api_of(server, tmp_path / "cache")
        api.create_repo(REPO)
        began = time.monotonic()
        commit(api, COMMITS)
        usual = time.monotonic() - began  # by which the moments are drawn: machines are not alike
    acknowledged: dict[int, str] = {}
    for number in range(COMMITS):
        with hub_process(root) as server:
            api = api_of(server, tmp_path / "cache")
            process = psutil.Process(server.pid)
            killer = threading.Timer(chance.uniform(0, 2 * usual), process.kill)
            began = time.monotonic()
            killer.start()
            try:
                acknowledged[number] = commit(api, number)
                usual = time.monotonic() - began
            except Exception:
                assert process.wait(10) == -signal.SIGKILL  # nothing else may make a commit fail
            killer.join()
    assert 0 < len(acknowledged) < COMMITS
    with hub_process(root) as server:
        api = api_of(server, tmp_path / "cache")
        history = [one.commit_id for one in api.list_repo_commits(REPO)]
        for number, oid in acknowledged.items():
            assert oid in history
            for path, data in files_of(number).items():
                fetched = Path(api.hf_hub_download(REPO, path, revision=oid, cache_dir=tmp_path / "back"))
                assert hashlib.sha256(fetched.read_bytes()).digest() == hashlib.sha256(data).digest()
        commit(api, COMMITS + 1)  # and it goes on


@pytest.fixture
def both(tmp_path: Path) -> list[HfApi]:
    """Two clients, each of its own server process over one folder."""
    with hub_process(tmp_path / "hub") as one, hub_process(tmp_path / "hub") as other:
        apis = [api_of(server, tmp_path / "cache") for server in (one, other)]
        apis[0].create_repo(REPO)
        yield apis


def test_of_two_commits_on_one_head_one_is_refused(both: list[HfApi]) -> None:
    for turn in range(5):
        head, outcomes = both[0].model_info(REPO).sha, []

        def attempt(number: int, head: str | None = head, turn: int = turn) -> str | int:
            try:
                return commit(both[number], 2 * turn + number, head)
            except HfHubHTTPError as error:
                return error.response.status_code

        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(attempt, (0, 1)))
        assert sorted(type(outcome) for outcome in outcomes if outcome == 412) == [int], outcomes
        (winner,) = (outcome for outcome in outcomes if outcome != 412)
        assert both[1].model_info(REPO).sha == winner


def test_two_that_commit_at_once_without_a_parent_lose_nothing(both: list[HfApi]) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda number: commit(both[number % 2], number), range(12)))
    there = set(both[0].list_repo_files(REPO))
    assert {path for number in range(12) for path in files_of(number)} <= there


def test_what_no_commit_names_is_collected_a_day_later(tmp_path: Path) -> None:
    import os

    from sam_hub.local_hub.storage import Storage

    with hub_process(tmp_path / "hub") as server:
        api = api_of(server, tmp_path / "cache")
        api.create_repo(REPO)
        commit(api, 1)
        commit(api, 2)
        api.create_repo("local/gone")
        api.upload_file(path_or_fileobj=b"only here" * 99, path_in_repo="a.bin", repo_id="local/gone")
        api.delete_repo("local/gone")
        api.delete_file("1.safetensors", REPO)
    storage = Storage(tmp_path / "hub")
    assert storage.collect() == 0
    long_ago = time.time() - 2 * 24 * 3600
    for path in (tmp_path / "hub" / "blobs").glob("??/*"):
        os.utime(path, (long_ago, long_ago))
    assert storage.collect() == len(b"only here" * 99)
    with hub_process(tmp_path / "hub") as server:  # the history keeps what was deleted
        api = api_of(server, tmp_path / "cache")
        old = next(c.commit_id for c in api.list_repo_commits(REPO) if c.title == "commit 1")
        path = api.hf_hub_download(REPO, "1.safetensors", revision=old, cache_dir=tmp_path / "back")
        assert Path(path).read_bytes() == files_of(1)["1.safetensors"]
