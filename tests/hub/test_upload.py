"""A folder is put on a Hub as one commit, checked afterwards, and never twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_hub.errors import HubError, InputError, NotFoundOnHub
from sam_hub.hub.client import Hub
from sam_hub.hub.upload import plan_push, push
from tests.support.reporters import Recorder


def test_a_new_model_is_private_and_one_commit(hub: Hub, adapter: Path) -> None:
    plan = plan_push(hub, adapter, "acme/new")
    assert (plan.creates, plan.private, len(plan.files)) == (True, True, 4)
    assert not hub.api().repo_exists("acme/new"), "a plan changes nothing"
    recorder = Recorder()
    pushed = push(hub, plan, "First version", recorder)
    assert (pushed.repo, pushed.url) == ("acme/new", f"{hub.endpoint}/acme/new")
    assert (recorder.steps[-1].done, recorder.steps[-1].unit) == (plan.size, "B")
    info = hub.api().model_info("acme/new")
    assert (info.sha, info.private) == (pushed.commit, True)
    titles = [commit.title for commit in hub.api().list_repo_commits("acme/new")]
    assert titles == ["First version", "initial commit"]


def test_pushing_the_same_again_gives_the_same_commit(hub: Hub, adapter: Path) -> None:
    first = push(hub, plan_push(hub, adapter, "acme/new", private=False), "First")
    again = plan_push(hub, adapter, "acme/new")
    assert (again.creates, again.private, again.head) == (False, False, first.commit)
    assert push(hub, again, "Second") == first


def test_weights_that_the_folder_lost_leave_the_hub(hub: Hub, adapter: Path) -> None:
    (adapter / "model-00001-of-00002.safetensors").write_bytes(b"old")
    push(hub, plan_push(hub, adapter, "acme/new"), "First")
    (adapter / "model-00001-of-00002.safetensors").unlink()
    plan = plan_push(hub, adapter, "acme/new")
    assert plan.removes == ("model-00001-of-00002.safetensors",)
    push(hub, plan, "Second")
    assert not hub.api().file_exists("acme/new", "model-00001-of-00002.safetensors")


def test_someone_elses_push_is_not_overwritten(hub: Hub, adapter: Path) -> None:
    push(hub, plan_push(hub, adapter, "acme/new"), "First")
    (adapter / "README.md").write_text("---\nlicense: mit\n---\nmine")
    plan = plan_push(hub, adapter, "acme/new")
    hub.api().upload_file(path_or_fileobj=b"theirs", path_in_repo="theirs.txt", repo_id="acme/new")
    with pytest.raises(HubError, match="changed by someone else"):
        push(hub, plan, "Second")


def test_without_a_token_one_is_told_to_log_in(stranger: Hub, adapter: Path) -> None:
    with pytest.raises(NotFoundOnHub, match="hf auth login"):
        plan_push(stranger, adapter, "acme/new")


def test_a_wrong_token_is_named_as_the_reason(hub: Hub, adapter: Path) -> None:
    wrong = Hub(hub.endpoint, "hf_wrong", hub.cache_dir)
    with pytest.raises(NotFoundOnHub, match="does not accept the token") as caught:
        plan_push(wrong, adapter, "acme/new")
    assert "hf_wrong" not in str(caught.value)


def test_a_broken_card_is_told_before_anything_is_sent(hub: Hub, adapter: Path) -> None:
    (adapter / "README.md").write_text("---\nlicense: [mit\n---\n")
    with pytest.raises(InputError, match=r"Invalid metadata in README\.md"):
        push(hub, plan_push(hub, adapter, "acme/new"), "First")


def test_files_from_elsewhere_and_pickles_in_capitals_are_not_sent(hub: Hub, adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not part of the model")
    (adapter / "notes.md").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match=r"notes\.md is a link to a file elsewhere"):
        plan_push(hub, adapter, "acme/new")
    (adapter / "notes.md").unlink()
    (adapter / "M.BIN").write_bytes(b"pickled")
    with pytest.raises(InputError, match=r"M\.BIN is a pickle"):
        plan_push(hub, adapter, "acme/new")


def test_folders_that_can_not_be_pushed(hub: Hub, adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no folder"):
        plan_push(hub, tmp_path / "none", "acme/new")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is empty"):
        plan_push(hub, tmp_path / "empty", "acme/new")
    (adapter / "optimizer.pt").write_bytes(b"x")
    with pytest.raises(InputError, match="pickle"):
        plan_push(hub, adapter, "acme/new")


def test_a_name_without_an_owner_is_refused_and_nothing_is_made(hub: Hub, adapter: Path) -> None:
    with pytest.raises(InputError, match="owner/name"):
        plan_push(hub, adapter, "news")
    assert list(hub.api().list_models()) == []


def test_a_pull_request_proposes_and_leaves_main_alone(hub: Hub, adapter: Path) -> None:
    first = push(hub, plan_push(hub, adapter, "acme/new"), "First")
    (adapter / "notes.md").write_text("a proposal")
    done = push(hub, plan_push(hub, adapter, "acme/new", pull_request=True), "A proposal")
    assert done.url == f"{hub.page('acme/new')}/discussions/1"
    assert hub.api().model_info("acme/new").sha == first.commit
    assert "notes.md" in hub.api().list_repo_files("acme/new", revision="refs/pr/1")


def test_a_pull_request_needs_a_repository(hub: Hub, adapter: Path) -> None:
    with pytest.raises(NotFoundOnHub, match="There is no repository 'acme/none' to open a pull request in"):
        plan_push(hub, adapter, "acme/none", pull_request=True)
