"""Stock tools, which know nothing of this project, work against the embedded Hub: both ways of sending large files."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import tiny_models
from tests.support.hubs import RunningHub


class Tools:
    """Runs programs as somebody would who has only set the endpoint and the token."""

    def __init__(self, server: RunningHub, home: Path, xet: str) -> None:
        self.by_xet = xet == "xet"
        self.folder = home / "work"
        self.folder.mkdir()
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("HF_", "SAM_HUB"))},
            "HF_ENDPOINT": server.endpoint,
            "HF_TOKEN": server.token,
            "HF_HOME": str(home / "hf"),
            "HF_HUB_DISABLE_XET": "1" if xet == "lfs" else "0",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
        }

    def hf(self, *arguments: str | Path) -> str:
        """The ``hf`` command; what it prints."""
        return self._run(Path(sys.executable).with_name("hf"), *arguments)

    def python(self, code: str, *arguments: str | Path) -> str:
        return self._run(sys.executable, "-c", code, *arguments)

    def _run(self, *command: str | Path) -> str:
        done = subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self._environment,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(params=["xet", "lfs"])
def tools(request: pytest.FixtureRequest, server: RunningHub, tmp_path: Path) -> Tools:
    return Tools(server, tmp_path, request.param)


def contents(kind: str) -> bytes:
    """Some megabytes that can't be packed, can be packed, or can be once every fourth byte lies together."""
    size = 3_000_001
    if kind == "random":
        return random.Random(1).randbytes(size)
    if kind == "text":
        return (b"the same words again and again " * (size // 31 + 1))[:size]
    return b"".join(number.to_bytes(4, "little") for number in range(size // 4)) + b"\1"


def test_files_come_back_as_they_were(tools: Tools, hub_root: Path) -> None:
    source = tools.folder / "model"
    source.mkdir()
    for kind in ("random", "text", "numbers"):
        (source / f"{kind}.safetensors").write_bytes(contents(kind))
    (source / "empty.bin").write_bytes(b"")
    (source / "config.json").write_text("{}")
    tools.hf("upload", "me/model", source, "--private")
    tools.hf("download", "me/model", "--local-dir", tools.folder / "back")
    for file in source.iterdir():
        assert (tools.folder / "back" / file.name).read_bytes() == file.read_bytes(), file.name
    assert any(hub_root.glob("xorbs/*/*")) == tools.by_xet


def test_a_file_that_grew_is_sent_and_comes_back(tools: Tools) -> None:
    """A client that knows what it has sent before sends the rest alone."""
    file = tools.folder / "weights.bin"
    for data in (contents("random"), contents("random") + contents("text")):
        file.write_bytes(data)
        tools.hf("upload", "me/model", file)
    tools.hf("download", "me/model", "weights.bin", "--local-dir", tools.folder / "back")
    assert (tools.folder / "back" / "weights.bin").read_bytes() == file.read_bytes()


def test_a_pull_request_leaves_main_as_it_is(tools: Tools) -> None:
    (tools.folder / "a.safetensors").write_bytes(contents("random"))
    (tools.folder / "b.safetensors").write_bytes(contents("numbers"))
    tools.hf("upload", "me/model", tools.folder / "a.safetensors")
    tools.hf("upload", "me/model", tools.folder / "b.safetensors", "--create-pr")
    listed = json.loads(
        tools.python(
            "import json; from huggingface_hub import HfApi; api = HfApi()\n"
            "refs = api.list_repo_refs('me/model', include_pull_requests=True)\n"
            "names = lambda revision: api.list_repo_files('me/model', revision=revision)\n"
            "print(json.dumps([[r.ref for r in refs.pull_requests], names('main'), names('refs/pr/1')]))"
        )
    )
    assert listed[0] == ["refs/pr/1"]
    assert "b.safetensors" not in listed[1]
    assert {"a.safetensors", "b.safetensors"} <= set(listed[2])


def test_transformers_and_peft_push_and_load_by_themselves(tools: Tools, tmp_path: Path) -> None:
    base = tiny_models.tiny_base(tmp_path / "base")
    adapter = tiny_models.tiny_adapter(base, tmp_path / "adapter")
    said = tools.python(
        f"""
from transformers import AutoModelForCausalLM, AutoTokenizer
from peft import PeftModel
model = AutoModelForCausalLM.from_pretrained({str(base)!r})
model.push_to_hub("me/base")
AutoTokenizer.from_pretrained({str(base)!r}).push_to_hub("me/base")
PeftModel.from_pretrained(model, {str(adapter)!r}).push_to_hub("me/adapter")
loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("me/base"), "me/adapter")
print(len(AutoTokenizer.from_pretrained("me/base")), type(loaded).__name__)
"""
    )
    assert "PeftModel" in said


def test_the_hf_command_does_the_rest(tools: Tools) -> None:
    assert "local" in tools.hf("auth", "whoami")
    tools.hf("repos", "create", "me/model")
    tools.hf("repos", "tag", "create", "me/model", "v1")
    assert "v1" in tools.hf("repos", "tag", "list", "me/model")
    tools.hf("repos", "branch", "create", "me/model", "dev")
    (tools.folder / "notes.txt").write_text("kept on a branch")
    tools.hf("upload", "me/model", tools.folder / "notes.txt", "--revision", "dev")
    tools.hf("download", "me/model", "notes.txt", "--revision", "dev", "--local-dir", tools.folder / "back")
    assert (tools.folder / "back" / "notes.txt").read_text() == "kept on a branch"
    tools.hf("repos", "delete", "me/model", "--yes")


EVERY_CALL = """
import json, sys
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi, HfFileSystem
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

api = HfApi()
weights, kind = sys.argv[1:]


def refused(error, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except error as raised:
        return getattr(getattr(raised, "response", None), "status_code", None)
    raise SystemExit(f"{call.__name__} was not refused")


# who, and repositories
assert api.whoami()["name"] == "local"
of = {"repo_type": kind}
url = api.create_repo("me/one", **of)
assert api.create_repo("me/one", exist_ok=True, **of) == url
assert refused(HfHubHTTPError, api.create_repo, "me/one", **of) == 409
api.auth_check("me/one", **of)
api.auth_check("me/one", write=True, **of)
api.update_repo_settings("me/one", visibility="private", **of)
assert api.repo_info("me/one", **of).private
api.update_repo_settings("me/one", visibility="public", gated="auto", **of)
assert (api.repo_info("me/one", **of).private, api.repo_info("me/one", **of).gated) == (False, "auto")
api.update_repo_settings("me/one", gated=False, **of)

# writing: a card (validated), large files, deletions, pull requests
card = b"---\\nlicense: mit\\ntags: [ner]\\n---\\n# One\\n"
first = api.create_commit("me/one", [
    CommitOperationAdd("README.md", card), CommitOperationAdd("sub/model.safetensors", weights),
    CommitOperationAdd("sub/notes.txt", b"small"),
], commit_message="First", commit_description="with a word", **of)
assert first.commit_url.endswith(f"me/one/commit/{first.oid}")
assert refused(HfHubHTTPError, api.upload_file, path_or_fileobj=b"a", path_in_repo="a.txt", repo_id="me/one",
               parent_commit="0" * 40, **of) == 412
refused(ValueError, api.upload_file, path_or_fileobj=b"---\\nlicense: [\\n---\\n", path_in_repo="README.md",
        repo_id="me/one", **of)
proposal = api.upload_file(path_or_fileobj=weights, path_in_repo="two.safetensors", repo_id="me/one",
                           create_pr=True, **of)
assert proposal.pr_num == 1

# reading
info = api.repo_info("me/one", files_metadata=True, **of)
large = {one.rfilename: one.lfs.size for one in info.siblings if one.lfs}
assert large == {"sub/model.safetensors": len(open(weights, "rb").read())}
assert info.sha == first.oid == api.repo_info("me/one", revision="main", **of).sha
tree = {item.path for item in api.list_repo_tree("me/one", recursive=True, expand=True, **of)}
assert {"README.md", "sub", "sub/model.safetensors", "sub/notes.txt"} <= tree
assert [item.path for item in api.list_repo_tree("me/one", "sub", **of)] == ["sub/model.safetensors", "sub/notes.txt"]
assert refused(EntryNotFoundError, lambda: list(api.list_repo_tree("me/one", "none", **of))) == 404
paths = api.get_paths_info("me/one", ["sub", "README.md", "none"], expand=True, **of)
assert sorted(item.path for item in paths) == ["README.md", "sub"]
assert api.file_exists("me/one", "README.md", **of) and not api.file_exists("me/one", "none", **of)
path = api.hf_hub_download("me/one", "sub/model.safetensors", **of)
assert open(path, "rb").read() == open(weights, "rb").read()
system = HfFileSystem()
prefix = "datasets/" if kind == "dataset" else ""
with system.open(f"{prefix}me/one/sub/model.safetensors", block_size=1000) as file:
    file.seek(1234)
    assert file.read(10) == open(weights, "rb").read()[1234:1244]
assert refused(EntryNotFoundError, api.hf_hub_download, "me/one", "none", **of) == 404
assert refused(RevisionNotFoundError, api.repo_info, "me/one", revision="none", **of) == 404
assert refused(RepositoryNotFoundError, api.repo_info, "me/none", **of) == 404
found = api.list_models if kind == "model" else api.list_datasets
assert [one.id for one in found(author="me", filter="ner", sort="last_modified", limit=5, full=True)] == ["me/one"]
assert [one.id for one in found(search="nothing")] == []

# branches, tags, histories
api.create_branch("me/one", branch="dev/a", **of)
assert refused(HfHubHTTPError, api.create_branch, "me/one", branch="dev/a", **of) == 409
api.create_commit("me/one", [
    CommitOperationDelete("sub/notes.txt"), CommitOperationAdd("b.txt", b"b"),
    CommitOperationCopy("sub/model.safetensors", "copy.safetensors"),
], commit_message="On a branch", revision="dev/a", **of)
api.create_tag("me/one", tag="v1", revision="dev/a", tag_message="first", **of)
assert refused(HfHubHTTPError, api.create_tag, "me/one", tag="v1", **of) == 409
refs = api.list_repo_refs("me/one", include_pull_requests=True, **of)
assert {one.name for one in refs.branches} == {"main", "dev/a"}
assert ([one.name for one in refs.tags], [one.ref for one in refs.pull_requests]) == (["v1"], ["refs/pr/1"])
titles = [one.title for one in api.list_repo_commits("me/one", revision="v1", formatted=True, **of)]
assert titles == ["On a branch", "First", "initial commit"]
api.delete_tag("me/one", tag="v1", **of)
api.delete_branch("me/one", branch="dev/a", **of)
assert [one.num for one in api.get_repo_discussions("me/one", **of)] == [1]

# the end
api.delete_folder("sub", "me/one", **of)
assert "sub/model.safetensors" not in api.list_repo_files("me/one", **of)
api.move_repo("me/one", "me/two", **of)
assert api.repo_exists("me/two", **of) and not api.repo_exists("me/one", **of)
api.delete_repo("me/two", **of)
api.delete_repo("me/two", missing_ok=True, **of)
assert refused(RepositoryNotFoundError, api.delete_repo, "me/two", **of) == 404
"""


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_every_call_of_the_client(tools: Tools, kind: str) -> None:
    weights = tools.folder / "model.safetensors"
    weights.write_bytes(contents("random"))
    tools.python(EVERY_CALL, weights, kind)
