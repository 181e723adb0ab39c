"""An adapter is trained, can be stopped and resumed, and is written for peft."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from sam_hub.errors import InputError, UsageError
from sam_hub.ner.formats import get_format
from sam_hub.progress import Progress
from sam_hub.training.data import Pack, encode_pack, packs, read_sets
from sam_hub.training.trainer import CHECKPOINT, WEIGHTS, pack_loss, train_adapter
from tests.support import tiny_models
from tests.support.reporters import Recorder
from tests.training.conftest import recipe


@pytest.fixture(scope="session")
def adapted(base):
    """The base under a random adapter, in float32."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    adapter = tiny_models.tiny_adapter(base, base.parent / "adapter")
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    return PeftModel.from_pretrained(plain, adapter).eval()


@pytest.mark.parametrize("form", ["b2ner", "json"])
def test_the_loss_of_a_pack_is_that_of_its_examples_each_by_itself(adapted, data, form):
    """Packed behind one prefix, no example sees another; transformers' own loss of each is the measure."""
    tokenizer, form = tiny_models.tiny_tokenizer(), get_format(form)
    chosen = recipe(pack=5)
    for pack in list(packs(read_sets(chosen, data), chosen))[:3]:
        with torch.no_grad():
            packed = pack_loss(adapted, encode_pack(pack, form, tokenizer, 500), "cpu")
            losses = [alone(adapted, Pack(pack.labels, (s,)), form, tokenizer) for s in pack.sentences]
        total = sum(loss * count for loss, count in losses) / sum(count for _, count in losses)
        assert packed.item() == pytest.approx(total, rel=1e-4)


def alone(model, pack, form, tokenizer) -> tuple[float, int]:
    """The mean loss over the answer of one example, and its length, without any mask or position of ours."""
    made = encode_pack(pack, form, tokenizer, 500)
    answer = [t for t in made.target if t != -100]
    ids = [*made.ids, answer[-1]]
    labels = [-100] * (len(ids) - len(answer)) + answer
    return model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss.item(), len(answer)


def losses_of(recorder: Recorder) -> list[float]:
    """Return the losses that were reported: "train tiny, loss 1.234, 567 tokens/s"."""
    return [float(step.what.split()[3].rstrip(",")) for step in recorder.steps]


