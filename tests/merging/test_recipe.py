"""A recipe pins its inputs, speaks mergekit's language, and says what it does not understand."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from sam_hub.errors import UsageError
from sam_hub.merging.configuration import config_text, to_mergekit
from sam_hub.merging.methods import METHODS, REQUIRED, base_role, count_problem
from sam_hub.merging.recipe import make_recipe, pin, recipe_hash, to_json


@pytest.fixture
def recipe(tiny_base: Path, tiny_experts: tuple[Path, ...]):
    experts = [
        pin(path, f"acme/{path.name}", "1a2b3c", weight) for path, weight in zip(tiny_experts, (1, 2, 0.5), strict=True)
    ]
    return make_recipe(pin(tiny_base, "acme/base", "4d5e6f"), experts)


def test_ties_of_whole_deltas_is_the_default(recipe) -> None:
    config = to_mergekit(recipe)
    assert (config["merge_method"], config["parameters"], config["dtype"]) == ("ties", {"density": 1.0}, "bfloat16")
    base, expert = recipe.base.path, recipe.experts[1].path
    assert config["base_model"] == str(base)
    assert config["models"][1] == {"model": f"{base}+{expert}", "parameters": {"weight": 2.0}}


def test_the_configuration_tells_where_its_inputs_come_from(recipe) -> None:
    text = config_text(recipe)
    assert "acme/plain 1a2b3c" in text
    assert yaml.safe_load(text) == to_mergekit(recipe)


def test_the_hash_tells_contents_and_not_where_they_lie(recipe, tiny_base: Path, tmp_path: Path) -> None:
    moved = pin(Path(shutil.copytree(tiny_base, tmp_path / "elsewhere")), "other/name", "ffff")
    assert recipe_hash(replace(recipe, base=moved)) == recipe_hash(recipe)
    assert recipe_hash(replace(recipe, parameters={"density": 0.6})) != recipe_hash(recipe)
    assert recipe_hash(replace(recipe, experts=recipe.experts[::-1])) != recipe_hash(recipe)
    assert recipe_hash(replace(recipe, dtype="float32")) != recipe_hash(recipe)
    assert recipe_hash(replace(recipe, seed=1)) == recipe_hash(recipe)  # ties draws nothing
    random = replace(recipe, method="dare_ties")
    assert recipe_hash(replace(random, seed=1)) != recipe_hash(random)


def test_an_adapter_with_another_alpha_is_another_input(tiny_adapter: Path) -> None:
    before = pin(tiny_adapter)
    config = json.loads((tiny_adapter / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "somewhere/else"
    (tiny_adapter / "adapter_config.json").write_text(json.dumps(config))
    assert pin(tiny_adapter) == before
    config["lora_alpha"] *= 2
    (tiny_adapter / "adapter_config.json").write_text(json.dumps(config))
    assert pin(tiny_adapter) != before


def test_what_may_be_published_of_a_recipe_names_no_local_path(recipe, tiny_base: Path) -> None:
    assert str(tiny_base) in config_text(recipe)
    for text in (json.dumps(to_json(recipe)), config_text(recipe, by_repo=True)):
        assert str(tiny_base.parent) not in text
        assert recipe.base.repo in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"method": "tiez"}, "Use one of: arcee_fusion, breadcrumbs"),
        ({"parameters": {"densitty": 0.5}}, "It takes: density, int8_mask, lambda, normalize, rescale"),
        ({"parameters": {"density": 9}}, "density=9: Input should be less than or equal to 1"),
        ({"parameters": {"density": "much"}}, "density='much'"),
        ({"method": "slerp", "parameters": {}}, "needs the parameter 't'"),
        ({"method": "model_stock", "parameters": {}}, "has no weights"),
        ({"dtype": "int4"}, "bfloat16, float16, float32"),
        ({"experts": ()}, "at least one expert"),
    ],
)
def test_what_mergekit_does_not_take_is_one_clear_error(recipe, change: dict, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        to_mergekit(replace(recipe, **change))
    assert said in str(caught.value)


def test_a_method_for_two_refuses_three_experts(recipe) -> None:
    three = tuple(replace(expert, weight=1.0) for expert in recipe.experts)
    with pytest.raises(UsageError, match="can't merge 3 experts"):
        to_mergekit(replace(recipe, method="slerp", parameters={"t": 0.5}, experts=three))
    pair = to_mergekit(replace(recipe, method="slerp", parameters={"t": 0.5}, experts=three[:2]))
    assert pair["base_model"] == pair["models"][0]["model"]


def test_the_same_expert_twice_is_refused(recipe) -> None:
    with pytest.raises(UsageError, match="more than once"):
        make_recipe(recipe.base, [recipe.experts[0], recipe.experts[0]])


def test_the_table_of_methods_is_the_registry_of_the_installed_mergekit() -> None:
    from mergekit.merge_methods import registered_methods

    from sam_hub.merging.svd_methods import register_svd_methods

    register_svd_methods()
    specs = {one.spec.name: one.spec for one in registered_methods() if not one.spec.name.endswith("_stable")}
    assert sorted(specs) == list(METHODS)
    for name, spec in specs.items():
        method, contract = METHODS[name], spec.contract
        own = {one.name: one for one in spec.parameters if one.name != "weight"}
        assert method.weighted == ("weight" in {one.name for one in spec.parameters})
        assert method.parameters == {n: REQUIRED if one.required else one.default for n, one in own.items()}
        for parameter, value in method.parameters.items():
            kind = float if value is REQUIRED else float | None if value is None else type(value)
            assert own[parameter].value_type == kind
        assert method.needs_base == (contract.base.value == "required")
        assert method.models == (contract.min_inputs, contract.max_inputs)
        assert method.experts == (contract.min_non_base, contract.max_non_base)


def test_a_merge_is_planned_without_torch(tiny_base: Path, tiny_experts: tuple[Path, ...], tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from sam_hub.merging.plan import plan_merge
from sam_hub.merging.recipe import make_recipe, pin
out, base, *experts = map(Path, sys.argv[1:])
plan = plan_merge(make_recipe(pin(base), [pin(path) for path in experts]), out)
assert not plan.report.errors
print([name for name in ("torch", "transformers", "mergekit") if name in sys.modules])
"""
    command = [sys.executable, "-c", program, *map(str, (tmp_path / "out", tiny_base, *tiny_experts))]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("experts", [1, 2, 3])
def test_how_many_experts_a_method_takes_is_what_mergekit_says(method: str, experts: int) -> None:
    from mergekit.merge_methods import get

    role = base_role(method, experts)
    names = [f"expert {number}" for number in range(experts)] + (["base"] if role == "base" else [])
    base = {"base": "base", "unused": None, "first expert": "expert 0"}[role]
    try:
        get(method).spec.contract.validate_ids(names, base)
        refused = False
    except ValueError:
        refused = True
    assert (count_problem(method, experts) is not None) == refused
