"""Trimming without a sort keeps what a stable sort would: of equally large changes the first."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from mergekit import sparsify

from sam_hub.errors import UnusableModel, UsageError
from sam_hub.merging import stable_methods
from sam_hub.merging.configuration import config_text
from sam_hub.merging.methods import METHODS
from sam_hub.merging.plan import plan_merge
from sam_hub.merging.recipe import make_recipe, pin, recipe_hash
from sam_hub.merging.run import run_merge
from tests.support import tiny_models

HALF = {"density": 0.5}


@pytest.fixture
def sorted_stably(monkeypatch: pytest.MonkeyPatch) -> None:
    """mergekit, with a sort that leaves equal ones in their order."""
    monkeypatch.setattr(torch, "argsort", partial(torch.argsort, stable=True))
    sort = torch.sort
    monkeypatch.setattr(torch, "sort", lambda w, descending: sort(w, descending=descending, stable=True))


def test_of_equally_large_changes_the_first_are_kept() -> None:
    change = torch.tensor([1.0, -2.0, 2.0, 2.0, 0.5, 3.0])
    assert stable_methods.magnitude(change, 0.5).tolist() == [0, -2, 2, 0, 0, 3]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
@pytest.mark.parametrize("ties", ["some", "many"])
@pytest.mark.parametrize("norm", [None, sparsify.RescaleNorm.l1])
def test_the_result_is_that_of_mergekit_with_a_stable_sort(
    dtype: torch.dtype, ties: str, norm: sparsify.RescaleNorm | None, sorted_stably: None
) -> None:
    random = torch.Generator().manual_seed(3)
    for _ in range(40):
        rows, columns = torch.randint(1, 40, (2,), generator=random).tolist()
        change = torch.randn(rows, columns, generator=random).mul(0.001).to(dtype)
        if ties == "many":
            change = change.mul(1000).round().div(1000)
        density, gamma = torch.rand(2, generator=random).tolist()
        for ours, theirs in (
            (stable_methods.magnitude, sparsify.magnitude),
            (
                partial(stable_methods.magnitude_outliers, gamma=gamma),
                partial(sparsify.magnitude_outliers, gamma=gamma),
            ),
        ):
            kept, expected = ours(change, density, norm), theirs(change, density, norm)
            assert kept.equal(expected)
            assert torch.signbit(kept).equal(torch.signbit(expected))


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.trims])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_a_stable_merge_is_that_of_mergekit_with_a_stable_sort(
    method: str, dtype: str, sorted_stably: None, tmp_path: Path
) -> None:
    from tests.merging.test_equal_to_mergekit import in_this_process

    base = tiny_models.tiny_base(tmp_path / "base", dtype=dtype)
    experts = [pin(tiny_models.tiny_adapter(base, tmp_path / f"expert{n}", seed=n)) for n in range(3)]
    recipe = make_recipe(pin(base), experts, method=method, parameters=HALF, stable=True)
    ours, stock = in_this_process(recipe, tmp_path / "merged", tmp_path / "folds")
    assert ours == stock


def test_a_stable_merge_is_another_recipe_and_says_so(
    tiny_base: Path, tiny_experts: tuple[Path, ...], tmp_path: Path
) -> None:
    experts = [pin(path) for path in tiny_experts]
    plain, stable = (make_recipe(pin(tiny_base), experts, parameters=HALF, stable=stable) for stable in (False, True))
    assert recipe_hash(plain) != recipe_hash(stable)
    assert "--stable, that is, by 'ties_stable', which mergekit does not have" in config_text(stable)
    assert "--stable" not in config_text(plain)
    folder = run_merge(plan_merge(stable, tmp_path / "merged"))
    assert plan_merge(stable, folder).reused
    assert not plan_merge(plain, folder).reused


def test_stable_trimming_is_refused_where_nothing_is_trimmed(tiny_base: Path, tiny_experts: tuple[Path, ...]) -> None:
    with pytest.raises(UsageError, match="'linear' does not trim"):
        make_recipe(pin(tiny_base), [pin(path) for path in tiny_experts], method="linear", stable=True)
    with pytest.raises(UsageError, match="Nothing is trimmed at a density of 1"):
        make_recipe(pin(tiny_base), [pin(path) for path in tiny_experts], stable=True)


def test_a_damaged_expert_is_refused_by_a_stable_merge_too(tiny_base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    expert = tiny_models.tiny_adapter(tiny_base, tmp_path / "expert", seed=1)
    tensors = load_file(expert / "adapter_model.safetensors")
    for tensor in tensors.values():
        tensor[0, 0] = torch.nan
    save_file(tensors, expert / "adapter_model.safetensors", metadata={"format": "pt"})
    recipe = make_recipe(pin(tiny_base), [pin(expert)], parameters=HALF, stable=True)
    with pytest.raises(UnusableModel, match="not finite"):
        run_merge(plan_merge(recipe, tmp_path / "merged"))
