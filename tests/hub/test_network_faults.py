"""The network and the Hub fail, and a person gets one clear message or does not notice.

The faults are those of huggingface_hub's clients as measured: what it does with each is in the comment.
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sam_hub.config import Settings
from sam_hub.errors import DiskFull, HubError, NotFoundOnHub, SamHubError, UnusableModel
from sam_hub.hub import errors
from sam_hub.hub.client import Hub, connect
from sam_hub.hub.download import plan_pull, pull
from sam_hub.hub.errors import explained
from sam_hub.hub.inspection import inspect
from sam_hub.hub.search import search
from sam_hub.hub.upload import plan_push, push
from tests.hub.faulty_proxy import Fault, FaultyLine, faulty_line
from tests.support.hubs import publish, running_hub

WEIGHTS = "adapter_model.safetensors"
RESOLVE, TREE, INFO = ("GET /acme/news/resolve/", "GET /api/models/acme/news/tree/", "GET /api/models/acme/news")
ALWAYS = 99


@pytest.fixture
def line(hub: Hub) -> Iterator[FaultyLine]:
    with faulty_line(hub.endpoint) as proxy:
        yield proxy


@pytest.fixture
def far(hub: Hub, line: FaultyLine, tmp_path: Path) -> Hub:
    """The Hub, at the other end of the faulty line."""
    return replace(hub, endpoint=line.endpoint, cache_dir=tmp_path / "far")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(errors, "FIRST_PAUSE", 0.001)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def news(hub: Hub, adapter: Path, tmp_path: Path, hub_root: Path, models: Path) -> Iterator[str]:
    """A published expert; returns its commit. After the test, only the cache and the models have changed."""
    commit = publish(hub, adapter, "acme/news")
    allowed = (hub_root, tmp_path / "far", models, tmp_path / "cache", adapter)
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(hub_root)}
    yield commit
    new = {path for path in tmp_path.rglob("*") if not any(path.is_relative_to(one) for one in allowed)}
    assert new <= before
    assert not list(models.rglob(".*")), "nothing half-written stays"


def message(kind: type[SamHubError], work: Callable[[], object]) -> str:
    """What a person reads when ``work`` fails: one sentence that says what happened, one that says what to do."""
    with pytest.raises(kind) as caught:
        work()
    assert caught.value.title
    assert caught.value.action
    assert "\n" not in str(caught.value)
    return str(caught.value)


def whole(folder: Path, adapter: Path) -> bool:
    return all((folder / file.name).read_bytes() == file.read_bytes() for file in adapter.iterdir())


def edited(change: Callable[[list[dict[str, Any]]], None]) -> Callable[[bytes], bytes]:
    """The Hub's listing of files, changed."""

    def edit(body: bytes) -> bytes:
        files = json.loads(body)
        change(files)
        return json.dumps(files).encode()

    return edit


def test_a_reset_in_the_middle_of_a_file(far: Hub, line: FaultyLine, adapter: Path, models: Path, news: str) -> None:
    """The client: a raw ReadError, which ends the snapshot."""
    plan = plan_pull(far, "acme/news", "main", models)
    line.faults = [Fault(f"{RESOLVE}.*safetensors", times=ALWAYS, cut=100)]
    assert "The connection to" in message(HubError, lambda: pull(far, plan))
    assert not list((models / "acme--news").iterdir())
    assert sum(request.startswith(RESOLVE) and WEIGHTS in request for request in line.requests) == 4
    line.faults = [Fault(f"{RESOLVE}.*safetensors", times=2, cut=100)]
    assert whole(pull(far, plan), adapter)


KILLED = """
import os, signal, sys
from pathlib import Path
from sam_hub.hub.client import Hub
from sam_hub.hub.download import plan_pull, pull
from sam_hub.progress import Reporter
endpoint, token, cache, models = sys.argv[1:]
hub = Hub(endpoint, token, Path(cache))

class Killer(Reporter):
    def progress(self, *_):
        os.kill(os.getpid(), signal.SIGKILL)

pull(hub, plan_pull(hub, "acme/news", "main", Path(models)), Killer())
"""


