"""Several people share a Hub: each has tokens of a role, writes to what is theirs, and sees what they may."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from sam_hub.hub.client import Hub
from sam_hub.local_hub.responses import Refusal
from sam_hub.local_hub.tokens import Tokens
from tests.support.hubs import RunningHub, publish


@pytest.fixture
def tokens(server: RunningHub, hub_root: Path) -> Tokens:
    return Tokens(hub_root)


def client(server: RunningHub, secret: str) -> HfApi:
    return Hub(server.endpoint, secret).api()


def test_a_user_writes_to_their_own_repositories_alone(
    server: RunningHub, tokens: Tokens, hub: Hub, adapter: Path
) -> None:
    publish(hub, adapter, "acme/news")
    ann = client(server, tokens.add("laptop", "ann"))
    assert ann.whoami()["name"] == "ann"
    assert ann.create_repo("mine").repo_id == "ann/mine"
    ann.upload_file(path_or_fileobj=b"a", path_in_repo="a.txt", repo_id="ann/mine")
    assert ann.list_repo_commits("ann/mine")[0].authors == ["ann"]
    for forbidden in (
        lambda: ann.create_repo("acme/other"),
        lambda: ann.upload_file(path_or_fileobj=b"a", path_in_repo="a.txt", repo_id="acme/news"),
        lambda: ann.delete_repo("acme/news"),
        lambda: ann.move_repo("acme/news", "ann/news"),
        lambda: ann.move_repo("ann/mine", "acme/mine"),
    ):
        with pytest.raises(HfHubHTTPError, match="403"):
            forbidden()


def test_a_read_token_reads_and_does_not_write(server: RunningHub, tokens: Tokens) -> None:
    writer, reader = (client(server, tokens.add(role, "ann", role)) for role in ("write", "read"))
    writer.create_repo("ann/secret", private=True)
    assert reader.model_info("ann/secret").private
    with pytest.raises(HfHubHTTPError, match="403"):
        reader.upload_file(path_or_fileobj=b"a", path_in_repo="a.txt", repo_id="ann/secret")


def test_private_and_gated_are_for_their_owner(server: RunningHub, tokens: Tokens, hub: Hub, tmp_path: Path) -> None:
    ann, bob = (client(server, tokens.add(user, user)) for user in ("ann", "bob"))
    ann.create_repo("ann/secret", private=True)
    ann.create_repo("ann/gated")
    ann.update_repo_settings("ann/gated", gated="auto")
    with pytest.raises(RepositoryNotFoundError):
        bob.model_info("ann/secret")
    assert [model.id for model in bob.list_models()] == ["ann/gated"]
    assert {model.id for model in ann.list_models()} == {"ann/gated", "ann/secret"}
    with pytest.raises(GatedRepoError):
        bob.hf_hub_download("ann/gated", ".gitattributes", cache_dir=tmp_path)
    assert hub.api().model_info("ann/secret").id == "ann/secret"  # this Hub's owner sees all


def test_asking_for_tokens_of_a_hub_that_is_not_there_makes_none(tmp_path: Path) -> None:
    assert Tokens(tmp_path / "none").all() == []
    with pytest.raises(Refusal, match="no token"):
        Tokens(tmp_path / "none").remove("laptop")
    assert not (tmp_path / "none").exists()


def test_a_token_is_kept_as_a_hash_and_ends_when_it_is_removed(
    server: RunningHub, tokens: Tokens, hub_root: Path
) -> None:
    secret = tokens.add("laptop", "ann")
    assert client(server, secret).whoami()["name"] == "ann"
    assert not [path for path in hub_root.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert stat.S_IMODE((hub_root / "hub.db").stat().st_mode) == 0o600
    with pytest.raises(Refusal, match="already"):
        tokens.add("laptop", "bob")
    tokens.remove("laptop")
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        client(server, secret).whoami()
    with pytest.raises(Refusal, match="no token 'laptop'"):
        tokens.remove("laptop")
