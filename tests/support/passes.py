"""What models really do, counted by a hook of torch's: forward passes, and the questions they read.

Which expert is at work is told by the weights that the pass is made with, not by what anyone says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Passes:
    """By expert: its forward passes, and how many questions it was asked (rows read behind a shared prefix)."""

    made: Counter[str] = field(default_factory=Counter)
    questions: Counter[str] = field(default_factory=Counter)


def weights_of(model) -> float:
    """A number by which experts on one base can be told apart."""
    return model.layers[0].self_attn.q_proj.weight.double().sum().item()


@contextmanager
def counting(base: Path, experts: Mapping[str, Path]) -> Iterator[Passes]:
    """Count the passes of these experts (folders of adapters by name) and of their base."""
    from torch.nn.modules.module import register_module_forward_hook
    from transformers import LlamaModel

    from sam_hub.inference.models import load_model, with_adapter

    names: dict[float, str] = {}
    for number_type in ("float32", "bfloat16"):
        loaded = load_model(base, device="cpu", dtype=number_type)
        for name, adapter in {"base": None, **experts}.items():
            with with_adapter(loaded, adapter) as ready:
                assert names.setdefault(weights_of(ready.model.model), name) == name
    passes = Passes()

    def count(module, _, given, output) -> None:
        if isinstance(module, LlamaModel):
            name = names[weights_of(module)]
            passes.made[name] += 1
            if run := given["memory"].current:
                passes.questions[name] += run.lengths.count(0)

    hook = register_module_forward_hook(count, with_kwargs=True)
    try:
        yield passes
    finally:
        hook.remove()
