"""A merge as one LoRA adapter: exact where it adds the experts up, else the nearest of its rank.

A weighted sum of ``B_i @ A_i`` is one product of the stacked factors, whose rank is the sum of theirs. What another
method adds to a tensor is of any rank: there the nearest matrix of a given rank (Eckart and Young 1936) stands for it,
and its distance is reported. The adapter is plain LoRA, of scale 1, and loads with peft.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sam_hub.errors import DiskFull, UnusableModel, UsageError
from sam_hub.files import write_json
from sam_hub.hub.weights import ADAPTER_WEIGHTS, file_sha256
from sam_hub.merging.checks import Inputs, read_inputs
from sam_hub.merging.plan import read_record
from sam_hub.merging.recipe import Recipe, recipe_hash
from sam_hub.merging.run import each_change, explained_failures, with_deadline
from sam_hub.progress import SILENT, Reporter
from sam_hub.tempdirs import staged_folder

if TYPE_CHECKING:
    import torch

RECORD = "as_adapter.json"
FOLDER = "adapter"  # in that of the merge


@dataclass(frozen=True)
class ModuleLoss:
    """A module of an adapter: its rank, and the share (Frobenius norm) of the merge's change that it lacks."""

    rank: int
    error: float


@dataclass(frozen=True)
class MergedAdapter:
    """A merge as one LoRA adapter.

    Args:
        path: its folder.
        rank: the largest of its modules'.
        exact: it is the merge itself, a sum of the experts.
        error: the Frobenius norm of what it lacks over that of the merge's changes.
    """

    path: str
    rank: int
    exact: bool
    error: float
    modules: dict[str, ModuleLoss]

    def lines(self) -> list[str]:
        """Return what was made, in words."""
        lines = [f"As one adapter of rank {self.rank}: {self.path}"]
        if self.exact:
            return [*lines, "It is the exact merge: the sum of the experts' changes."]
        worst, loss = max(self.modules.items(), key=lambda item: item[1].error)
        return [
            *lines,
            f"It lacks {self.error:.0%} of the merge's changes (Frobenius norm); most in {worst}, {loss.error:.0%}.",
            *(["A larger rank (--rank) lacks less."] if self.error >= 0.005 else []),
        ]


def extract_adapter(
    recipe: Recipe, merged: Path, rank: int = 0, reporter: Reporter = SILENT, timeout: float | None = None
) -> MergedAdapter:
    """Write a merge as one adapter into the folder :data:`FOLDER` of the merged model; one that is there is kept.

    Args:
        merged: the merge's own folder.
        rank: the adapter's at most, for each module; 0: the sum of the experts' there.

    Raises:
        UsageError: the rank is negative.
        UnusableModel: an expert is no adapter.
        SamHubError: as `sam_hub.merging.run.run_merge`.
    """
    if rank < 0:
        raise UsageError(f"An adapter can't have the rank {rank}", "Give a rank of 1 or more, or none.")
    inputs = read_inputs(recipe)
    if inputs.full:
        raise UnusableModel(
            f"{inputs.full[0].repo} is a full model, so the merge can't be an adapter", "Merge only adapters."
        )
    folder = merged / FOLDER
    saved = saved_adapter(folder, recipe_hash(recipe), rank)
    if saved is None:
        with explained_failures(), staged_folder(folder) as staging:
            _write_adapter(recipe, inputs, staging, rank, with_deadline(reporter, timeout))
        saved = saved_adapter(folder, recipe_hash(recipe), rank)
    assert saved is not None
    return saved


def saved_adapter(folder: Path, of_recipe: str, rank: int | None = None) -> MergedAdapter | None:
    """Return the adapter in ``folder``; None if there is none, or it is damaged, or another one.

    Args:
        of_recipe: the recipe's hash.
        rank: as it was asked for; None: any.
    """
    from pydantic import TypeAdapter

    record = read_record(folder, RECORD)
    if record.get("recipe_hash") != of_recipe or rank not in (None, record["asked_rank"]):
        return None
    return TypeAdapter(MergedAdapter).validate_python({**record, "path": str(folder)})


