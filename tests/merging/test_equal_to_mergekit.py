"""A merge made here is the one that stock mergekit makes of the written configuration, bit for bit."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sam_hub.merging.checks import read_inputs
from sam_hub.merging.configuration import FILE_NAME, to_mergekit
from sam_hub.merging.mergekit_tasks import model_config
from sam_hub.merging.methods import METHODS, base_role, default_parameters
from sam_hub.merging.plan import plan_merge
from sam_hub.merging.recipe import Recipe, make_recipe, pin
from sam_hub.merging.run import merge_weights, run_merge
from tests.support import tiny_models

STOCK = Path(sys.executable).with_name("mergekit-yaml")
WEIGHTS = (0.7, -1.2, 1.0)
MERGEKIT = [name for name, method in METHODS.items() if not method.own]
FOR_TWO = {"slerp", "nearswap", "arcee_fusion", "nuslerp"}


@pytest.fixture(scope="module")
def fold_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("folds")


def stock_mergekit(folder: Path, cache: Path, *options: str) -> Path:
    """Run mergekit's own command on the configuration that lies in ``folder``."""
    out = folder.with_name(f"{folder.name}-stock")
    shutil.rmtree(out, ignore_errors=True)
    command = [STOCK, folder / FILE_NAME, out, "--lora-merge-cache", cache, "--quiet", *options]
    subprocess.run(command, check=True, capture_output=True)
    return out


def half(method: str) -> dict[str, float]:
    """Parameters by which half of each delta is kept, where the method has a density: TIES alone would keep all."""
    return dict.fromkeys(default_parameters(method), 0.5)


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("method", ["ties", "task_arithmetic", "linear"])
def test_a_merge_equals_that_of_the_mergekit_command(
    method: str, tiny_base: Path, tiny_experts: tuple[Path, ...], fold_cache: Path, tmp_path: Path
) -> None:
    experts = [pin(path, weight=weight) for path, weight in zip(tiny_experts, WEIGHTS, strict=True)]
    recipe = make_recipe(pin(tiny_base), experts, method=method, parameters=half(method))
    merged = run_merge(plan_merge(recipe, tmp_path / "merged"))
    assert weights(merged) == weights(stock_mergekit(merged, fold_cache))


