"""Tiny real models for merging: one base, and experts that differ in all that adapters may differ in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import tiny_models

PATTERNS = {"rank_pattern": {"q_proj": 6}, "alpha_pattern": {"layers.1.mlp.up_proj": 3}}


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base in bfloat16 with tied embeddings, some of whose weights are -0."""
    from safetensors.torch import load_file, save_file

    folder = tiny_models.tiny_base(tmp_path_factory.mktemp("models") / "base")
    tensors = load_file(folder / "model.safetensors")
    for tensor in tensors.values():
        tensor.view(-1)[::7] = -0.0
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="session")
def tiny_experts(tiny_base: Path) -> tuple[Path, Path, Path]:
    """Three experts: plain; of another rank with rsLoRA; on some modules with rank and alpha patterns."""
    parent = tiny_base.parent
    return (
        tiny_models.tiny_adapter(tiny_base, parent / "plain", rank=4, seed=1),
        tiny_models.tiny_adapter(tiny_base, parent / "rslora", rank=8, seed=2, use_rslora=True),
        tiny_models.tiny_adapter(
            tiny_base, parent / "patterns", rank=4, seed=3, targets=("q_proj", "up_proj"), **PATTERNS
        ),
    )


@pytest.fixture
def tiny_adapter(tiny_base: Path, tmp_path: Path) -> Path:
    """An expert that a test may damage."""
    return tiny_models.tiny_adapter(tiny_base, tmp_path / "expert", seed=4)
