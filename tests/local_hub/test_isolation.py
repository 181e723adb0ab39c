"""A Hub of several users: what one of them sends, by accident or not, harms nobody else."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from sam_hub.errors import HubError
from sam_hub.hub.client import Hub
from sam_hub.hub.search import search
from sam_hub.hub.upload import plan_push, push
from sam_hub.local_hub.storage import Storage
from sam_hub.local_hub.tokens import Tokens
from tests.support.hubs import RunningHub, publish

Api = Callable[[str], HfApi]
WEIGHTS = b"\0" * 5000


@pytest.fixture
def api_of(server: RunningHub, hub_root: Path, hub: Hub) -> Api:
    """A client of a user with a token to write."""
    hub.api()  # which switches Xet off
    tokens = Tokens(hub_root)
    return lambda user: HfApi(server.endpoint, token=tokens.add(f"{user}s", user))


def ask(api: HfApi, method: str, path: str, **options: object) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {api.token}"}
    return httpx2.request(method, f"{api.endpoint}{path}", headers=headers, **options)


def lines(*items: object) -> bytes:
    return b"\n".join(json.dumps(item).encode() for item in items)


def test_the_id_of_a_gated_file_does_not_open_it(api_of: Api) -> None:
    ann, eve = api_of("ann"), api_of("eve")
    ann.create_repo("ann/gated")
    ann.upload_file(path_or_fileobj=WEIGHTS, path_in_repo="w.safetensors", repo_id="ann/gated")
    ann.update_repo_settings("ann/gated", gated="auto")
    (info,) = eve.get_paths_info("ann/gated", ["w.safetensors"])
    oid = info.lfs.sha256
    eve.create_repo("eve/steal")
    item = {"key": "lfsFile", "value": {"path": "w.safetensors", "algo": "sha256", "oid": oid}}
    answer = ask(eve, "POST", "/api/models/eve/steal/commit/main", content=lines(item))
    assert (answer.status_code, "was not uploaded" in answer.text) == (400, True)
    asked = {"operation": "upload", "objects": [{"oid": oid, "size": len(WEIGHTS)}]}
    answer = ask(eve, "POST", "/eve/steal.git/info/lfs/objects/batch", json=asked)
    assert "actions" in answer.json()["objects"][0]  # nor is it told that the Hub has it
    # Who has the bytes may send them, and they are kept once.
    eve.upload_file(path_or_fileobj=WEIGHTS, path_in_repo="w.safetensors", repo_id="eve/steal")
    assert hashlib.sha256(WEIGHTS).hexdigest() == oid
    assert eve.file_exists("eve/steal", "w.safetensors")


@pytest.mark.parametrize(
    "metadata",
    [
        "x: &a [*a]",
        "2024-01-01: x",
        "d: 2024-13-45",
        f"x: {'[' * 3000}",
        f"n: {'9' * 5000}",
        "x: .nan",
        'x: "\\ud800"',
        "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]",
    ],
)
def test_a_strange_card_spoils_no_list(hub: Hub, adapter: Path, metadata: str) -> None:
    publish(hub, adapter, "acme/news")
    api = hub.api()
    ask(api, "POST", "/api/validate-yaml", json={"content": f"---\n{metadata}\n---\n", "repoType": "model"})
    card = {"key": "file", "value": {"path": "README.md", "content": f"---\n{metadata}\n---\n# X\n"}}
    config = {"key": "file", "value": {"path": "config.json", "content": '{"architectures": [NaN, "\\ud800"]}'}}
    answer = ask(api, "POST", "/api/models/acme/news/commit/main", content=lines(card, config))
    assert answer.status_code == 200, answer.text
    assert [found.repo for found in search(hub, "news")] == ["acme/news"]
    for path in ("/api/models?full=1&cardData=1&config=1", "/api/models/acme/news", "/acme/news"):
        assert ask(api, "GET", path).status_code == 200


def test_a_repository_deleted_during_a_commit_is_gone_and_can_be_made_again(hub: Hub) -> None:
    api = hub.api()
    api.create_repo("acme/news")
    begun, deleted = threading.Event(), threading.Event()

    def body() -> Iterator[bytes]:
        yield lines({"key": "header", "value": {"summary": "x"}}) + b"\n"
        begun.set()
        deleted.wait(10)
        yield lines({"key": "file", "value": {"path": "a.txt", "content": "a"}})

    answers: list[httpx2.Response] = []
    path = "/api/models/acme/news/commit/main"
    thread = threading.Thread(target=lambda: answers.append(ask(api, "POST", path, content=body())))
    thread.start()
    begun.wait(10)
    time.sleep(0.2)
    api.delete_repo("acme/news")
    deleted.set()
    thread.join()
    assert (answers[0].status_code, answers[0].headers["X-Error-Code"]) == (404, "RepoNotFound")
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("acme/news")
    api.create_repo("acme/news")
    assert api.list_repo_files("acme/news") == [".gitattributes"]


def test_what_was_moved_is_not_collected_as_garbage(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "hub")
    repository = storage.create("models", "acme/b", private=False)
    (entry,) = repository.commit_of("main").files.values()
    blob = storage.blobs.path(entry.sha256)
    os.utime(blob, (1, 1))
    storage.move(repository, "acme/c")
    storage.collect()
    assert blob.is_file()


def test_a_name_taken_by_another_since_the_plan_stops_the_push(hub: Hub, adapter: Path) -> None:
    plan = plan_push(hub, adapter, "acme/new", private=True)
    api = hub.api()
    api.create_repo("acme/new", private=False)
    api.upload_file(path_or_fileobj=WEIGHTS, path_in_repo="model.safetensors", repo_id="acme/new")
    before = api.model_info("acme/new").sha
    with pytest.raises(HubError, match="was created by someone else in the meantime"):
        push(hub, plan, "First version")
    assert api.model_info("acme/new").sha == before


def test_a_branch_that_is_called_like_a_commit_does_not_stand_for_it(hub: Hub, adapter: Path) -> None:
    api = hub.api()
    commit = publish(hub, adapter, "acme/news")
    for name in (commit, "refs/pr/1"):
        with pytest.raises(HfHubHTTPError, match="Invalid name of a branch or tag"):
            api.create_branch("acme/news", branch=name)


def test_half_a_character_is_refused(hub: Hub, adapter: Path) -> None:
    publish(hub, adapter, "acme/news")
    for item in (
        {"key": "file", "value": {"path": "a\ud800.txt", "content": "a"}},
        {"key": "file", "value": {"path": "a.txt", "content": "\ud800"}},
        {"key": "header", "value": {"summary": "\ud800"}},
    ):
        answer = ask(hub.api(), "POST", "/api/models/acme/news/commit/main", content=lines(item))
        assert (answer.status_code, "Invalid JSON" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/models?limit=²", None),
        ("GET", "/api/models/acme/news/revision/%00%01x", None),
        ("POST", "/api/models/acme/news/preupload/main", b'{"files": null}'),
        ("POST", "/api/models/acme/news/preupload/main", b'{"files": ["a"]}'),
        ("POST", "/api/models/acme/news/preupload/main", b'{"files": [{"path": "a", "size": "abc"}]}'),
        ("POST", "/acme/news.git/info/lfs/objects/batch", b'{"operation": "upload", "objects": null}'),
        ("POST", "/acme/news.git/info/lfs/objects/batch", b'{"operation": "upload", "transfers": null}'),
        ("POST", "/api/repos/create", b"[" * 200_000),
        ("POST", "/api/models/acme/news/commit/main", b"[" * 200_000),
        ("POST", "/api/models/acme/news/commit/main", lines({"key": "x" * 100_000, "value": {}})),
        (
            "POST",
            "/api/models/acme/news/commit/main",
            lines({"key": "file", "value": {"path": "a", "content": "é", "encoding": "base64"}}),
        ),
        ("PUT", "/uploads/x?ticket=²", b""),
        ("PUT", "/api/models/acme/news/settings", b'{"private": "false"}'),
        ("PUT", "/api/models/acme/news/settings", b'{"gated": 0}'),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(
    hub: Hub, adapter: Path, method: str, path: str, body: bytes | None
) -> None:
    publish(hub, adapter, "acme/news")
    answer = ask(hub.api(), method, path, content=body)
    assert answer.status_code in (400, 403, 404)
    assert 0 < len(answer.headers["X-Error-Message"]) <= 2000
    assert hub.api().model_info("acme/news").private is False


def test_lists_are_whole_while_repositories_come_and_go(hub: Hub, adapter: Path) -> None:
    publish(hub, adapter, "acme/news")
    api, stop, seen = hub.api(), threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            seen.append(ask(api, "GET", "/api/models?full=1").status_code)

    lister = threading.Thread(target=look)
    lister.start()
    for _ in range(20):
        api.create_repo("acme/passing")
        api.delete_repo("acme/passing")
    stop.set()
    lister.join()
    assert set(seen) == {200}


def test_who_may_not_write_may_propose(api_of: Api) -> None:
    ann, bob = api_of("ann"), api_of("bob")
    ann.create_repo("ann/model")
    with pytest.raises(HfHubHTTPError, match="403"):
        bob.upload_file(path_or_fileobj=WEIGHTS, path_in_repo="w.safetensors", repo_id="ann/model")
    proposed = bob.upload_file(
        path_or_fileobj=WEIGHTS, path_in_repo="w.safetensors", repo_id="ann/model", create_pr=True
    )
    assert proposed.pr_num == 1
    assert not ann.file_exists("ann/model", "w.safetensors")
    (shown,) = ann.get_repo_discussions("ann/model")
    assert (shown.num, shown.is_pull_request, shown.author) == (1, True, "bob")


def test_the_folder_of_a_hub_is_its_owners_alone(server: RunningHub, hub_root: Path) -> None:
    assert hub_root.stat().st_mode & 0o077 == 0


def test_a_card_that_begins_with_a_rule_is_shown_whole(hub: Hub) -> None:
    api = hub.api()
    api.create_repo("acme/ruled")
    text = b"-----\n# Title\nText that stays\n\na | b\n---|---\n1 | 2\n"
    api.upload_file(path_or_fileobj=text, path_in_repo="README.md", repo_id="acme/ruled")
    assert "Text that stays" in ask(api, "GET", "/acme/ruled").text


def test_weights_in_folders_are_other_models_and_stay(hub: Hub, adapter: Path) -> None:
    publish(hub, adapter, "acme/news")
    path = "variants/fr/adapter_model.safetensors"
    hub.api().upload_file(path_or_fileobj=WEIGHTS, path_in_repo=path, repo_id="acme/news")
    assert plan_push(hub, adapter, "acme/news").removes == ()
