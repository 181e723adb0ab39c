"""The network and the Hub fail, and a person gets one clear message or does not notice."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sam_hub.errors import HubError
from sam_hub.hub.connection import Hub, connect
from sam_hub.hub.inspection import inspect
from sam_hub.hub.pulling import plan_pull, pull
from sam_hub.hub.pushing import plan_push, push
from sam_hub.hub.search import search
from sam_hub.settings import Settings
from tests.hub.conftest import publish
from tests.hub.faulty import Fault, FaultyLine, faulty_line


@pytest.fixture
def line(hub: Hub) -> Iterator[FaultyLine]:
    with faulty_line(hub.endpoint) as proxy:
        yield proxy


@pytest.fixture
def far(hub: Hub, line: FaultyLine, tmp_path: Path) -> Hub:
    """The Hub, at the other end of the faulty line."""
    return replace(hub, endpoint=line.endpoint, cache_dir=tmp_path / "far")


def test_no_network_is_said_at_once(tmp_path: Path, adapter: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = Hub(f"http://127.0.0.1:{closed.getsockname()[1]}", "hf_token", tmp_path)
        for call in (
            lambda: search(dead, "news"),
            lambda: inspect(dead, "acme/news"),
            lambda: plan_pull(dead, "acme/news", "main", tmp_path),
            lambda: plan_push(dead, adapter, "acme/news"),
        ):
            with pytest.raises(HubError, match=f"No connection to {dead.endpoint}"):
                call()


def test_offline_asks_nobody(hub: Hub, line: FaultyLine, far: Hub) -> None:
    with pytest.raises(HubError, match="Offline"):
        search(replace(far, offline=True))
    assert line.requests == []


def test_a_busy_hub_is_asked_again(hub: Hub, far: Hub, line: FaultyLine, adapter: Path) -> None:
    publish(hub, adapter, "acme/news")
    line.faults = [Fault("GET /api/models/acme/news/revision", times=1, status=429)]
    line.faults += [Fault("GET /api/models/acme/news/revision", times=1, status=503)]
    assert inspect(far, "acme/news").verdict == "usable"


def test_a_hub_that_says_when_to_come_again_is_obeyed(
    hub: Hub, far: Hub, line: FaultyLine, adapter: Path
) -> None:
    publish(hub, adapter, "acme/news")
    line.faults = [Fault("GET /api/models/acme/news/revision", status=429, retry_after="2")]
    began = time.monotonic()
    assert inspect(far, "acme/news").verdict == "usable"
    assert time.monotonic() - began >= 2
    line.faults = [Fault("GET /api/models/acme/news/revision", status=429, retry_after="3600")]
    with pytest.raises(HubError, match=r"asks to slow down\. Try again in 3600 seconds"):
        inspect(far, "acme/news")


def test_a_hub_that_stays_down_is_named(far: Hub, line: FaultyLine) -> None:
    line.faults = [Fault("acme/news", times=99, status=500)]
    with pytest.raises(HubError, match="failed with status 500"):
        inspect(far, "acme/news")
    assert len(line.requests) == 4


def test_a_lost_answer_makes_no_second_commit(hub: Hub, far: Hub, line: FaultyLine, adapter: Path) -> None:
    line.faults = [Fault("POST /api/models/acme/new/commit/", lose=True)]
    pushed = push(far, plan_push(far, adapter, "acme/new"), "First version")
    titles = [commit.title for commit in hub.api().list_repo_commits("acme/new")]
    assert titles == ["First version", "initial commit"]
    assert pushed.commit == hub.api().model_info("acme/new").sha


def test_an_upload_that_breaks_is_repeated(hub: Hub, far: Hub, line: FaultyLine, adapter: Path) -> None:
    line.faults = [Fault("POST .*/commit/", status=503), Fault("POST .*/preupload/", lose=True)]
    push(far, plan_push(far, adapter, "acme/new"), "First version")
    assert len(hub.api().list_repo_commits("acme/new")) == 2


def test_a_download_that_breaks_is_repeated(
    hub: Hub, far: Hub, line: FaultyLine, adapter: Path, tmp_path: Path
) -> None:
    publish(hub, adapter, "acme/news")
    plan = plan_pull(far, "acme/news", "main", tmp_path / "models")
    line.faults = [Fault("GET /acme/news/resolve/.*safetensors", lose=True)]
    folder = pull(far, plan)
    name = "adapter_model.safetensors"
    assert (folder / name).read_bytes() == (adapter / name).read_bytes()


def test_an_etag_that_climbs_writes_nothing_outside_the_cache(
    hub: Hub, far: Hub, line: FaultyLine, adapter: Path, tmp_path: Path
) -> None:
    publish(hub, adapter, "acme/news")
    plan = plan_pull(far, "acme/news", "main", tmp_path / "models")
    line.faults = [Fault("HEAD /acme/news/resolve/", times=99, headers={"etag": '"../../../pwned"'})]
    with pytest.raises(HubError, match="ETag"):
        pull(far, plan)
    assert not list(tmp_path.rglob("*pwned*"))


def test_an_address_that_is_no_hub(tmp_path: Path) -> None:
    import http.server
    import threading

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        hub = Hub(f"http://127.0.0.1:{other.server_address[1]}", None, tmp_path)
        with pytest.raises(Exception, match="Is it a Hub's address"):
            inspect(hub, "acme/news")
        other.shutdown()


def test_a_token_goes_to_its_own_hub_only(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_meant_for_the_public_hub")
    monkeypatch.setenv("NO_PROXY", "")
    here = Hub(hub.endpoint, None, tmp_path)
    assert here.api().token is False
    connected = connect(Settings(home=tmp_path, endpoint=hub.endpoint, token=hub.token))
    assert connected.api().whoami()["name"] == "local"
    assert hub.token is not None
    assert hub.token not in repr(connected)


def test_a_lost_answer_makes_no_second_pull_request(
    hub: Hub, far: Hub, line: FaultyLine, adapter: Path
) -> None:
    push(hub, plan_push(hub, adapter, "acme/new"), "First version")
    (adapter / "notes.md").write_text("a proposal")
    line.faults = [Fault("POST /api/models/acme/new/commit/", lose=True)]
    pushed = push(far, plan_push(far, adapter, "acme/new", pull_request=True), "A proposal")
    (made,) = hub.api().list_repo_refs("acme/new", include_pull_requests=True).pull_requests or ()
    assert (made.target_commit, pushed.url.endswith("/discussions/1")) == (pushed.commit, True)
