"""A real embedded Hub for every test, and tiny real models to put on it.

The Hub runs in a thread of the tests' process, where it starts in milliseconds. Tests of its process start one.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from sam_hub.hub.client import Hub
from sam_hub.local_hub.process import READY, RunningHub, listen, start

CARD = """---
license: mit
base_model: acme/base
library_name: peft
tags: [sam-hub, 'ner-label:person', 'ner-label:location']
---
# News
"""


@pytest.fixture
def hub_root(tmp_path: Path) -> Path:
    return tmp_path / "hub"


@contextmanager
def running_hub(root: Path, part_bytes: int | None = None) -> Iterator[RunningHub]:
    """Serve the Hub kept in ``root`` for the time of a ``with`` block."""
    import uvicorn

    from sam_hub.local_hub.app import App
    from sam_hub.local_hub.storage import PART_BYTES

    listener = listen("127.0.0.1", 0)
    app = App(root, part_bytes or PART_BYTES)
    hub = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))
    thread = threading.Thread(target=hub.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield RunningHub(str(root), f"http://127.0.0.1:{listener.getsockname()[1]}", app.tokens.session, os.getpid())
    finally:
        hub.should_exit = hub.force_exit = True  # clients keep their connections open
        thread.join()


@contextmanager
def hub_process(root: Path) -> Iterator[RunningHub]:
    """Serve the Hub kept in ``root`` by a process of its own for the time of a ``with`` block."""
    running = start(root)
    process = psutil.Process(running.pid)
    try:
        yield running
    finally:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
            process.wait(10)
        (root / READY).unlink(missing_ok=True)


@pytest.fixture
def server(hub_root: Path) -> Iterator[RunningHub]:
    with running_hub(hub_root) as hub:
        yield hub


@pytest.fixture
def hub(server: RunningHub, tmp_path: Path) -> Hub:
    """Logged in as the owner."""
    return Hub(server.endpoint, server.token, tmp_path / "cache")


@pytest.fixture
def stranger(server: RunningHub, tmp_path: Path) -> Hub:
    """Not logged in."""
    return Hub(server.endpoint, None, tmp_path / "strangers-cache")


def write_adapter(folder: Path, base: str = "acme/base", labels: tuple[str, ...] = ("person", "location")) -> Path:
    """A LoRA adapter as peft writes it, with what sam-hub adds."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    layer = "base_model.model.model.layers.0.self_attn.q_proj"
    tensors = {f"{layer}.lora_A.weight": torch.ones(2, 16), f"{layer}.lora_B.weight": torch.zeros(16, 2)}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": 2,
        "lora_alpha": 4,
        "target_modules": ["q_proj"],
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    metadata = {"schema": 1, "kind": "expert", "domain": "news", "labels": labels, "prompt_format": "b2ner"}
    (folder / "sam_hub.json").write_text(json.dumps({**metadata, "base": base, "license": "mit"}))
    (folder / "README.md").write_text(CARD)
    return folder


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return write_adapter(tmp_path / "adapter")


def publish(hub: Hub, folder: Path, repo: str, *, private: bool = False) -> str:
    """Put a folder on the Hub with the stock client, as any user of the Hub would; returns the commit."""
    api = hub.api()
    api.create_repo(repo, private=private, exist_ok=True)
    return api.upload_folder(repo_id=repo, folder_path=folder, commit_message="Upload").oid