def test_thirty_steps_lower_the_loss_and_peft_reads_what_was_written(base, data, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    recorder = Recorder()
    chosen = recipe(examples=30, pack=1)
    trained = train_adapter(chosen, base, tmp_path / "out", data_root=data, device="cpu", reporter=recorder)
    assert [(step.done, step.total, step.unit) for step in recorder.steps] == [
        (number, 30, "steps") for number in range(1, 31)
    ]
    losses = losses_of(recorder)
    assert trained.loss < losses[15] < losses[0]
    assert (trained.labels, trained.steps) == (("person", "place"), 30)
    assert recorder.steps[0].what.endswith(" tokens/s")
    assert sorted(f.name for f in (tmp_path / "out").iterdir()) == ["adapter_config.json", WEIGHTS, "training.json"]
    plain = AutoModelForCausalLM.from_pretrained(base)
    assert PeftModel.from_pretrained(plain, tmp_path / "out").peft_config["default"].r == recipe().rank


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_base_can_be_computed_in_either_number_type(base, data, tmp_path, dtype):
    chosen, recorder = recipe(examples=20, pack=1), Recorder()
    options = {"data_root": data, "device": "cpu", "reporter": recorder}
    trained = train_adapter(chosen, base, tmp_path, dtype=dtype, **options)
    assert trained.dtype == dtype
    losses = losses_of(recorder)
    assert losses[-1] < losses[0]
    with pytest.raises(UsageError, match="no number type 'int3'"):
        train_adapter(chosen, base, tmp_path / "other", dtype="int3", **options)


class Killed(BaseException):
    """The process ends here."""


def killed_at(number: int) -> Recorder:
    def stop(step: Progress) -> None:
        if step.done == number:
            raise Killed

    return Recorder(stop)


def test_a_run_that_was_killed_goes_on_from_its_checkpoint_to_the_same_adapter(base, data, tmp_path):
    short, whole, parts = recipe(examples=12), tmp_path / "whole", tmp_path / "parts"
    options = {"data_root": data, "device": "cpu", "checkpoint_every": 2}
    train_adapter(short, base, whole, **options)
    with pytest.raises(Killed):
        train_adapter(short, base, parts, **options, reporter=killed_at(3))
    assert not (parts / WEIGHTS).exists()
    (parts / f"{CHECKPOINT}-new").write_bytes(b"killed again")  # within the saving of a checkpoint
    recorder = Recorder()
    train_adapter(short, base, parts, **options, reporter=recorder)
    assert [step.done for step in recorder.steps] == [3, 4, 5, 6]
    expected, found = load_file(whole / WEIGHTS), load_file(parts / WEIGHTS)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert not (parts / CHECKPOINT).exists()
    with pytest.raises(InputError, match="already has a finished adapter"):
        train_adapter(short, base, parts, **options)


def test_a_checkpoint_of_another_recipe_is_not_gone_on_with(base, data, tmp_path):
    options = {"data_root": data, "device": "cpu", "checkpoint_every": 1}
    with pytest.raises(Killed):
        train_adapter(recipe(), base, tmp_path, **options, reporter=killed_at(2))
    with pytest.raises(InputError, match="checkpoint of another recipe"):
        train_adapter(replace(recipe(), seed=7), base, tmp_path, **options)


def test_a_checkpoint_of_another_base_or_layout_is_not_gone_on_with(base, data, tmp_path):
    options = {"data_root": data, "device": "cpu", "checkpoint_every": 1}
    with pytest.raises(Killed):
        train_adapter(recipe(), base, tmp_path / "out", **options, reporter=killed_at(2))
    other = tiny_models.tiny_base(tmp_path / "other", seed=9)
    with pytest.raises(InputError, match="checkpoint of another base"):
        train_adapter(recipe(), other, tmp_path / "out", **options)
    (tmp_path / "old" / ".checkpoint").mkdir(parents=True)
    with pytest.raises(InputError, match="checkpoint of another version"):
        train_adapter(recipe(), base, tmp_path / "old", **options)


def test_an_adapter_is_stored_at_a_lower_rank_as_the_nearest_change(base, data, tmp_path):
    options = {"data_root": data, "device": "cpu"}
    train_adapter(recipe(examples=8), base, tmp_path / "whole", **options)
    train_adapter(recipe(examples=8, stored_rank=2), base, tmp_path / "low", **options)
    whole, low = load_file(tmp_path / "whole" / WEIGHTS), load_file(tmp_path / "low" / WEIGHTS)
    config = json.loads((tmp_path / "low" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (2, 4)
    for name in (name for name in whole if ".lora_A." in name):
        other = name.replace(".lora_A.", ".lora_B.")
        u, s, v = torch.linalg.svd(whole[other].float() @ whole[name].float())
        nearest = u[:, :2] * s[:2] @ v[:2]
        assert torch.allclose(low[other].float() @ low[name].float(), nearest, atol=0.02 * s[0].item())


def test_data_of_which_nothing_fits_is_no_training(base, data, tmp_path):
    with pytest.raises(InputError, match="fits into 16 tokens"):
        train_adapter(recipe(max_tokens=16, examples=4), base, tmp_path, data_root=data, device="cpu")
    assert not (tmp_path / WEIGHTS).exists()


@pytest.mark.slow
@pytest.mark.slow
def test_the_module_trains_by_itself(base, data, tmp_path):
    file, out = tmp_path / "recipe.json", tmp_path / "out"
    file.write_text(json.dumps(recipe(examples=4).as_dict()))
    command = [sys.executable, "-m", "sam_hub.training", file, base, out, data, "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2 steps" in done.stdout
    assert (out / WEIGHTS).is_file()
