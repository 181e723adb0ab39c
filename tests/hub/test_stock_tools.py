"""Stock tools, which know nothing of this project, work against the embedded Hub: both ways of sending large files."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from sam_hub.hub.server.process import ServerProcess
from tests import tiny_models


class Tools:
    """Runs programs as somebody would who has only set the endpoint and the token."""

    def __init__(self, server: ServerProcess, home: Path, xet: str) -> None:
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

    def python(self, code: str) -> str:
        return self._run(sys.executable, "-c", code)

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
def tools(request: pytest.FixtureRequest, server: ServerProcess, tmp_path: Path) -> Tools:
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
