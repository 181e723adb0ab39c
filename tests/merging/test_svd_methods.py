"""KnOTS, TSV-M and Iso-C: against their definitions on small matrices, and in merges of tiny models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sam_hub.merging import svd_methods
from sam_hub.merging.methods import METHODS
from sam_hub.merging.plan import plan_merge
from sam_hub.merging.recipe import Recipe, make_recipe, pin
from sam_hub.merging.run import run_merge

OWN = [name for name, method in METHODS.items() if method.own]


def changes(count: int, rows: int = 150, columns: int = 140, rank: int = 4) -> list[torch.Tensor]:
    """Changes as LoRA experts make them."""
    random = torch.Generator().manual_seed(count)
    return [
        torch.randn(rows, rank, generator=random) @ torch.randn(rank, columns, generator=random) for _ in range(count)
    ]


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two matrices are the same but for rounding."""
    return bool(torch.linalg.norm(a - b) <= 1e-4 * torch.linalg.norm(b))


def test_a_decomposition_has_the_directions_of_its_matrix_and_no_others() -> None:
    low, (full,) = changes(2), [torch.randn(150, 140, generator=torch.Generator().manual_seed(0))]
    for matrix, rank in ((low[0], 4), (low[0] + low[1], 8), (full, 140)):
        left, values, right = svd_methods.svd(matrix)
        assert len(values) == rank
        assert close(left * values @ right, matrix)


@pytest.mark.parametrize("merge", [svd_methods.knots_merge, svd_methods.tsv_merge])
def test_an_expert_alone_stays_as_it_is(merge) -> None:
    (alone,) = changes(1)
    assert close(merge([alone]), alone)


@pytest.mark.parametrize("merge", [svd_methods.knots_merge, svd_methods.tsv_merge, svd_methods.iso_merge])
def test_the_order_of_the_experts_does_not_matter(merge) -> None:
    experts = changes(3)
    assert close(merge(experts), merge(experts[::-1]))


def test_knots_elects_signs_among_the_right_parts() -> None:
    """Where all experts change the same single direction, TIES by hand gives the right part."""
    left = torch.nn.functional.normalize(torch.arange(1.0, 141.0), dim=0)
    rights = torch.tensor([[1.0, -1.0, 3.0, 0.0], [1.0, 2.0, -1.0, 0.0], [4.0, 2.0, -1.0, 5.0]])
    elected = torch.tensor([2.0, 2.0, 3.0, 5.0])  # signs +, +, +, +; means of those that have them
    assert close(svd_methods.knots_merge([torch.outer(left, right) for right in rights]), torch.outer(left, elected))


def test_tsv_adds_experts_that_do_not_interfere_and_parts_those_that_do() -> None:
    a, b = torch.zeros(150, 140), torch.zeros(150, 140)
    a[0, 0], b[1, 1] = 2.0, 3.0
    assert close(svd_methods.tsv_merge([a, b]), a + b)
    twice = svd_methods.tsv_merge([a, a])
    assert torch.linalg.matrix_norm(twice, 2) < 3  # not twice as strong


def test_iso_gives_every_direction_the_mean_strength() -> None:
    a, b = torch.zeros(150, 140), torch.zeros(150, 140)
    a[0, 0], b[1, 1] = 2.0, 4.0
    merged = svd_methods.iso_merge([a, b])
    assert merged[0, 0].item() == pytest.approx(3)
    assert merged[1, 1].item() == pytest.approx(3)


@pytest.fixture
def recipe(tiny_base: Path, tiny_experts: tuple[Path, ...]) -> Recipe:
    """Three experts of different ranks and modules."""
    return make_recipe(pin(tiny_base), [pin(path) for path in tiny_experts], method="knots")


@pytest.mark.parametrize("method", OWN)
def test_a_merge_changes_what_its_experts_change_and_is_the_same_again(
    method: str, recipe: Recipe, tiny_base: Path, tmp_path: Path
) -> None:
    recipe = replace(recipe, method=method, parameters={})
    folders = [run_merge(plan_merge(recipe, tmp_path / name)) for name in ("first", "second")]
    first, second = (load_file(folder / "model.safetensors") for folder in folders)
    base = load_file(tiny_base / "model.safetensors")
    assert all(first[name].equal(second[name]) for name in first)
    assert {tensor.dtype for tensor in first.values()} == {torch.bfloat16}
    changed = {name for name in first if not first[name].equal(base[name])}
    assert changed
    assert all("proj" in name for name in changed)
    assert "which mergekit-yaml does not have" in (folders[0] / "mergekit_config.yml").read_text()


@pytest.mark.parametrize("method", ["knots", "tsv_m"])
def test_a_merge_of_one_expert_is_that_expert(method: str, tiny_base: Path, tiny_experts, tmp_path: Path) -> None:
    alone = make_recipe(pin(tiny_base), [pin(tiny_experts[0])], method=method, dtype="float32")
    added = replace(alone, method="task_arithmetic", parameters={})
    by_svd, by_sum = (
        load_file(run_merge(plan_merge(recipe, tmp_path / recipe.method)) / "model.safetensors")
        for recipe in (alone, added)
    )
    assert all(torch.allclose(by_svd[name], by_sum[name], atol=2e-3) for name in by_sum)
