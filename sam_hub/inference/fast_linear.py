"""Linear layers of few tokens on a processor, as the product that its library is quick at.

``x @ W.T``, as torch computes a layer, and ``W @ x.T`` are the same sums. With tens of tokens the second takes MKL
half to two thirds of the time (48 tokens through all layers of a 135M model, two cores: 134 ms instead of 244), if x.T
lies in memory by features. So do the results, which is how the next layer wants them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

MOST = 192  # tokens: of more, both ways take the same time
MULTIPLE = 16  # of tokens: others take as long as the next multiple, or longer


@contextmanager
def by_columns(model: Any) -> Iterator[None]:
    """Replace a model's linear layers where this is quicker: float32 on a CPU."""
    import torch

    layers = [
        module
        for module in model.modules()
        if type(module) is torch.nn.Linear
        and module.weight.dtype == torch.float32
        and module.weight.device.type == "cpu"
    ]
    for layer in layers:
        layer.forward = MethodType(_forward, layer)  # type: ignore[method-assign]  # of this module alone
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _forward(layer: torch.nn.Linear, tokens: torch.Tensor) -> torch.Tensor:
    import torch

    if tokens.shape[:-1].numel() > MOST:
        return torch.nn.functional.linear(tokens, layer.weight, layer.bias)
    columns = tokens.flatten(0, -2).t().contiguous()
    found = torch.mm(layer.weight, columns).t()
    if layer.bias is not None:
        found = found + layer.bias
    return found.unflatten(0, tokens.shape[:-1])