def test_killed_and_run_again(far: Hub, adapter: Path, models: Path, news: str) -> None:
    """The client: begins the file anew, and leaves the old partial for ever."""
    program = [sys.executable, "-c", KILLED, far.endpoint, str(far.token), str(far.cache_dir), str(models)]
    assert subprocess.run(program, check=False).returncode == -signal.SIGKILL
    assert not (models / "acme--news" / news).exists()
    partials = list(far.cache_dir.rglob("*.incomplete"))
    assert partials
    for partial in partials:
        partial.write_bytes(b"x" * 1000)
        os.utime(partial, (time.time() - 1000,) * 2)
    plan = plan_pull(far, "acme/news", "main", models)
    assert plan.partial == 1000 * len(partials)
    assert whole(pull(far, plan), adapter)
    assert [path.name for path in (models / "acme--news").iterdir()] == [news]
    assert not list(far.cache_dir.rglob("*.incomplete"))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_hub_is_asked_again(
    far: Hub, line: FaultyLine, adapter: Path, models: Path, news: str, status: int
) -> None:
    """The client: does not try again when it asks for a model, or commits."""
    line.faults = [Fault(f"{INFO}/revision", status=status), Fault(TREE, status=status)]
    assert inspect(far, "acme/news").verdict == "usable"
    line.faults = [Fault("GET /api/models[?]", status=status)]
    assert [found.repo for found in search(far, "news")] == ["acme/news"]
    (adapter / "notes.md").write_text("second version")
    line.faults = [Fault("POST .*/preupload/", status=status), Fault("POST .*/commit/", status=status)]
    pushed = push(far, plan_push(far, adapter, "acme/news"), "Second version")
    titles = [commit.title for commit in far.api().list_repo_commits("acme/news")]
    assert titles == ["Second version", "Upload", "initial commit"]
    assert pushed.commit == far.api().model_info("acme/news").sha


def test_a_hub_that_says_when_to_come_again_is_obeyed(far: Hub, line: FaultyLine, news: str) -> None:
    line.faults = [Fault(f"{INFO}/revision", status=429, retry_after="1")]
    began = time.monotonic()
    assert inspect(far, "acme/news").verdict == "usable"
    assert time.monotonic() - began >= 1
    line.faults = [Fault(f"{INFO}/revision", status=429, retry_after="3600")]
    said = message(HubError, lambda: inspect(far, "acme/news"))
    assert "limits the number of requests. Try again in 3600 seconds." in said


def test_a_hub_that_stays_down_is_named(far: Hub, line: FaultyLine, models: Path, news: str) -> None:
    """The client: says of a snapshot that it is not in the cache."""
    line.faults = [Fault("acme/news", times=ALWAYS, status=500)]
    said = message(HubError, lambda: plan_pull(far, "acme/news", "main", models))
    assert f"{far.endpoint} failed with status 500" in said
    assert len(line.requests) == 4


def test_a_lost_answer_makes_no_second_commit(hub: Hub, far: Hub, line: FaultyLine, adapter: Path) -> None:
    """The client: raises, and tried again with the same parent is told 412."""
    line.faults = [Fault("POST /api/models/acme/new/commit/", lose=True)]
    pushed = push(far, plan_push(far, adapter, "acme/new"), "First version")
    titles = [commit.title for commit in hub.api().list_repo_commits("acme/new")]
    assert titles == ["First version", "initial commit"]
    assert pushed.commit == hub.api().model_info("acme/new").sha


def test_a_lost_answer_makes_no_second_pull_request(hub: Hub, far: Hub, line: FaultyLine, adapter: Path) -> None:
    push(hub, plan_push(hub, adapter, "acme/new"), "First version")
    (adapter / "notes.md").write_text("a proposal")
    line.faults = [Fault("POST /api/models/acme/new/commit/", lose=True)]
    pushed = push(far, plan_push(far, adapter, "acme/new", pull_request=True), "A proposal")
    (made,) = hub.api().list_repo_refs("acme/new", include_pull_requests=True).pull_requests or ()
    assert (made.target_commit, pushed.url.endswith("/discussions/1")) == (pushed.commit, True)


def test_wrong_bytes_of_the_right_length(far: Hub, line: FaultyLine, adapter: Path, models: Path, news: str) -> None:
    """The client: accepts them without a word."""
    plan = plan_pull(far, "acme/news", "main", models)
    zeros = Fault(f"{RESOLVE}.*safetensors", times=ALWAYS, edit=lambda body: bytes(len(body)))
    line.faults = [zeros]
    assert f"{WEIGHTS} of 'acme/news' is damaged" in message(UnusableModel, lambda: pull(far, plan))
    assert not list((models / "acme--news").iterdir())
    size = (adapter / WEIGHTS).stat().st_size
    assert not any(path.stat().st_size == size for path in far.cache_dir.rglob("*") if path.is_file())
    line.faults = [replace(zeros, times=1)]
    assert whole(pull(far, plan), adapter)


@pytest.mark.parametrize("etag", ['"../../../pwned"', '"/tmp/pwned"', '"pwned"', '""'])
def test_an_etag_that_climbs_writes_nothing_outside_the_cache(
    far: Hub, line: FaultyLine, tmp_path: Path, models: Path, news: str, etag: str
) -> None:
    """The client: names a file by it, wherever that leads."""
    plan = plan_pull(far, "acme/news", "main", models)
    line.faults = [Fault("HEAD /acme/news/resolve/", times=ALWAYS, headers={"etag": etag})]
    assert "sent no usable ETag" in message(HubError, lambda: pull(far, plan))
    assert not list(tmp_path.rglob("*pwned*"))
    assert not Path("/tmp/pwned").exists()


