"""Store an adapter at a lower rank than it was trained at."""

from __future__ import annotations

import json
from pathlib import Path

from sam_hub.files import write_json
from sam_hub.hub.weights import ADAPTER_WEIGHTS


def lower_rank(adapter: Path, rank: int) -> None:
    """Replace each change of a LoRA adapter by the nearest one of this rank (by SVD), and keep its number type.

    Args:
        adapter: the folder, with the same rank in all layers.
    """
    import torch
    from safetensors.torch import load_file, save_file

    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    if rank >= config["r"]:
        return
    weights = load_file(adapter / ADAPTER_WEIGHTS)
    for name in [name for name in weights if ".lora_A." in name]:
        down, up = weights[name], weights[name.replace(".lora_A.", ".lora_B.")]
        # The SVD of a product of thin matrices needs only that of its small core.
        left, core_left = torch.linalg.qr(up.double())
        right, core_right = torch.linalg.qr(down.double().T)
        u, s, v = torch.linalg.svd(core_left @ core_right.T)
        root = s[:rank].sqrt()
        weights[name] = (root[:, None] * (v[:rank] @ right.T)).to(down.dtype).contiguous()
        weights[name.replace(".lora_A.", ".lora_B.")] = (left @ u[:, :rank] * root).to(up.dtype).contiguous()
    save_file(weights, adapter / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    write_json(
        adapter / "adapter_config.json", {**config, "r": rank, "lora_alpha": config["lora_alpha"] * rank / config["r"]}
    )
