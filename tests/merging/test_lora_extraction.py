"""A merge as one adapter: it loads with plain peft, is exact where it can be, and says by how much it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_hub.errors import UnusableModel, UsageError
from sam_hub.merging.lora_extraction import extract_adapter
from sam_hub.merging.plan import plan_merge
from sam_hub.merging.recipe import Recipe, make_recipe, pin
from sam_hub.merging.run import run_merge
from tests.support import tiny_models

WEIGHTS = (0.7, -1.2, 1.0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.tiny_base(tmp_path_factory.mktemp("models") / "base", dtype="float32")


@pytest.fixture(scope="module")
def experts(base: Path) -> tuple[Path, ...]:
    """Of other ranks and scales, and one on some modules alone."""
    return (
        tiny_models.tiny_adapter(base, base.parent / "plain", rank=4, seed=1),
        tiny_models.tiny_adapter(base, base.parent / "rslora", rank=8, seed=2, use_rslora=True),
        tiny_models.tiny_adapter(
            base, base.parent / "some", rank=4, seed=3, targets=("q_proj", "up_proj"), rank_pattern={"q_proj": 6}
        ),
    )


def made(base: Path, experts: tuple[Path, ...], folder: Path, method: str, **options) -> tuple[Recipe, Path]:
    pinned = [pin(path, weight=weight) for path, weight in zip(experts, WEIGHTS, strict=False)]
    recipe = make_recipe(pin(base), pinned, method=method, **options)
    return recipe, run_merge(plan_merge(recipe, folder / "merged"))


@pytest.fixture(scope="module")
def ties(base: Path, experts: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    """A merge that is no sum."""
    return made(base, experts, tmp_path_factory.mktemp("ties"), "ties", parameters={"density": 0.5})


@pytest.fixture(scope="module")
def summed(base: Path, experts: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    """A merge that is the weighted sum of its experts."""
    return made(base, experts, tmp_path_factory.mktemp("summed"), "task_arithmetic")


def changes(base: Path, folder: Path) -> dict:
    """What a model, or an adapter that peft puts on the base, adds to each of the base's tensors."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    start = AutoModelForCausalLM.from_pretrained(base)
    before = {name: tensor.clone() for name, tensor in start.state_dict().items()}
    if (folder / "adapter_config.json").is_file():
        changed = PeftModel.from_pretrained(start, folder).merge_and_unload()
    else:
        changed = AutoModelForCausalLM.from_pretrained(folder)
    return {name: tensor - before[name] for name, tensor in changed.state_dict().items()}


def distance(one: dict, other: dict, names: list[str]) -> float:
    """The norm of the difference over that of the second."""
    missing = sum(float((one[name] - other[name]).norm()) ** 2 for name in names)
    return (missing / sum(float(other[name].norm()) ** 2 for name in names)) ** 0.5


@pytest.mark.parametrize(
    ("method", "parameters"),
    [("task_arithmetic", {}), ("task_arithmetic", {"normalize": True, "lambda": 0.4}), ("linear", {})],
)
def test_a_sum_of_experts_is_an_adapter_of_the_sum_of_their_ranks(
    base: Path, experts: tuple[Path, ...], tmp_path: Path, method: str, parameters: dict
) -> None:
    recipe, merged = made(base, experts, tmp_path, method, parameters=parameters)
    found = extract_adapter(recipe, merged)
    assert (found.rank, found.exact, found.error) == (18, True, 0.0)
    ranks = {module.rpartition(".")[2]: values.rank for module, values in found.modules.items()}
    assert (ranks["q_proj"], ranks["up_proj"], ranks["v_proj"]) == (18, 16, 12)
    ours, whole = changes(base, Path(found.path)), changes(base, merged)
    assert distance(ours, whole, list(whole)) < 1e-5