@pytest.mark.parametrize(
    ("status", "code", "why"),
    [(404, "RepoNotFound", "There is no repository 'acme/news'"), (401, "", "does not accept the token")],
)
def test_a_repository_that_is_gone_and_a_token_that_has_expired(
    far: Hub, line: FaultyLine, models: Path, news: str, status: int, code: str, why: str
) -> None:
    """The client: gives what is cached, without a word."""
    folder = pull(far, plan_pull(far, "acme/news", "main", models))
    line.faults = [Fault("acme/news", times=ALWAYS, status=status, headers={"X-Error-Code": code})]
    plan = plan_pull(far, "acme/news", news, models)
    assert (plan.complete, pull(far, plan)) == (True, folder)
    assert why in plan.because
    assert why in message(NotFoundOnHub, lambda: plan_pull(far, "acme/news", "main", models))


def test_a_name_without_an_owner_is_told_how_names_are_written(hub: Hub) -> None:
    told = message(NotFoundOnHub, lambda: inspect(hub, "news"))
    assert "There is no repository 'news'" in told
    assert "Most names are owner/name. To find it, run `sam-hub search news`" in told


def test_a_gated_repository_says_where_access_is_asked_for(far: Hub, line: FaultyLine, models: Path, news: str) -> None:
    line.faults = [Fault("acme/news", times=ALWAYS, status=403, headers={"X-Error-Code": "GatedRepo"})]
    for work in (lambda: inspect(far, "acme/news"), lambda: plan_pull(far, "acme/news", "main", models)):
        assert f"Ask for access at {far.endpoint}/acme/news" in message(NotFoundOnHub, work)


def test_pickles_are_refused_before_a_byte_is_fetched(far: Hub, line: FaultyLine, models: Path, news: str) -> None:
    """The client: downloads them without a word."""

    def rename(files: list[dict[str, Any]]) -> None:
        for file in files:
            file["path"] = file["path"].replace("model.safetensors", "model.bin")

    line.faults = [Fault(TREE, times=ALWAYS, edit=edited(rename))]
    assert "pickles only" in message(UnusableModel, lambda: plan_pull(far, "acme/news", "main", models))
    assert "pickles only" in message(UnusableModel, inspect(far, "acme/news").require_usable)
    assert not any("safetensors" in request or ".bin" in request for request in line.requests)
    assert not models.exists()


def test_code_of_a_repository_is_never_run(hub: Hub, adapter: Path) -> None:
    """The client, through transformers: asks whether to."""
    (adapter / "adapter_config.json").unlink()
    (adapter / "config.json").write_text('{"auto_map": {"AutoModelForCausalLM": "evil.Model"}}')
    (adapter / "evil.py").write_text("raise SystemExit('this was run')")
    publish(hub, adapter, "acme/evil")
    said = message(UnusableModel, inspect(hub, "acme/evil").require_usable)
    assert "needs code from its repository (auto_map), which is never run" in said


def test_a_configuration_of_120_megabytes_is_not_fetched(far: Hub, line: FaultyLine, models: Path, news: str) -> None:
    """The client: has no limit."""

    def grow(files: list[dict[str, Any]]) -> None:
        for file in files:
            file["size"] = 120_000_000 if file["path"] == "adapter_config.json" else file["size"]

    line.faults = [Fault(TREE, times=ALWAYS, edit=edited(grow))]
    for work in (lambda: plan_pull(far, "acme/news", "main", models), inspect(far, "acme/news").require_usable):
        assert "adapter_config.json is too large for a configuration (120.0 MB)" in message(UnusableModel, work)
    assert not any("adapter_config.json" in request for request in line.requests)


def test_a_configuration_that_asks_for_more_than_any_model(hub: Hub, adapter: Path) -> None:
    """The client, through transformers: fails late, when the memory is gone."""
    (adapter / "adapter_config.json").unlink()
    (adapter / "config.json").write_text('{"hidden_size": 100000000}')
    publish(hub, adapter, "acme/huge")
    said = message(UnusableModel, inspect(hub, "acme/huge").require_usable)
    assert "config.json says hidden_size = 100000000, which can't be" in said