def _write_adapter(recipe: Recipe, inputs: Inputs, folder: Path, rank: int, reporter: Reporter) -> None:
    """Fill ``folder`` with the adapter and its record."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    shares = shares_of(recipe, inputs)
    tensors: dict[str, torch.Tensor] = {}
    modules: dict[str, ModuleLoss] = {}
    lacks = norm = 0.0
    for number, (name, change, factors) in enumerate(_changes(recipe, inputs, shares), 1):
        whole = sum(pair.rank for adapter in inputs.adapters.values() if (pair := adapter.pairs.get(name)) is not None)
        if factors is None or 0 < rank < whole:
            b, a = nearest(change, min(rank or whole, *change.shape))
            lost = float((change - b @ a).norm())
        else:
            (b, a), lost = factors, 0.0
        module, size = name.removesuffix(".weight"), float(change.norm())
        tensors[f"base_model.model.{module}.lora_A.weight"] = a.contiguous()
        tensors[f"base_model.model.{module}.lora_B.weight"] = b.contiguous()
        modules[module] = ModuleLoss(a.shape[0], lost / size if size else 0.0)
        lacks, norm = lacks + lost**2, norm + size**2
        reporter.progress("adapter of the merge", number, len(inputs.touched), "tensors")
    try:
        save_file(tensors, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    except SafetensorError as error:  # it hides what the system said
        raise DiskFull(f"The adapter can't be written: {error}", "Free some space, and merge again.") from error
    _save_config(recipe, inputs, {module: loss.rank for module, loss in modules.items()}, folder)
    lost_share, largest = math.sqrt(lacks / norm) if norm else 0.0, max(loss.rank for loss in modules.values())
    record = {
        **asdict(MergedAdapter("", largest, bool(shares) and not lacks, lost_share, modules)),
        "recipe_hash": recipe_hash(recipe),
        "asked_rank": rank,
        "weights_sha256": file_sha256(folder / ADAPTER_WEIGHTS),
    }
    write_json(folder / RECORD, record)


def shares_of(recipe: Recipe, inputs: Inputs) -> list[float] | None:
    """Return the factor of each expert's change, if the merge is their weighted sum; else None.

    Source: mergekit's ``linear`` and ``task_arithmetic``.
    """
    weights = [expert.weight for expert in recipe.experts]
    total, settings = sum(weights), recipe.parameters
    dora = any(pair.magnitude for adapter in inputs.adapters.values() for pair in adapter.pairs.values())
    if dora or any(isinstance(value, (list, tuple)) for value in settings.values()):
        return None
    if recipe.method == "linear" and abs(total) > 1e-8:
        # Not normalised, it scales the base too, unless the weights are shares already.
        return [w / total for w in weights] if settings.get("normalize", True) or math.isclose(total, 1) else None
    if recipe.method == "task_arithmetic":
        divisor = total if settings.get("normalize") and abs(total) >= 1e-8 else 1.0
        return [settings.get("lambda", 1.0) * w / divisor for w in weights]
    return None


def _changes(
    recipe: Recipe, inputs: Inputs, shares: list[float] | None
) -> Iterator[tuple[str, torch.Tensor, tuple[torch.Tensor, torch.Tensor] | None]]:
    """Yield what the merge adds to each tensor, and for a sum of the experts the two factors that it is made of."""
    import torch
    from safetensors import safe_open

    if shares is None:
        yield from ((name, change, None) for name, change in each_change(recipe, inputs))
        return
    files = {e.path: safe_open(inputs.adapters[e.path].file, framework="pt") for e in recipe.experts}
    for name in sorted(inputs.touched):
        left, right = [], []
        for expert, share in zip(recipe.experts, shares, strict=True):
            if (pair := inputs.adapters[expert.path].pairs.get(name)) is not None:
                left.append(files[expert.path].get_tensor(pair.b).float() * (share * pair.scale))
                right.append(files[expert.path].get_tensor(pair.a).float())
        b, a = torch.cat(left, 1), torch.cat(right, 0)
        yield name, b @ a, (b, a)


def nearest(change: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the two factors, (out, rank) and (rank, in), of the nearest matrix of a rank, (out, in).

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
    modules = {name.removesuffix(".weight") for name in inputs.base}
    every = {module for module in modules if module.rpartition(".")[2] in leaves}
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
    ).save_pretrained(str(folder))