def test_a_random_merge_equals_that_of_the_mergekit_command_with_the_same_seed(
    tiny_base: Path, tiny_experts: tuple[Path, ...], fold_cache: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(pin(tiny_base), [pin(path) for path in tiny_experts], method="dare_ties", seed=7)
    merged = run_merge(plan_merge(recipe, tmp_path / "merged"))
    # Folding draws random numbers too: mergekit's first run, without folds, is not decided by the seed.
    stock_mergekit(merged, fold_cache, "--random-seed", "7")
    assert weights(merged) == weights(stock_mergekit(merged, fold_cache, "--random-seed", "7"))


def test_paths_with_plus_signs_at_signs_and_spaces_reach_mergekit_whole(
    tiny_base: Path, tiny_experts: tuple[Path, ...], tmp_path: Path
) -> None:
    odd = tmp_path / "my models + more @home"
    base = Path(shutil.copytree(tiny_base, odd / "base@v1"))
    experts = [pin(Path(shutil.copytree(path, odd / f"{path.name}+x"))) for path in tiny_experts]
    merged = run_merge(plan_merge(make_recipe(pin(base), experts), odd / "merged"))
    assert weights(merged) == weights(stock_mergekit(merged, tmp_path / "folds"))


def in_this_process(recipe: Recipe, folder: Path, cache: Path) -> tuple[bytes, bytes]:
    """The weights merged here, and by mergekit with warm folds; its cache of loaders is emptied between."""
    from mergekit.config import MergeConfiguration
    from mergekit.io.tasks import LoaderCache
    from mergekit.merge import run_merge as mergekit_run
    from mergekit.options import MergeOptions

    folder.mkdir()
    merge_weights(recipe, read_inputs(recipe), folder)
    assert not LoaderCache.loaders
    options = MergeOptions(lora_merge_cache=str(cache), random_seed=recipe.seed, write_model_card=False, quiet=True)
    for _ in range(2):
        LoaderCache.loaders.clear()
        config = MergeConfiguration.model_validate(yaml.safe_load(yaml.safe_dump(to_mergekit(recipe))))
        mergekit_run(config, str(folder / "stock"), options)
    LoaderCache.loaders.clear()
    return weights(folder), weights(folder / "stock")


@pytest.mark.parametrize("method", MERGEKIT)
def test_every_method_of_mergekit_gives_its_own_result(
    method: str, tiny_base: Path, tiny_experts: tuple[Path, ...], fold_cache: Path, tmp_path: Path
) -> None:
    count = 1 if method == "passthrough" else 2 if method in FOR_TWO else 3
    chosen = (0.7, 0.4, 1.0) if METHODS[method].weighted else (1.0, 1.0, 1.0)
    experts = [pin(path, weight=weight) for path, weight in zip(tiny_experts[:count], chosen, strict=False)]
    parameters = {"t": 0.3} if method in ("slerp", "nearswap") else half(method)
    recipe = make_recipe(pin(tiny_base), experts, method=method, parameters=parameters, seed=5)
    ours, stock = in_this_process(recipe, tmp_path / "merged", fold_cache)
    assert ours == stock, base_role(method, count)


@pytest.mark.parametrize("how", ["float32", "float16", "untied", "mixed", "sharded", "full models", "dora"])
def test_other_kinds_of_base_and_experts_give_the_same_result_too(how: str, tmp_path: Path) -> None:
    base = tiny_models.tiny_base(
        tmp_path / "base", dtype=how if how.startswith("float") else "bfloat16", tied=how != "untied"
    )
    experts = [tiny_models.tiny_adapter(base, tmp_path / f"expert{n}", seed=n, use_dora=how == "dora") for n in (1, 2)]
    if how == "mixed":
        _widen_norms(base)
    if how == "sharded":
        base = _saved_again(base, None, tmp_path / "sharded", max_shard_size="20KB")
    if how == "full models":
        experts = [_saved_again(base, path, tmp_path / f"full-{path.name}") for path in experts]
    for path in experts:
        (path / "sam_hub.json").unlink(missing_ok=True)  # the base was stored anew: its hash is another
    recipe = make_recipe(
        pin(base), [pin(path) for path in experts], parameters=half("ties"), dtype="float32" if how == "mixed" else None
    )
    ours, stock = in_this_process(recipe, tmp_path / "merged", tmp_path / "folds")
    assert ours == stock


@pytest.mark.parametrize("seed", range(16))
def test_any_combination_gives_the_same_result(seed: int, tmp_path: Path) -> None:
    """Methods, weights, ranks, alphas, rsLoRA, DoRA, patterns, number types and shards, drawn at random."""
    draw = random.Random(seed)
    base = tiny_models.tiny_base(
        tmp_path / "base", dtype=draw.choice(["bfloat16", "bfloat16", "float16", "float32"]), tied=draw.random() < 0.5
    )
    method = draw.choice([m for m in MERGEKIT if m not in FOR_TWO and m != "passthrough"])
    experts = []
    for number in range(draw.randint(2, 4)):
        targets = draw.sample(tiny_models.LINEAR, draw.randint(1, len(tiny_models.LINEAR)))
        path = tiny_models.tiny_adapter(
            base,
            tmp_path / f"expert{number}",
            rank=draw.randint(1, 8),
            seed=number,
            targets=tuple(targets),
            lora_alpha=draw.choice([1, 8, 13]),
            use_rslora=draw.random() < 0.3,
            use_dora=draw.random() < 0.3,
            rank_pattern={targets[0]: draw.randint(1, 8)} if draw.random() < 0.3 else {},
            alpha_pattern={f"layers.1.*{targets[-1]}": 3} if draw.random() < 0.3 else {},
        )
        (path / "sam_hub.json").unlink()  # the base may be stored anew: its hash is another
        weight = draw.choice([0.3, 0.7, 1.0, 1.4]) if METHODS[method].weighted else 1.0
        experts.append(pin(path, weight=weight))
    if draw.random() < 0.5:
        base = _saved_again(base, None, tmp_path / "sharded", max_shard_size="20KB")
    parameters = half(method) if draw.random() < 0.7 else None
    recipe = make_recipe(pin(base), experts, method=method, parameters=parameters, seed=seed)
    ours, stock = in_this_process(recipe, tmp_path / "merged", tmp_path / "folds")
    assert ours == stock, method


def test_a_large_result_is_written_in_shards_that_load_as_one_model(
    tiny_base: Path, tiny_experts: tuple[Path, ...], tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    recipe = make_recipe(pin(tiny_base), [pin(path) for path in tiny_experts])
    whole, shards = tmp_path / "whole", tmp_path / "shards"
    for folder, most in ((whole, 10**9), (shards, 20_000)):
        folder.mkdir()
        merge_weights(recipe, read_inputs(recipe), folder, shard_bytes=most)
        model_config(recipe).save_pretrained(folder)
    assert len(list(shards.glob("model-*-of-*.safetensors"))) > 2
    assert all(file.stat().st_size < 25_000 for file in list(shards.glob("model-*.safetensors"))[1:])
    ours, one = (AutoModelForCausalLM.from_pretrained(folder).state_dict() for folder in (shards, whole))
    assert all(one[name].equal(tensor) for name, tensor in ours.items())


def _widen_norms(base: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(base / "model.safetensors")
    widened = {name: t.float() * 1.2345 if "norm" in name else t for name, t in tensors.items()}
    save_file(widened, base / "model.safetensors", metadata={"format": "pt"})


def _saved_again(base: Path, adapter: Path | None, folder: Path, **options: str) -> Path:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(base)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    model.save_pretrained(folder, **options)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder
