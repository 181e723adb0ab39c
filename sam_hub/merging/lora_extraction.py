"""A merge as one LoRA adapter: exact where it adds the experts up, else the nearest of its rank.

A weighted sum of ``B_i @ A_i`` is one product of the stacked factors, whose rank is the sum of theirs. What another
method adds to a tensor is of any rank: there the nearest matrix of a given rank (Eckart and Young 1936) stands for it,
and how far it is from it is said. The adapter is plain LoRA, of scale 1, and loads with peft.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_hub.errors import DiskFull, UnusableModel, UsageError
from sam_hub.hub.weights import ADAPTER_WEIGHTS, file_sha256
from sam_hub.merging.checks import Inputs, read_inputs
from sam_hub.merging.process import Progress, make
from sam_hub.merging.recipe import Recipe, recipe_hash, to_json
from sam_hub.merging.run import OnTensor, each_change
from sam_hub.merging.trimming import stable_trimming

if TYPE_CHECKING:
    import torch

RECORD = "as_adapter.json"
FOLDER = "adapter"  # in that of the merge


def as_adapter(
    recipe: Recipe,
    merged: Path,
    rank: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
    timeout: float | None = None,
) -> dict[str, Any]:
    """Write a merge as one adapter into the folder :data:`FOLDER` of the merged model; one that is there is kept.

    Args:
        merged: the merge's own folder.
        rank: the adapter's at most, for each module; 0: the sum of the experts' there.

    Returns:
        ``path``; ``rank`` (the largest); ``exact`` (whether it is a sum of the experts); ``error`` (Frobenius norm of
        what is missing over that of the merge's changes); ``modules``, for each its ``rank`` and ``error``.

    Raises:
        UsageError: the rank is negative.
        UnusableModel: an expert is no adapter.
        SamHubError: as `sam_hub.merging.process.make`.
    """
    if rank < 0:
        raise UsageError(f"An adapter can't have the rank {rank}", "Give a rank of 1 or more, or none.")
    if full := read_inputs(recipe).full:
        raise UnusableModel(
            f"{full[0].repo} is a full model, so the merge can't be an adapter", "Merge adapters alone."
        )
    folder = merged / FOLDER
    if (found := _kept(recipe, folder, rank)) is None:
        make(folder, {"recipe": to_json(recipe), "as_adapter": rank}, on_progress, timeout)
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return {"path": str(folder), **found}


def _kept(recipe: Recipe, folder: Path, rank: int) -> dict[str, Any] | None:
    """The record of the adapter that is there, if it is this one and whole."""
    record = written(folder, recipe_hash(recipe))
    return record if record is not None and record.get("asked_rank") == rank else None


def written(folder: Path, of_recipe: str) -> dict[str, Any] | None:
    """The record of the adapter in ``folder``; None if there is none, or it is damaged or of another recipe (hash)."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        whole = file_sha256(folder / ADAPTER_WEIGHTS) == record["weights_sha256"]
        return record if whole and record["recipe_hash"] == of_recipe else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_adapter(recipe: Recipe, folder: Path, rank: int, on_tensor: OnTensor) -> dict[str, Any]:
    """Fill ``folder`` with the adapter and its record, which is returned; see `as_adapter`."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    inputs = read_inputs(recipe)
    shares = shares_of(recipe, inputs)
    found = _stacked(recipe, inputs, shares, rank) if shares else _nearest_of_each(recipe, inputs, rank)
    tensors, modules, ranks = {}, {}, {}
    missing = whole = 0.0
    with stable_trimming(recipe.stable):
        for number, (name, b, a, lost, size) in enumerate(found, 1):
            module = name.removesuffix(".weight")
            tensors[f"base_model.model.{module}.lora_A.weight"] = a.contiguous()
            tensors[f"base_model.model.{module}.lora_B.weight"] = b.contiguous()
            ranks[module] = a.shape[0]
            modules[module] = {"rank": a.shape[0], "error": lost / size if size else 0.0}
            missing, whole = missing + lost**2, whole + size**2
            on_tensor(name, number, len(inputs.touched))
    try:
        save_file(tensors, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    except SafetensorError as error:  # it hides what the system said
        raise DiskFull(
            f"The adapter can't be written: {error}", "Free some space, and merge again."
        ) from error
    _save_config(recipe, inputs, ranks, folder)
    record = {
        "recipe_hash": recipe_hash(recipe),
        "asked_rank": rank,
        "rank": max(ranks.values()),
        "exact": bool(shares) and not missing,
        "error": math.sqrt(missing / whole) if whole else 0.0,
        "weights_sha256": file_sha256(folder / ADAPTER_WEIGHTS),
        "modules": modules,
    }
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


def shares_of(recipe: Recipe, inputs: Inputs) -> list[float] | None:
    """By what factor each expert's change goes into the merge, if it is their weighted sum; else None.

    Source: mergekit's ``linear`` and ``task_arithmetic``.
    """
    weights = [expert.weight for expert in recipe.experts]
    total, settings = sum(weights), recipe.parameters
    dora = any(pair.magnitude for adapter in inputs.adapters.values() for pair in adapter.pairs.values())
    if dora or any(isinstance(value, (list, tuple)) for value in settings.values()):
        return None
    if recipe.method == "linear" and abs(total) > 1e-8:
        # Not normalised, it scales the base too, unless the weights are shares already.
        return (
            [w / total for w in weights]
            if settings.get("normalize", True) or math.isclose(total, 1)
            else None
        )
    if recipe.method == "task_arithmetic":
        divisor = total if settings.get("normalize") and abs(total) >= 1e-8 else 1.0
        return [settings.get("lambda", 1.0) * w / divisor for w in weights]
    return None


# Name, B, A, the norm of what is missing, that of all.
Factored = tuple[str, "torch.Tensor", "torch.Tensor", float, float]


def _stacked(recipe: Recipe, inputs: Inputs, shares: list[float], rank: int) -> Iterator[Factored]:
    import torch
    from safetensors import safe_open

    files = {e.path: safe_open(inputs.adapters[e.path].file, framework="pt") for e in recipe.experts}
    for name in sorted(inputs.touched):
        left, right = [], []
        for expert, share in zip(recipe.experts, shares, strict=True):
            if (pair := inputs.adapters[expert.path].pairs.get(name)) is not None:
                left.append(files[expert.path].get_tensor(pair.b).float() * (share * pair.scale))
                right.append(files[expert.path].get_tensor(pair.a).float())
        b, a = torch.cat(left, 1), torch.cat(right, 0)
        yield (name, *_shortened(b, a, rank))


def _shortened(
    b: torch.Tensor, a: torch.Tensor, rank: int
) -> tuple[torch.Tensor, torch.Tensor, float, float]:
    """The product B @ A by factors of at most ``rank``, without computing it; 0: as they are."""
    import torch

    over_b, left = torch.linalg.qr(b.double())
    over_a, right = torch.linalg.qr(a.double().T)
    u, sizes, v = torch.linalg.svd(left @ right.T)
    if not rank or rank >= a.shape[0]:
        return b, a, 0.0, float(sizes.norm())
    root = sizes[:rank].sqrt()
    short_b, short_a = over_b @ (u[:, :rank] * root), (over_a @ (v[:rank].T * root)).T
    return short_b.float(), short_a.float(), float(sizes[rank:].norm()), float(sizes.norm())


def _nearest_of_each(recipe: Recipe, inputs: Inputs, rank: int) -> Iterator[Factored]:
    for name, change in each_change(recipe, inputs):
        pairs = [found for x in inputs.adapters.values() if (found := x.pairs.get(name)) is not None]
        b, a = nearest(change, min(rank or sum(pair.rank for pair in pairs), *change.shape))
        yield name, b, a, float((change - b @ a).norm()), float(change.norm())


def nearest(change: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The two factors, (out, rank) and (rank, in), of the nearest matrix of a rank, (out, in).

    Singular vectors of the shorter side are eigenvectors of the matrix times itself, which costs a small part of the
    whole decomposition; in float64, since it squares the singular values.
    """
    import torch

    wide = change.shape[0] < change.shape[1]
    tall = (change.T if wide else change).double()
    _, vectors = torch.linalg.eigh(tall.T @ tall)  # in rising order
    right = vectors[:, -rank:].flip(1)
    left = tall @ right
    root = left.norm(dim=0).clamp_min(torch.finfo(torch.float32).tiny).sqrt()
    left, right = (left / root).float(), (right * root).float()
    return (right, left.T) if wide else (left, right.T)


def _save_config(recipe: Recipe, inputs: Inputs, ranks: Mapping[str, int], folder: Path) -> None:
    from peft import LoraConfig

    most = Counter(ranks.values()).most_common(1)[0][0]
    others = {module: rank for module, rank in ranks.items() if rank != most}
    leaves = {module.rpartition(".")[2] for module in ranks}
    every = {
        name.removesuffix(".weight")
        for name in inputs.base
        if name.removesuffix(".weight").rpartition(".")[2] in leaves
    }
    LoraConfig(
        task_type="CAUSAL_LM",
        inference_mode=True,
        base_model_name_or_path=recipe.base.repo,
        revision=recipe.base.commit or None,
        r=most,
        lora_alpha=most,  # a scale of 1
        rank_pattern=others,
        alpha_pattern=others,
        target_modules=sorted(leaves if every == set(ranks) else ranks),
    ).save_pretrained(folder)
