"""A Hub with a tiny base and three tiny experts, a home of its own, and the command line in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sam_hub.cli import run
from sam_hub.hub.connection import Hub
from sam_hub.hub.pushing import plan_push, push
from sam_hub.hub.server.process import ServerProcess, start
from tests.tiny_models import tiny_adapter, tiny_base

BASE = "acme/base"
EXPERTS = {"news": ("person", "location"), "law": ("person", "court"), "medicine": ("disease",)}
CORPUS = "Marie Curie worked in Paris .\nThe court of Paris heard Marie .\nA dog jumps over Paris !\n"
GOLD = '{"text": "Marie Curie worked in Paris .", "entities": [{"start": 0, "end": 11, "label": "person"}]}\n'


@pytest.fixture(scope="session")
def hub_content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a Hub that holds the base and the experts."""
    work = tmp_path_factory.mktemp("models")
    base = tiny_base(work / "base")
    root = work / "hub"
    with start(root) as server:
        hub = Hub(server.endpoint, server.token, work / "cache")
        push(hub, plan_push(hub, base, BASE, private=False), "Publish")
        for seed, (name, labels) in enumerate(EXPERTS.items()):
            folder = tiny_adapter(base, work / name, seed=seed, labels=labels)
            adapt(folder, domain=name, base=BASE, prompt_format="b2ner")
            vector = [float(i == seed) for i in range(384)]
            descriptor = {"count": 3, "sentences_sha256": "0" * 64, "vector": vector, **embedder()}
            (folder / "descriptor.json").write_text(json.dumps(descriptor))
            push(hub, plan_push(hub, folder, f"acme/ner-{name}", private=False), "Publish")
    return root


def embedder() -> dict[str, str]:
    """The embedder of these tests, as descriptors name it."""
    from sam_hub.inference.embedding import embedder_folder, embedder_revision

    name = "all-MiniLM-L6-v2"
    return {"embedder": name, "revision": embedder_revision(embedder_folder(name))}


def adapt(folder: Path, **about: Any) -> None:
    """Say more of a tiny expert, and name its base as the Hub does."""
    config = {"base_model_name_or_path": BASE}
    for name, more in (("sam_hub.json", about), ("adapter_config.json", config)):
        file = folder / name
        file.write_text(json.dumps({**json.loads(file.read_text()), **more}))
    tags = ", ".join(f"ner-label:{label}" for label in about.get("labels", ()))
    (folder / "README.md").write_text(
        f"---\nlicense: mit\nbase_model: {BASE}\nlibrary_name: peft\ntags: [sam-hub, {tags}]\n---\n# Expert\n"
    )


@pytest.fixture
def server(hub_content: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    """A Hub of this test alone, with a copy of the content."""
    import shutil

    shutil.copytree(hub_content, tmp_path / "hub")
    with start(tmp_path / "hub") as process:
        yield process


@pytest.fixture
def home(tmp_path: Path, server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, with the Hub and the token in the environment."""
    monkeypatch.setenv("SAM_HUB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    monkeypatch.setenv("HF_TOKEN", server.token)
    return tmp_path / "home"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A folder with a corpus and labelled sentences."""
    (tmp_path / "corpus.txt").write_text(CORPUS)
    (tmp_path / "gold.jsonl").write_text(GOLD)
    return tmp_path


@pytest.fixture
def sam_hub(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command with ``--json`` and give what it printed; it must succeed."""

    def call(*arguments: object) -> Any:
        code = run([*map(str, arguments), "--json"])
        shown = capsys.readouterr()
        assert code == 0, shown.err
        return json.loads(shown.out)

    return call


@pytest.fixture
def failing(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run a command that must fail; gives the exit code and the message."""

    def call(*arguments: object) -> tuple[int, str]:
        code = run(list(map(str, arguments)))
        message = capsys.readouterr().err
        assert code != 0
        assert "Traceback" not in message
        return code, message

    return call
