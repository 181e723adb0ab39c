"""The demo's base that reads label sets: SmolLM2-135M-Instruct with the shipped generalist adapter folded in."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from sam_hub.demo.base import LICENSE, SCRATCH
from sam_hub.errors import UnusableModel
from sam_hub.hub.weights import ADAPTER_WEIGHTS, WEIGHTS, weights_sha256
from sam_hub.progress import SILENT, Reporter
from sam_hub.tempdirs import scratch_prefix

REPO = "sam-hub/SmolLM2-135M-NER"
ADAPTER = Path(__file__).parent / "generalist"
SHA256 = "f84403a4414b024aed63590d10d72e3d8d570e79ecf23fff808bad1b9bdd2e68"
CARD = f"""---
license: {LICENSE}
language: en
library_name: transformers
pipeline_tag: text-generation
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
tags: [sam-hub, base, token-classification]
---

# SmolLM2-135M-NER

The base of the demo's experts: [SmolLM2-135M-Instruct](https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct) by
Hugging Face (Apache-2.0), tuned on 20,000 examples of 25 general label sets to find entities of the types that a prompt
names. No expert of the demo uses these label sets. The weights are those of the base plus a LoRA adapter of rank 32, in
bfloat16.

Strict F1 on 40 shuffled test sentences of each CrossNER domain, own types without `miscellaneous`, with the grammar of
the answer:

| | ai | literature | music | politics | science | mean | spans alone |
|---|---|---|---|---|---|---|---|
| this base | .405 | .310 | .452 | .476 | .527 | .434 | .689 |
"""


def fold_generalist(base: Path, destination: Path, reporter: Reporter = SILENT, sha256: str = SHA256) -> Path:
    """Write the base with the generalist adapter folded in (270 MB), unless the folder is there already.

    The experts were trained on exactly these weights, so the sum must be the same on all machines: the products of two
    bfloat16 numbers are exact in float32, and they are added in the order of the ranks. A matrix product, whose order
    depends on the library, could differ in single bits.

    Args:
        base: the folder that `sam_hub.demo.base.make_base` returns.
        destination: the new folder. It appears whole or not at all.

    Raises:
        UnusableModel: the result has another hash, because the base has other weights.
    """
    from safetensors.torch import load_file, save_file

    if (destination / WEIGHTS).is_file():
        return destination
    config = json.loads((ADAPTER / "adapter_config.json").read_text(encoding="utf-8"))
    weights, adapter = load_file(base / WEIGHTS), load_file(ADAPTER / ADAPTER_WEIGHTS)
    layers = [name.removesuffix(".lora_A.weight") for name in adapter if name.endswith(".lora_A.weight")]
    for number, layer in enumerate(layers, 1):
        name = f"{layer.removeprefix('base_model.model.')}.weight"
        down, up = adapter[f"{layer}.lora_A.weight"].float(), adapter[f"{layer}.lora_B.weight"].float()
        change = up[:, :1] * down[:1]
        for rank in range(1, len(down)):
            change += up[:, rank, None] * down[None, rank]
        folded = weights[name].float() + change * (config["lora_alpha"] / config["r"])
        weights[name] = folded.to(weights[name].dtype)
        reporter.progress("fold the generalist adapter into the base", number, len(layers), "layers")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=scratch_prefix(SCRATCH)) as scratch:
        folder = Path(scratch) / "base"
        shutil.copytree(base, folder, ignore=shutil.ignore_patterns(WEIGHTS))
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
        if weights_sha256(folder) != sha256:
            raise UnusableModel(
                f"{base.name} with the generalist adapter does not have the expected weights",
                f"Delete {base}, and run the command again to make the base anew.",
            )
        (folder / "README.md").write_text(CARD, encoding="utf-8")
        folder.rename(destination)
    return destination
