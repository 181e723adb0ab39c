"""Trimming without a sort: which elements of a delta are kept, found by the magnitude that bounds them.

mergekit sorts every delta whole, with a sort that is not stable. In bfloat16 many elements are equally large, and which
of those it keeps follows from the inside of that sort: another processor family or another torch keeps others. Here
they are taken by their order, as by a stable sort: the same everywhere, and many times as quick.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Methods that trim by magnitude. (della draws by the rank of every element, and so needs the sort.)
TRIMMING = frozenset({"ties", "breadcrumbs", "breadcrumbs_ties"})


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


@contextmanager
def stable_trimming(wanted: bool = True) -> Iterator[None]:
    """Within, mergekit trims by these functions (the process's mergekit: in all threads)."""
    from mergekit import sparsify

    theirs = sparsify.magnitude, sparsify.magnitude_outliers
    if wanted:
        sparsify.magnitude, sparsify.magnitude_outliers = magnitude, magnitude_outliers
    try:
        yield
    finally:
        sparsify.magnitude, sparsify.magnitude_outliers = theirs
