"""Before a merge, whatever would spoil it is said, with the expert's name and what to do."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from sam_hub.errors import DiskFull, UnusableModel
from sam_hub.merging.checks import Report, check_recipe
from sam_hub.merging.plan import plan_merge
from sam_hub.merging.recipe import make_recipe, pin
from sam_hub.merging.run import run_merge
from tests.support import tiny_models


def report(base: Path, *experts: Path) -> Report:
    return check_recipe(make_recipe(pin(base), [pin(path, f"acme/{path.name}") for path in experts]))


def only_error(base: Path, *experts: Path) -> str:
    (error,) = report(base, *experts).errors
    return str(error)


def edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_good_inputs_pass_with_notes_on_what_differs(tiny_base: Path, tiny_experts: tuple[Path, ...]) -> None:
    found = report(tiny_base, *tiny_experts)
    assert (found.errors, found.warnings) == ((), ())
    assert any("ranks differ (4, 6, 8)" in note for note in found.notes)
    assert any("rsLoRA" in note for note in found.notes)
    assert any("change different modules (" in note for note in found.notes)
    assert "6 of 20 tensors are changed by no expert and are copied." in found.notes


def test_an_adapter_of_another_base_is_refused_by_its_recorded_hash(tiny_base: Path, tmp_path: Path) -> None:
    other = tiny_models.tiny_base(tmp_path / "other", seed=9)
    stranger = tiny_models.tiny_adapter(other, tmp_path / "stranger")
    message = only_error(tiny_base, stranger)
    assert "acme/stranger has another base" in message
    assert "merge experts of its own base" in message


def test_an_adapter_of_another_base_is_refused_by_its_shapes(tiny_base: Path, tmp_path: Path) -> None:
    other = tiny_models.tiny_base(tmp_path / "other", hidden=48)
    stranger = tiny_models.tiny_adapter(other, tmp_path / "stranger")
    (stranger / "sam_hub.json").unlink()
    assert "acme/stranger does not fit the base base" in only_error(tiny_base, stranger)


def test_an_adapter_that_records_no_base_gives_a_warning(tiny_base: Path, tiny_adapter: Path) -> None:
    (tiny_adapter / "sam_hub.json").unlink()
    found = report(tiny_base, tiny_adapter)
    assert not found.errors
    assert "does not record" in str(found.warnings[0])


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ({"use_qalora": True}, "use_qalora"),
        ({"bias": "lora_only"}, "trained biases"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"init_lora_weights": "pissa"}, "pissa"),
        ({"peft_type": "IA3"}, "IA3"),
    ],
)
def test_an_unsupported_kind_of_adapter_is_named(tiny_base: Path, tiny_adapter: Path, option: dict, named: str) -> None:
    edit(tiny_adapter / "adapter_config.json", **option)
    message = only_error(tiny_base, tiny_adapter)
    assert "acme/expert" in message
    assert named in message


def test_an_adapter_that_says_dora_and_holds_none_is_refused(tiny_base: Path, tiny_adapter: Path) -> None:
    edit(tiny_adapter / "adapter_config.json", use_dora=True)
    assert "has only a part of" in only_error(tiny_base, tiny_adapter)


def test_a_dora_adapter_is_refused_if_its_configuration_hides_it(tiny_base: Path, tmp_path: Path) -> None:
    expert = tiny_models.tiny_adapter(tiny_base, tmp_path / "dora", use_dora=True)
    edit(expert / "adapter_config.json", use_dora=False)
    assert "lora_magnitude_vector" in only_error(tiny_base, expert)


def test_an_adapter_whose_rank_is_not_that_of_its_weights_is_refused(tiny_base: Path, tiny_adapter: Path) -> None:
    edit(tiny_adapter / "adapter_config.json", r=5)
    assert "has rank 5" in only_error(tiny_base, tiny_adapter)


def test_an_adapter_without_weights_for_a_target_is_refused(tiny_base: Path, tiny_adapter: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(tiny_adapter / "adapter_model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "layers.1.mlp.up_proj" not in name}
    save_file(kept, tiny_adapter / "adapter_model.safetensors")
    assert "holds no weights for it" in only_error(tiny_base, tiny_adapter)


DAMAGES = {
    "cut short": lambda data: data[:-10],
    "empty": lambda data: b"",
    "a header longer than the file": lambda data: (1 << 40).to_bytes(8, "little") + data[8:],
    "not JSON": lambda data: data[:8] + b"x" + data[9:],
    "another shape": lambda data: data.replace(b'"shape":[4,32]', b'"shape":[4,33]', 1),
    "an unknown dtype": lambda data: data.replace(b'"dtype":"F32"', b'"dtype":"F4X"', 1),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_one_clear_error(tiny_base: Path, tiny_adapter: Path, damage: str) -> None:
    file = tiny_adapter / "adapter_model.safetensors"
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    message = only_error(tiny_base, tiny_adapter)
    assert message.startswith("The expert acme/expert can't be merged: ")
    assert "adapter_model.safetensors" in message


def test_dora_is_noted(tiny_base: Path, tmp_path: Path) -> None:
    expert = tiny_models.tiny_adapter(tiny_base, tmp_path / "expert", use_dora=True)
    assert any("use DoRA" in note for note in report(tiny_base, expert).notes)


def test_a_quantized_base_is_refused(tiny_base: Path, tiny_adapter: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    edit(base / "config.json", quantization_config={"quant_method": "gptq"})
    assert "The base base is quantized. Use the base in bfloat16" in only_error(base, tiny_adapter)


def test_an_output_layer_in_the_adapter_of_a_tied_base_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    """Its own lm_head would be lost, or would change the input embeddings as well."""
    import torch
    from safetensors.torch import load_file, save_file

    expert = tiny_models.tiny_adapter(tiny_base, tmp_path / "expert")
    edit(expert / "adapter_config.json", modules_to_save=["lm_head"])
    tensors = load_file(expert / "adapter_model.safetensors")
    tensors["base_model.model.lm_head.weight"] = torch.zeros(8, 8)
    save_file(tensors, expert / "adapter_model.safetensors")
    message = only_error(tiny_base, expert)
    assert "modules_to_save, which can't be merged" in message
    assert "Leave this expert out" in message


def test_a_full_model_with_another_vocabulary_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    full = Path(shutil.copytree(tiny_base, tmp_path / "full"))
    tensors = load_file(full / "model.safetensors")
    tensors["model.embed_tokens.weight"] = tensors["model.embed_tokens.weight"][:-3].contiguous()
    save_file(tensors, full / "model.safetensors")
    assert "acme/full has 'model.embed_tokens.weight' as [" in only_error(tiny_base, full)


def test_a_full_model_of_another_architecture_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    full = Path(shutil.copytree(tiny_base, tmp_path / "full"))
    edit(full / "config.json", architectures=["MistralForCausalLM"])
    assert "acme/full is a ['MistralForCausalLM'], the base a ['LlamaForCausalLM']" in only_error(tiny_base, full)


@pytest.mark.parametrize("which", ["base", "expert"])
def test_what_was_changed_after_it_was_chosen_is_refused(
    which: str, tiny_base: Path, tiny_adapter: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    base = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    recipe = make_recipe(pin(base), [pin(tiny_adapter)])
    file = next({"base": base, "expert": tiny_adapter}[which].glob("*.safetensors"))
    save_file({name: tensor + 1 for name, tensor in load_file(file).items()}, file)
    (error,) = check_recipe(recipe).errors
    assert f"The {which} {which} was changed in" in error.what
    assert "pull the model again" in error.action


def test_too_little_memory_is_told_before_the_work(
    tiny_base: Path, tiny_adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    memory = namedtuple("memory", "available")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory(10**8))
    (warning,) = report(tiny_base, tiny_adapter).warnings
    assert "may need 0.9 GB of memory; 0.1 GB are free" in str(warning)


def test_an_adapter_in_place_of_the_base_is_refused(tiny_base: Path, tiny_adapter: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_adapter, tmp_path / "b")
    with pytest.raises(UnusableModel):
        plan_merge(make_recipe(pin(tmp_path / "b"), [pin(tiny_adapter)]), tmp_path / "out").report.raise_errors()


def test_experts_that_answer_in_different_formats_give_a_warning(
    tiny_base: Path, tiny_experts: tuple[Path, ...], tiny_adapter: Path
) -> None:
    edit(tiny_adapter / "sam_hub.json", prompt_format="json")
    (warning,) = report(tiny_base, tiny_experts[0], tiny_adapter).warnings
    assert "different prompt formats" in warning.what


def test_a_full_disk_is_told_before_the_work(
    tiny_base: Path, tiny_adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**9, 10**9, 1000))
    plan = plan_merge(make_recipe(pin(tiny_base), [pin(tiny_adapter)]), tmp_path / "out")
    with pytest.raises(DiskFull, match="0 MB free"):
        run_merge(plan)
    assert not (tmp_path / "out").exists()


def test_an_expert_with_another_tokenizer_is_refused(tiny_base: Path, tiny_adapter: Path) -> None:
    shutil.copyfile(tiny_base / "tokenizer.json", tiny_adapter / "tokenizer.json")
    assert not report(tiny_base, tiny_adapter).errors
    content = json.loads((tiny_adapter / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (tiny_adapter / "tokenizer.json").write_text(json.dumps(content))
    assert "has another tokenizer: it numbers 'a'" in only_error(tiny_base, tiny_adapter)


@pytest.mark.parametrize(
    ("licenses", "said"),
    [
        (("apache-2.0", "mit"), None),
        (("apache-2.0", "cc-by-nc-4.0"), "may not be used commercially"),
        (("cc-by-nd-4.0", "mit"), "does not allow derived works"),
        (("cc-by-sa-4.0", "gpl-3.0"), "requires its own terms for the merge"),
        (("cc-by-sa-4.0", "cc-by-sa-4.0"), None),
    ],
)
def test_licenses_that_do_not_go_together_give_a_warning(
    tiny_base: Path, tmp_path: Path, licenses: tuple[str, str], said: str | None
) -> None:
    experts = [tiny_models.tiny_adapter(tiny_base, tmp_path / f"expert{n}", seed=n) for n in (1, 2)]
    for expert, license in zip(experts, licenses, strict=True):
        edit(expert / "sam_hub.json", license=license)
    warnings = report(tiny_base, *experts).warnings
    assert [said in str(warning) for warning in warnings] == ([True] if said else [])


def test_an_expert_without_a_license_is_noted(tiny_base: Path, tiny_adapter: Path) -> None:
    edit(tiny_adapter / "sam_hub.json", license=None)
    assert any("No license is recorded for acme/expert" in note for note in report(tiny_base, tiny_adapter).notes)