def test_what_another_method_loses_is_what_it_says(base: Path, ties: tuple[Recipe, Path]) -> None:
    recipe, merged = ties
    found = extract_adapter(recipe, merged)
    assert not found.exact
    ours, whole = changes(base, Path(found.path)), changes(base, merged)
    changed = [f"{module}.weight" for module in found.modules]
    assert distance(ours, whole, changed) == pytest.approx(found.error, rel=1e-3)
    for name in changed:
        said = found.modules[name.removesuffix(".weight")].error
        assert distance(ours, whole, [name]) == pytest.approx(said, rel=1e-2, abs=1e-5)


def test_no_adapter_of_the_rank_is_nearer(base: Path, ties: tuple[Recipe, Path]) -> None:
    import torch

    recipe, merged = ties
    found, whole = extract_adapter(recipe, merged, rank=3), changes(base, merged)
    for module, values in found.modules.items():
        sizes = torch.linalg.svdvals(whole[f"{module}.weight"].double())
        assert values.rank == 3
        assert values.error == pytest.approx(float(sizes[3:].norm() / sizes.norm()), rel=1e-3)


def test_a_lower_rank_loses_more_and_a_full_one_nothing(ties: tuple[Recipe, Path]) -> None:
    recipe, merged = ties
    errors = [extract_adapter(recipe, merged, rank).error for rank in (1, 4, 64)]
    assert errors[0] > errors[1] > 0.01 > 1e-5 > errors[2]


def test_a_sum_of_experts_can_be_bound_to_a_rank_too(base: Path, summed: tuple[Recipe, Path]) -> None:
    recipe, merged = summed
    found = extract_adapter(recipe, merged, rank=5)
    assert (found.rank, found.exact) == (5, False)
    ours, whole = changes(base, Path(found.path)), changes(base, merged)
    assert distance(ours, whole, [f"{module}.weight" for module in found.modules]) == pytest.approx(
        found.error, rel=1e-3
    )


@pytest.mark.parametrize("method", ["dare_ties", "della"])
def test_a_random_merge_and_its_adapter_are_of_one_draw(
    base: Path, experts: tuple[Path, ...], tmp_path: Path, method: str
) -> None:
    recipe, merged = made(base, experts, tmp_path, method, seed=3)
    found = extract_adapter(recipe, merged, rank=64)
    assert (
        distance(changes(base, Path(found.path)), changes(base, merged), ["model.layers.1.mlp.up_proj.weight"]) < 1e-4
    )


def test_dora_experts_make_an_adapter_of_plain_lora(base: Path, tmp_path: Path) -> None:
    expert = tiny_models.tiny_adapter(base, tmp_path / "dora", seed=5, use_dora=True)
    recipe, merged = made(base, (expert,), tmp_path, "task_arithmetic")
    found = extract_adapter(recipe, merged, rank=64)
    assert distance(changes(base, Path(found.path)), changes(base, merged), list(changes(base, merged))) < 1e-5


def test_it_is_made_once_and_a_damaged_one_anew(summed: tuple[Recipe, Path]) -> None:
    recipe, merged = summed
    found = extract_adapter(recipe, merged)
    file = Path(found.path) / "adapter_model.safetensors"
    good, written = file.read_bytes(), file.stat().st_mtime_ns
    assert extract_adapter(recipe, merged) == found
    assert file.stat().st_mtime_ns == written
    file.write_bytes(good[:-1] + b"\x01")
    extract_adapter(recipe, merged)
    assert file.read_bytes() == good
    assert extract_adapter(recipe, merged, rank=2).rank == 2


def test_a_full_model_among_the_experts_is_refused(base: Path, experts: tuple[Path, ...], tmp_path: Path) -> None:
    whole = tiny_models.tiny_base(tmp_path / "whole", dtype="float32", seed=8)
    recipe, merged = made(base, (experts[0], whole), tmp_path, "ties")
    with pytest.raises(UnusableModel, match="whole is a full model"):
        extract_adapter(recipe, merged)
    with pytest.raises(UsageError, match="rank -1"):
        extract_adapter(recipe, merged, rank=-1)
