"""Merge methods that align experts by singular value decomposition, made with mergekit's own API: KnOTS, TSV-M, Iso-C.

A LoRA expert changes a weight in a few directions. Methods that add or elect element by element don't see directions;
these work in them. They need exact changes: rounded to bfloat16, a change has every direction, most of them noise. So
experts are folded and merged in float32 for them.

The module imports mergekit, so import it inside functions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from mergekit.merge_methods import register
from mergekit.merge_methods.base import BasePolicy, InputContract, MergeMethod, PerNonBase, TensorGroup
from mergekit.merge_methods.easy_define import merge_method

from sam_hub.merging.stable_methods import magnitude

LOW_RANK = 128  # directions that are looked for at first
LOST = 1e-3  # the share of a matrix's norm that may lie outside of them; rounding to float32 alone is below 1e-4
SMALLEST = 1e-5  # a singular value below this share of the largest is rounding
Deltas = list[torch.Tensor]


def svd(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return U (m, r), the singular values (r,), and V^T (r, n) of a matrix (m, n) of rank r, rounding left out.

    A matrix of low rank is first projected to its own range (Halko, Martinsson, and Tropp, SIAM Review 2011). For the
    change of a LoRA expert, this is exact up to rounding and many times as fast.
    """
    basis, inside = None, matrix
    if min(matrix.shape) > LOW_RANK:
        noise = torch.randn(matrix.shape[1], LOW_RANK, generator=torch.Generator().manual_seed(0))
        basis = torch.linalg.qr(matrix @ noise.to(matrix)).Q
        inside = basis.T @ matrix
        if torch.linalg.norm(matrix - basis @ inside) > LOST * torch.linalg.norm(matrix):
            basis, inside = None, matrix
    left, values, right = torch.linalg.svd(inside, full_matrices=False)
    kept = values > SMALLEST * values.max()
    left = left[:, kept]
    return left if basis is None else basis @ left, values[kept], right[kept]


def knots_merge(deltas: Deltas, density: float = 1.0) -> torch.Tensor:
    """Return the KnOTS-TIES merge of changes (Stoica et al., ICLR 2025, arXiv 2410.19735).

    One decomposition of all changes side by side gives them common left directions. TIES merges what is right of them:
    of each expert the largest elements stay, the sign with the larger sum wins, and the mean of its elements counts.
    """
    left, values, right = svd(torch.cat(deltas, dim=1))
    parts = torch.stack([magnitude(part, density) for part in (values[:, None] * right).chunk(len(deltas), dim=1)])
    elected = (parts.sign() == parts.sum(0).sign()) & (parts != 0)
    return left @ ((parts * elected).sum(0) / elected.sum(0).clamp(min=1))


def tsv_merge(deltas: Deltas) -> torch.Tensor:
    """Return the TSV-M merge of changes (Gargiulo et al., CVPR 2025, arXiv 2412.00081).

    Of T experts, each keeps its strongest directions, at most the T-th part of all. All kept directions are replaced by
    the nearest orthogonal ones (Procrustes), so that experts don't interfere, and the experts are summed.
    """
    most = max(1, min(deltas[0].shape) // len(deltas))
    parts = [(u[:, :most], s[:most], vt[:most].T) for u, s, vt in map(svd, deltas)]
    lefts, values, rights = (torch.cat(some, dim=-1) for some in zip(*parts, strict=True))
    return _orthogonal(lefts) * values @ _orthogonal(rights).T


def _orthogonal(columns: torch.Tensor) -> torch.Tensor:
    left, _, right = torch.linalg.svd(columns, full_matrices=False)
    return left @ right


def iso_merge(deltas: Deltas) -> torch.Tensor:
    """Return the Iso-C merge of changes (Marczak et al., ICML 2025, arXiv 2502.04959).

    The sum of the changes, with the mean singular value in the place of each. The mean is over the directions that some
    expert changes.
    """
    left, values, right = svd(torch.stack(deltas).sum(0))
    return values.mean() * left @ right


def _merged(
    group: TensorGroup, weight: PerNonBase[float], scale: float, merge: Callable[[Deltas], torch.Tensor]
) -> torch.Tensor:
    """Return the base's tensor with the merged changes; a vector has no directions, so it gets their mean."""
    base = group.base.tensor
    changes = [weight[entry.id] * (entry.tensor - base).float() for entry in group.non_base]
    deltas = [delta for delta in changes if delta.any()]
    if not deltas:
        return base
    merged = merge(deltas) if base.ndim == 2 else torch.stack(changes).mean(0)
    return base + (scale * merged).to(base.dtype)


_OF_DELTAS = InputContract(base=BasePolicy.REQUIRED, min_non_base=1)


@merge_method(name="knots", reference_url="https://arxiv.org/abs/2410.19735", contract=_OF_DELTAS)
def knots(
    group: TensorGroup, weight: PerNonBase[float] = 1.0, scale: float = 1.0, density: float = 1.0
) -> torch.Tensor:
    """mergekit's form of `knots_merge`."""
    return _merged(group, weight, scale, lambda deltas: knots_merge(deltas, density))


@merge_method(name="tsv_m", reference_url="https://arxiv.org/abs/2412.00081", contract=_OF_DELTAS)
def tsv_m(group: TensorGroup, weight: PerNonBase[float] = 1.0, scale: float = 1.0) -> torch.Tensor:
    """mergekit's form of `tsv_merge`."""
    return _merged(group, weight, scale, tsv_merge)


@merge_method(name="iso_c", reference_url="https://arxiv.org/abs/2502.04959", contract=_OF_DELTAS)
def iso_c(group: TensorGroup, weight: PerNonBase[float] = 1.0, scale: float = 1.0) -> torch.Tensor:
    """mergekit's form of `iso_merge`."""
    return _merged(group, weight, scale, iso_merge)


SVD_METHODS: tuple[MergeMethod, ...] = (knots, tsv_m, iso_c)


@cache
def register_svd_methods() -> None:
    """Register the methods with mergekit."""
    for method in SVD_METHODS:
        register(method)
