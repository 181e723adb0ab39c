"""The embedded Hub starts, says so, guards its door, and loses nothing when it dies."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import get_session

from sam_hub.errors import InputError
from sam_hub.hub.client import Hub
from sam_hub.hub.embedded import serve_here
from sam_hub.local_hub.process import ServerFailed, listen, start
from tests.support.hubs import RunningHub, hub_process, publish


@pytest.fixture
def server(hub_root: Path) -> Iterator[RunningHub]:
    """A Hub in a process of its own."""
    with hub_process(hub_root) as process:
        yield process


def test_a_taken_port_is_one_clear_message(server: RunningHub, tmp_path: Path) -> None:
    port = int(server.endpoint.rsplit(":", 1)[1])
    with pytest.raises(InputError, match=f"Port {port} of 127.0.0.1 can't be used"):
        serve_here(tmp_path, "127.0.0.1", port, print)


def test_the_end_of_an_answer_does_not_wait_for_its_beginning_to_be_acknowledged() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # on which asyncio sets TCP_NODELAY


def test_the_command_says_that_a_port_is_taken(server: RunningHub, tmp_path: Path) -> None:
    port = server.endpoint.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "sam_hub.local_hub", "--root", str(tmp_path / "x"), "--port", port]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.strip().count("\n") == 0
    assert "can't be used" in run.stderr


def test_addresses_beyond_this_machine_are_not_served(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sam_hub.local_hub", "--root", str(tmp_path), "--host", "0.0.0.0"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, "loopback only" in run.stderr) == (1, True)


@pytest.mark.parametrize(("path", "why"), [("repos/models/acme", "earlier version"), ("hub.db", "not a database")])
def test_a_folder_that_no_hub_can_be_read_from_is_left_alone(tmp_path: Path, path: str, why: str) -> None:
    file = tmp_path / path if path.endswith(".db") else tmp_path / path / "state.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("what an earlier Hub wrote, or a disk spoiled " * 40)
    with pytest.raises(ServerFailed, match=why):
        start(tmp_path)
    assert file.read_text().startswith("what an earlier Hub wrote")


def test_a_processs_own_token_ends_with_it_and_is_kept_nowhere(hub_root: Path) -> None:
    with hub_process(hub_root) as first:
        assert first.token not in repr(first)
    with hub_process(hub_root) as second, pytest.raises(HfHubHTTPError, match="Invalid user token"):
        Hub(second.endpoint, first.token).api().whoami()
    assert not [path for path in hub_root.rglob("*") if path.is_file() and first.token.encode() in path.read_bytes()]


def test_other_host_names_are_turned_away(server: RunningHub) -> None:
    answer = get_session().get(f"{server.endpoint}/api/models", headers={"Host": "evil.example"})
    assert answer.status_code == 403


def test_a_killed_hub_keeps_what_was_committed(hub: Hub, server: RunningHub, hub_root: Path, adapter: Path) -> None:
    commits = [publish(hub, adapter, "acme/news")]
    for number in range(3):
        (adapter / "notes.txt").write_text(str(number))
        commits.append(publish(hub, adapter, "acme/news"))
    process = psutil.Process(server.pid)
    process.kill()
    process.wait()
    with hub_process(hub_root) as again:
        api = Hub(again.endpoint, again.token, hub.cache_dir).api()
        assert [commit.commit_id for commit in api.list_repo_commits("acme/news")][:4] == commits[::-1]
        path = api.hf_hub_download("acme/news", "notes.txt", revision=commits[-1], cache_dir=hub.cache_dir)
        assert Path(path).read_text() == "2"


def test_nothing_half_written_stays(hub: Hub, hub_root: Path, adapter: Path) -> None:
    publish(hub, adapter, "acme/news")
    hub.api().delete_repo("acme/news")
    assert not list(hub_root.rglob(".tmp*"))
