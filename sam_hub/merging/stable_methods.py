"""Merge methods that trim as a stable sort would, registered with mergekit: ``ties_stable`` and so on.

mergekit sorts every delta whole, with a sort that is not stable. In bfloat16 many elements are equally large, and which
of those it keeps depends on the sort's implementation: another processor family or torch release keeps others. Here
they are kept in their order, the same everywhere, and many times as quickly: the magnitude that bounds the kept
elements is found without a sort.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from sam_hub.merging.methods import METHODS, stable_name

if TYPE_CHECKING:
    import torch


def _sizes(tensor: torch.Tensor, *, largest_first: bool) -> torch.Tensor:
    """Numbers, (n,), in the order of the elements' magnitudes: float32, or for 16-bit dtypes their bits, as int16."""
    import torch

    if tensor.element_size() == 2:
        bits = tensor.reshape(-1).view(torch.int16) & 0x7FFF
        return bits.bitwise_xor_(0x7FFF) if largest_first else bits
    sizes = tensor.reshape(-1).float().abs()
    return sizes.neg_() if largest_first else sizes


def _bound(sizes: torch.Tensor, count: int) -> torch.Tensor:
    """The ``count``-th smallest; 16-bit numbers are counted by value, which ties do not slow down."""
    import numpy as np
    import torch

    if sizes.dtype == torch.int16:
        return torch.searchsorted(torch.bincount(sizes).cumsum(0), count).to(torch.int16)
    return torch.tensor(np.partition(sizes.numpy(), count - 1)[count - 1])


def smallest(sizes: torch.Tensor, count: int) -> torch.Tensor:
    """Which of ``sizes``, (n,), are among the ``count`` smallest; of equal ones the first. (n,) bool."""
    import numpy as np
    import torch

    if not 0 < count < len(sizes):
        return torch.full(sizes.shape, count > 0)
    bound = _bound(sizes, count)
    if torch.isnan(bound):  # sorted last, but equal to nothing; the merge is refused later
        return smallest(sizes.nan_to_num(nan=torch.inf), count)
    chosen = sizes < bound
    equal = np.flatnonzero((sizes == bound).numpy())
    last = equal[count - int(torch.count_nonzero(chosen)) - 1]
    chosen[: last + 1] = sizes[: last + 1] <= bound
    return chosen


def _masked(tensor: torch.Tensor, kept: torch.Tensor, rescale_norm: Any) -> torch.Tensor:
    """What mergekit makes of a mask; ``kept`` is (n,) bool.

    The mask's ones are written as the bits that they have in a 16-bit dtype: torch converts truth values to bfloat16
    one by one.
    """
    import torch
    from mergekit.sparsify import rescaled_masked_tensor

    if tensor.element_size() == 2:
        one = torch.ones((), dtype=tensor.dtype).view(torch.int16)
        mask = kept.view(torch.int8).to(torch.int16).mul_(one).view(tensor.dtype)
    else:
        mask = kept.to(tensor.dtype)
    return rescaled_masked_tensor(tensor, mask.reshape_as(tensor), rescale_norm)


def magnitude(tensor: torch.Tensor, density: float, rescale_norm: Any = None) -> torch.Tensor:
    """mergekit's function of this name: the share ``density`` of the elements is kept, the largest."""
    import torch

    if density >= 1:
        return tensor
    if density <= 0 or tensor.numel() == 0:
        return torch.zeros_like(tensor)
    kept = smallest(_sizes(tensor, largest_first=True), max(1, int(density * tensor.numel())))
    return _masked(tensor, kept, rescale_norm)


def magnitude_outliers(
    tensor: torch.Tensor, density: float, rescale_norm: Any = None, gamma: float = 0.01
) -> torch.Tensor:
    """mergekit's function of this name: the share ``gamma`` of the largest is left out, and then the smallest."""
    if density >= 1:
        return tensor
    kept = int(density * tensor.numel())
    below = max(0, tensor.numel() - kept - int(gamma * tensor.numel()))
    sizes = _sizes(tensor, largest_first=False)
    return _masked(tensor, smallest(sizes, below + kept) & ~smallest(sizes, below), rescale_norm)


class _Delta:
    """An expert's tensor, which mergekit takes the base from, and gets the trimmed difference."""

    def __init__(self, tensor: torch.Tensor, trim: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._tensor, self._trim = tensor, trim

    def __sub__(self, base: torch.Tensor) -> torch.Tensor:
        return self._trim(self._tensor - base)


@cache
def register_stable_methods() -> None:
    """Register the stable variant of each method that trims with mergekit, under `stable_name`."""
    from dataclasses import replace
    from types import SimpleNamespace

    from mergekit.merge_methods import GeneralizedTaskArithmeticMerge, get, register
    from mergekit.sparsify import RescaleNorm, SparsificationMethod

    class StablyTrimmed(GeneralizedTaskArithmeticMerge):
        """mergekit's method, with trimmed deltas in the place of those that it would trim."""

        def merge_group(self, group: Any, /, **parameters: Any) -> torch.Tensor:
            norm = RescaleNorm.l1 if parameters["rescale"] else None

            def trim(delta: torch.Tensor, expert: Any) -> torch.Tensor:
                density = parameters["density"][expert]
                if self.sparsification_method == SparsificationMethod.magnitude:
                    return magnitude(delta, density, norm)
                return magnitude_outliers(delta, density, norm, parameters["gamma"][expert])

            entries = [
                SimpleNamespace(id=entry.id, tensor=_Delta(entry.tensor, partial(trim, expert=entry.id)))
                for entry in group.non_base
            ]
            untrimmed = replace(self, sparsification_method=None)
            return GeneralizedTaskArithmeticMerge.merge_group(
                untrimmed, SimpleNamespace(base=group.base, non_base=entries), **parameters
            )

    for name in (name for name, method in METHODS.items() if method.trims):
        original = {one.name: getattr(get(name), one.name) for one in fields(get(name))}
        register(StablyTrimmed(**{**original, "method_name": stable_name(name)}))
