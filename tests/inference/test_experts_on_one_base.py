"""Experts take turns on one loaded base, which comes out of it unharmed."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from sam_hub.errors import UnusableModel, UsageError
from sam_hub.inference.models import choose_device, choose_dtype, load_model, with_adapter
from tests.support import tiny_models


@pytest.fixture
def ids(tokenizer):
    return torch.tensor([tokenizer.encode("Marie Curie worked in Paris")])


def logits(model, ids):
    with torch.inference_mode():
        return model(input_ids=ids).logits


def weights(loaded):
    return {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}


def same(before, loaded) -> bool:
    now = loaded.model.state_dict()
    return before.keys() == now.keys() and all(torch.equal(before[name], now[name]) for name in now)


def test_a_folded_expert_says_what_peft_says(base, loaded, adapters, ids):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    for adapter in adapters:
        plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        expected = logits(PeftModel.from_pretrained(plain, adapter).eval(), ids)
        with with_adapter(loaded, adapter) as ready:
            found = logits(ready.model, ids)
        assert torch.allclose(found, expected, atol=1e-5)
        assert not torch.allclose(found, logits(loaded.model, ids), atol=1e-3)


def test_leaving_an_expert_restores_the_base_bit_for_bit(loaded, adapters):
    before = weights(loaded)
    for adapter in (*adapters, None, adapters[0]):
        with with_adapter(loaded, adapter):
            pass
        assert same(before, loaded)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_base_is_restored_in_any_number_type_even_when_work_fails(base, adapters, dtype):
    loaded = load_model(base, device="cpu", dtype=dtype)
    before = weights(loaded)
    with pytest.raises(RuntimeError, match="out of memory"), with_adapter(loaded, adapters[0]):
        raise RuntimeError("out of memory")  # not the adapter's fault, and not told as such
    assert same(before, loaded)


def test_an_expert_of_another_base_is_refused_and_the_base_works_on(loaded, adapters, ids, tmp_path):
    other = tiny_models.tiny_base(tmp_path / "other", hidden=48)
    stranger = tiny_models.tiny_adapter(other, tmp_path / "stranger")
    before, said = weights(loaded), logits(loaded.model, ids)
    with (
        pytest.raises(UnusableModel, match=r"stranger adapts .* made for another base"),
        with_adapter(loaded, stranger),
    ):
        pytest.fail("it must not be used")
    assert same(before, loaded)
    assert torch.equal(logits(loaded.model, ids), said)
    with with_adapter(loaded, adapters[0]):
        pass


def damaged(adapters, folder, change):
    shutil.copytree(adapters[0], folder)
    change(folder)
    return folder


def set_rank(folder):
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "r": 3}))


def set_nan(folder):
    tensors = load_file(folder / "adapter_model.safetensors")
    name = sorted(tensors)[-1]
    tensors[name] = torch.full_like(tensors[name], float("nan"))
    save_file(tensors, folder / "adapter_model.safetensors")


def add_a_module(folder):
    tensors = load_file(folder / "adapter_model.safetensors")
    tensors["base_model.model.model.embed_tokens.weight"] = torch.zeros(320, 32)
    save_file(tensors, folder / "adapter_model.safetensors")


def cut_the_file(folder):
    (folder / "adapter_model.safetensors").write_bytes(b"cut")


def drop_the_config(folder):
    (folder / "adapter_config.json").unlink()


@pytest.mark.parametrize("change", [set_rank, set_nan, add_a_module, cut_the_file, drop_the_config])
def test_a_damaged_expert_is_refused_and_the_base_works_on(loaded, adapters, ids, tmp_path, change):
    before, said = weights(loaded), logits(loaded.model, ids)
    with pytest.raises(UnusableModel), with_adapter(loaded, damaged(adapters, tmp_path / "bad", change)):
        pytest.fail("it must not be used")
    assert same(before, loaded)
    assert torch.equal(logits(loaded.model, ids), said)


def test_a_folder_without_a_model_is_refused_by_name(tmp_path):
    with pytest.raises(UnusableModel, match=tmp_path.name):
        load_model(tmp_path, device="cpu")


def test_a_device_or_number_type_that_is_not_there_is_a_usage_error():
    with pytest.raises(UsageError, match="no device 'tpu'"):
        choose_device("tpu")
    with pytest.raises(UsageError, match="no number type 'int3'"):
        choose_dtype("int3", "cpu")
    units = torch.cpu.get_capabilities()
    quick = units.get("avx512_bf16") or units.get("amx_bf16")
    assert choose_dtype("auto", "cpu") is (torch.bfloat16 if quick else torch.float32)
