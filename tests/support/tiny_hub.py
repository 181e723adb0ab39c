"""A Hub with a tiny base and three tiny experts, made with the project's own functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sam_hub.hub.client import Hub
from sam_hub.hub.upload import plan_push, push
from tests.support.hubs import running_hub
from tests.support.tiny_models import tiny_adapter, tiny_base

BASE = "acme/base"
EXPERTS = {"news": ("person", "location"), "law": ("person", "court"), "medicine": ("disease",)}
CORPUS = "Marie Curie worked in Paris .\nThe court of Paris heard Marie .\nA dog jumps over Paris !\n"
GOLD = '{"text": "Marie Curie worked in Paris .", "entities": [{"start": 0, "end": 11, "label": "person"}]}\n'


def fill_hub(work: Path) -> Path:
    """Make the base and the experts below ``work``, and a Hub that holds them; returns the Hub's root."""
    base = tiny_base(work / "base")
    root = work / "hub"
    with running_hub(root) as server:
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