@pytest.mark.parametrize("start", [b"\xff" * 8, bytes(8), b'\x40\0\0\0\0\0\0\0[{"a":', b""])
def test_a_safetensors_header_that_is_none(far: Hub, line: FaultyLine, news: str, start: bytes) -> None:
    """The client: whatever error comes of it."""
    line.faults = [
        Fault(f"{RESOLVE}.*safetensors", times=ALWAYS, edit=lambda body: start + body[len(start) :][: -len(body) // 2])
    ]
    said = message(UnusableModel, inspect(far, "acme/news").require_usable)
    assert f"the header of {WEIGHTS} is not that of a safetensors file" in said


@pytest.mark.parametrize(
    "name", ["../../evil.json", ".git/config", "line\nbreak.txt", "x" * 300, "/etc/cron.d/x", "a\\..\\b.json"]
)
def test_names_that_do_harm(far: Hub, line: FaultyLine, models: Path, news: str, name: str) -> None:
    """The client: allows them, or the whole snapshot fails."""
    evil = {"type": "file", "path": name, "size": 2, "oid": "9e26dfeeb6e641a33dae4961196235bdb965b21b"}
    line.faults = [Fault(TREE, times=ALWAYS, edit=edited(lambda files: files.append(evil)))]
    shown = repr(name if len(name) <= 60 else f"{name[:57]}...")
    for work in (lambda: plan_pull(far, "acme/news", "main", models), inspect(far, "acme/news").require_usable):
        assert f"the file {shown} has a name that is refused" in message(UnusableModel, work)
    assert not models.exists()


def test_a_full_disk_is_foreseen_and_what_is_short_is_told(far: Hub, models: Path, news: str) -> None:
    """The client: an ENOSPC when it is full."""
    plan = replace(plan_pull(far, "acme/news", "main", models), needed=5_300_000, free=1_200_000)
    said = message(DiskFull, lambda: pull(far, plan))
    assert "'acme/news' needs 5.3 MB of disk space, and only 1.2 MB is free. Free 4.1 MB more" in said
    assert not models.exists()

    def fill() -> None:
        with explained(far, "acme/news"):
            raise OSError(errno.ENOSPC, "No space left on device", "/disk/model.safetensors")

    assert "The disk is full: /disk/model.safetensors" in message(DiskFull, fill)


def test_a_hub_whose_disk_is_full(far: Hub, line: FaultyLine, adapter: Path) -> None:
    line.faults = [Fault("PUT /uploads/", times=ALWAYS, status=507)]
    said = message(HubError, lambda: push(far, plan_push(far, adapter, "acme/new"), "First version"))
    assert f"The disk of {far.endpoint} is full" in said


def test_offline_asks_nobody(far: Hub, line: FaultyLine, adapter: Path, models: Path, news: str) -> None:
    """The client: depends on the call."""
    folder = pull(far, plan_pull(far, "acme/news", "main", models))
    line.requests.clear()
    offline = replace(far, offline=True)
    for work in (
        lambda: search(offline),
        lambda: inspect(offline, "acme/news"),
        lambda: plan_pull(offline, "acme/news", "main", models),
        lambda: plan_push(offline, adapter, "acme/news"),
    ):
        assert "Offline" in message(HubError, work)
    plan = plan_pull(offline, "acme/news", news, models)
    assert pull(offline, plan) == folder
    assert "Offline" in plan.because
    assert line.requests == []


def test_no_network_is_said_at_once(tmp_path: Path, adapter: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = Hub(f"http://127.0.0.1:{closed.getsockname()[1]}", "hf_token", tmp_path)
        for work in (
            lambda: search(dead, "news"),
            lambda: inspect(dead, "acme/news"),
            lambda: plan_pull(dead, "acme/news", "main", tmp_path),
            lambda: plan_push(dead, adapter, "acme/news"),
        ):
            assert f"No connection to {dead.endpoint}" in message(HubError, work)


def test_of_a_large_file_in_parts_only_the_lost_part_is_sent_again(tmp_path: Path, adapter: Path) -> None:
    data = bytes(range(256)) * 10_000
    (adapter / "tokenizer.model").write_bytes(data)
    with running_hub(tmp_path / "parts", part_bytes=1_000_000) as server, faulty_line(server.endpoint) as line:
        far = Hub(line.endpoint, server.token, tmp_path / "far")
        line.faults = [Fault("PUT /uploads/[0-9a-f]+/2[?]", status=503)]
        push(far, plan_push(far, adapter, "acme/large"), "First version")
        sent = [request.split("?")[0][-2:] for request in line.requests if re.match("PUT .*/[0-9][?]", request)]
        assert sent == ["/1", "/2", "/2", "/3"]
        path = far.api().hf_hub_download("acme/large", "tokenizer.model", cache_dir=far.cache_dir)
    assert Path(path).read_bytes() == data
    assert not list((tmp_path / "parts" / "parts").iterdir())


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
        assert "Check that it is the address of a Hub" in message(NotFoundOnHub, lambda: inspect(hub, "acme/news"))
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
