"""The embedded Hub answers huggingface_hub's own client as the real Hub does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import get_session

from sam_hub.hub.client import Hub
from sam_hub.local_hub.storage import Storage
from tests.support.hubs import publish


@pytest.fixture
def api(hub: Hub) -> HfApi:
    return hub.api()


def test_the_owner_is_known_by_the_token(api: HfApi) -> None:
    assert api.whoami()["name"] == "local"


def test_a_repository_is_created_once_and_deleted(api: HfApi) -> None:
    assert api.create_repo("acme/news") == api.create_repo("acme/news", exist_ok=True)
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo("acme/news")
    api.delete_repo("acme/news")
    assert not api.repo_exists("acme/news")


def test_a_folder_comes_back_byte_for_byte(api: HfApi, adapter: Path, tmp_path: Path, hub: Hub) -> None:
    (adapter / "deep" / "folder").mkdir(parents=True)
    (adapter / "deep" / "folder" / "notes.txt").write_bytes(os.urandom(1000))
    commit = publish(hub, adapter, "acme/news")
    there = Path(api.snapshot_download("acme/news", revision=commit, cache_dir=tmp_path / "other"))
    for file in adapter.rglob("*"):
        if file.is_file():
            assert (there / file.relative_to(adapter)).read_bytes() == file.read_bytes()


def test_uploading_the_same_again_makes_no_commit(hub: Hub, adapter: Path) -> None:
    assert publish(hub, adapter, "acme/news") == publish(hub, adapter, "acme/news")
    assert len(hub.api().list_repo_commits("acme/news")) == 2  # the initial one, and the upload


def test_part_of_a_file_can_be_fetched(hub: Hub, adapter: Path) -> None:
    publish(hub, adapter, "acme/news")
    url = f"{hub.endpoint}/acme/news/resolve/main/adapter_model.safetensors"
    answer = get_session().get(url, headers={"Range": "bytes=8-15"})
    whole = (adapter / "adapter_model.safetensors").read_bytes()
    assert (answer.status_code, answer.content) == (206, whole[8:16])
    assert get_session().get(url, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416


def test_folders_and_paths_are_listed(api: HfApi, hub: Hub, adapter: Path) -> None:
    (adapter / "extra").mkdir()
    (adapter / "extra" / "a.json").write_text("{}")
    publish(hub, adapter, "acme/news")
    assert [item.path for item in api.list_repo_tree("acme/news", "extra")] == ["extra/a.json"]
    assert "extra" in [item.path for item in api.list_repo_tree("acme/news", expand=True)]
    assert [item.path for item in api.get_paths_info("acme/news", ["extra", "none", "README.md"])] == [
        "extra",
        "README.md",
    ]
    with pytest.raises(RemoteEntryNotFoundError):
        list(api.list_repo_tree("acme/news", "absent"))


def test_branches_and_tags_with_slashes(api: HfApi, hub: Hub, adapter: Path) -> None:
    commit = publish(hub, adapter, "acme/news")
    api.create_tag("acme/news", tag="v1.0")
    api.create_branch("acme/news", branch="try/this")
    api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id="acme/news", revision="try/this")
    assert api.model_info("acme/news", revision="v1.0").sha == commit
    assert api.file_exists("acme/news", "x.txt", revision="try/this")
    assert not api.file_exists("acme/news", "x.txt")
    refs = api.list_repo_refs("acme/news")
    assert ([branch.name for branch in refs.branches], [tag.name for tag in refs.tags]) == (
        ["main", "try/this"],
        ["v1.0"],
    )


def test_a_commit_on_a_head_that_moved_is_refused(api: HfApi, hub: Hub, adapter: Path) -> None:
    old = publish(hub, adapter, "acme/news")
    api.upload_file(path_or_fileobj=b"mine", path_in_repo="a.txt", repo_id="acme/news")
    theirs = [CommitOperationAdd("a.txt", b"theirs")]
    with pytest.raises(HfHubHTTPError, match="412"):
        api.create_commit("acme/news", theirs, commit_message="late", parent_commit=old)


def test_files_are_deleted_and_history_keeps_them(api: HfApi, hub: Hub, adapter: Path) -> None:
    old = publish(hub, adapter, "acme/news")
    api.create_commit("acme/news", [CommitOperationDelete("README.md")], commit_message="Remove the card")
    assert not api.file_exists("acme/news", "README.md")
    assert api.file_exists("acme/news", "README.md", revision=old)


def test_models_are_found_by_what_their_cards_say(api: HfApi, hub: Hub, adapter: Path) -> None:
    for name in ("news", "news-two", "law"):
        publish(hub, adapter, f"acme/{name}")
    api.upload_file(path_or_fileobj=b"---\nlicense: cc0-1.0\n---\n", path_in_repo="README.md", repo_id="acme/law")
    assert {info.id for info in api.list_models(filter="base_model:adapter:acme/base")} == {
        "acme/news",
        "acme/news-two",
    }
    assert [info.id for info in api.list_models(search="LAW", filter=["license:cc0-1.0", "peft"])] == ["acme/law"]
    assert len(list(api.list_models(author="acme"))) == 3
    assert not list(api.list_models(author="nobody"))


def test_a_long_list_comes_in_pages(hub: Hub, api: HfApi) -> None:
    for number in range(5):
        api.create_repo(f"acme/model-{number}")
    url, pages = f"{hub.endpoint}/api/models?limit=2&author=acme", []
    while url:
        answer = get_session().get(url, headers={"Authorization": f"Bearer {hub.token}"})
        pages.append([item["id"] for item in answer.json()])
        url = answer.links.get("next", {}).get("url")
    assert [len(page) for page in pages] == [2, 2, 1]
    assert len({name for page in pages for name in page}) == 5


def test_long_trees_and_histories_come_whole(hub: Hub, api: HfApi, hub_root: Path) -> None:
    api.create_repo("acme/long")
    many = [CommitOperationAdd(f"notes/{number:04}.txt", b"same") for number in range(1_100)]
    api.create_commit("acme/long", many, commit_message="Many files")
    storage = Storage(hub_root)
    repository = storage.find("models", "acme/long")
    assert repository
    for number in range(60):
        entry = storage.keep("count.txt", str(number).encode())
        repository.commit("main", lambda files, entry=entry: files.update({entry.path: entry}), title=f"{number}")
    assert len(api.list_repo_files("acme/long")) == 1_102
    titles = [commit.title for commit in api.list_repo_commits("acme/long")]
    assert titles == [*map(str, reversed(range(60))), "Many files", "initial commit"]


def test_strangers_see_what_is_public_only(hub: Hub, stranger: Hub, adapter: Path) -> None:
    publish(hub, adapter, "acme/open")
    publish(hub, adapter, "acme/secret", private=True)
    assert [info.id for info in stranger.api().list_models()] == ["acme/open"]
    with pytest.raises(RepositoryNotFoundError):
        stranger.api().model_info("acme/secret")
    with pytest.raises(HfHubHTTPError, match="401"):
        stranger.api().create_repo("acme/mine")


def test_a_gated_model_shows_its_page_but_not_its_files(hub: Hub, stranger: Hub, adapter: Path) -> None:
    publish(hub, adapter, "acme/gated")
    hub.api().update_repo_settings("acme/gated", gated="manual")
    assert stranger.api().model_info("acme/gated").gated == "manual"
    with pytest.raises(GatedRepoError):
        stranger.api().hf_hub_download("acme/gated", "README.md", cache_dir=stranger.cache_dir)
    hub.api().auth_check("acme/gated", write=True)


def test_missing_things_are_told_apart(api: HfApi, hub: Hub, adapter: Path) -> None:
    publish(hub, adapter, "acme/news")
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("acme/none")
    with pytest.raises(RevisionNotFoundError):
        api.model_info("acme/news", revision="none")
    with pytest.raises(RemoteEntryNotFoundError):
        api.hf_hub_download("acme/news", "none.json", cache_dir=hub.cache_dir)


@pytest.mark.parametrize(
    "ask",
    [
        lambda api: api.model_info("news"),
        lambda api: api.model_info("news", revision="main"),
        lambda api: list(api.list_repo_tree("news")),
        lambda api: api.hf_hub_download("news", "config.json"),
        lambda api: api.dataset_info("news"),
    ],
    ids=["model", "revision", "tree", "file", "data set"],
)
def test_a_name_without_an_owner_is_no_repository(api: HfApi, ask: Callable[[HfApi], object]) -> None:
    with pytest.raises(RepositoryNotFoundError):
        ask(api)


def test_a_card_with_broken_metadata_is_refused(api: HfApi) -> None:
    api.create_repo("acme/news")
    with pytest.raises(ValueError, match="Invalid metadata"):
        api.upload_file(path_or_fileobj=b"---\na: [\n---\n", path_in_repo="README.md", repo_id="acme/news")


@pytest.mark.parametrize("path", ["../up.txt", "/etc/passwd", ".git/config", "a\nb.txt", "x" * 300, "a//b"])
def test_files_that_would_leave_the_repository_are_refused(hub: Hub, path: str) -> None:
    hub.api().create_repo("acme/news")
    line = '{"key": "file", "value": {"path": %s, "content": "", "encoding": "base64"}}'
    import json

    answer = get_session().post(
        f"{hub.endpoint}/api/models/acme/news/commit/main",
        content=line % json.dumps(path),
        headers={"Authorization": f"Bearer {hub.token}"},
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("name", ["..%2F..%2Fetc", "%2e%2e", "a--b", "x.git", "a%00b"])
def test_repository_names_that_climb_are_refused(hub: Hub, name: str) -> None:
    headers = {"Authorization": f"Bearer {hub.token}"}
    answer = get_session().get(f"{hub.endpoint}/api/models/acme/{name}", headers=headers)
    assert answer.status_code in (400, 404)


def test_bytes_that_are_not_those_announced_are_not_kept(hub: Hub, hub_root: Path) -> None:
    hub.api().create_repo("acme/news")
    headers = {"Authorization": f"Bearer {hub.token}"}
    wanted = {"operation": "upload", "objects": [{"oid": "0" * 64, "size": 4}]}
    batch = f"{hub.endpoint}/acme/news.git/info/lfs/objects/batch"
    action = get_session().post(batch, json=wanted, headers=headers).json()["objects"][0]["actions"]["upload"]
    assert get_session().put(action["href"], content=b"evil").status_code == 400
    assert get_session().put(action["href"].replace("ticket=", "ticket=x"), content=b"evil").status_code == 403
    assert get_session().put(action["href"].replace("0" * 64, "1" * 64), content=b"evil").status_code == 403
    assert not list(hub_root.rglob("0" * 64))
