"""What a merge must pass before it is pushed: it loads, is whole, and answers no worse than what went in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sam_hub.merging.plan import plan_merge
from sam_hub.merging.recipe import Recipe, make_recipe, pin
from sam_hub.merging.run import run_merge
from sam_hub.merging.sanity_check import LABELS, SENTENCES, check_merge, problem_in_words, saved_check
from sam_hub.ner.formats import get_format
from sam_hub.progress import Progress
from tests.support.reporters import Recorder


@pytest.fixture
def recipe(tiny_base: Path, tiny_experts: tuple[Path, ...]) -> Recipe:
    return make_recipe(pin(tiny_base, "acme/base"), [pin(path, f"acme/{path.name}") for path in tiny_experts])


@pytest.fixture
def merged(recipe: Recipe, tmp_path: Path) -> Path:
    return run_merge(plan_merge(recipe, tmp_path / "merged"))


def edit_weights(folder: Path, change) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_a_good_merge_passes_and_is_looked_at_once(recipe: Recipe, merged: Path) -> None:
    recorder = Recorder()
    assert saved_check(merged) is None
    found = check_merge(recipe, merged, reporter=recorder)
    assert found.passed
    assert set(found.inputs) == {"acme/plain", "acme/rslora", "acme/patterns"}
    assert recorder.steps == [Progress("check of the merge", done, 4, "models") for done in (1, 2, 3, 4)]
    assert check_merge(recipe, merged, reporter=recorder) == found
    assert len(recorder.steps) == 4
    assert problem_in_words(merged) == ""


def test_weights_that_are_not_finite_are_named(recipe: Recipe, merged: Path) -> None:
    edit_weights(merged, lambda tensors: tensors["model.norm.weight"].fill_(float("nan")))
    assert "'model.norm.weight' holds numbers that are not finite" in check_merge(recipe, merged).problems


def test_a_model_that_does_not_load_is_told_in_one_line(recipe: Recipe, merged: Path) -> None:
    (merged / "config.json").write_text("{}")
    (problem,) = check_merge(recipe, merged).problems
    assert "can't be loaded" in problem


def test_another_tokenizer_than_the_base_s_is_found(recipe: Recipe, merged: Path) -> None:
    from tests.support.tiny_models import tiny_tokenizer

    tiny_tokenizer(vocab=262).save_pretrained(merged)
    assert "differently from the base's" in check_merge(recipe, merged).problems[0]


def taught_to_answer(base: Path, folder: Path) -> Path:
    """A full model that answers "None" to whatever it is asked here, and so keeps the format."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(base), AutoModelForCausalLM.from_pretrained(base).float()
    form = get_format("b2ner")
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False)  # noqa: E731
    answer = [*encode(form.nothing), tokenizer.eos_token_id]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(40):
        for text in SENTENCES:
            prompt = encode(form.shared(LABELS)) + encode(form.question(text))
            ids = torch.tensor([[*prompt, *answer]])
            labels = torch.tensor([[-100] * len(prompt) + answer])
            model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_merge_that_answers_worse_than_its_worst_expert_fails(tiny_base: Path, tmp_path: Path) -> None:
    expert = taught_to_answer(tiny_base, tmp_path / "expert")
    recipe = make_recipe(pin(tiny_base), [pin(expert, "acme/expert")], method="linear", dtype="float32")
    merged = run_merge(plan_merge(recipe, tmp_path / "merged"))
    result = check_merge(recipe, merged)
    assert (result.passed, result.parse_rate, result.inputs) == (True, 1.0, {"acme/expert": 1.0})
    edit_weights(merged, lambda tensors: tensors["model.embed_tokens.weight"].normal_())
    result = check_merge(recipe, merged)
    assert result.parse_rate < 1
    assert "acme/expert, the worst of its experts, 100%" in result.problems[0]


def test_a_failed_merge_is_marked_until_its_weights_are_others(recipe: Recipe, merged: Path) -> None:
    edit_weights(merged, lambda tensors: tensors["model.norm.weight"].fill_(float("inf")))
    check_merge(recipe, merged)
    assert problem_in_words(merged).startswith("failed the sanity check: 'model.norm.weight' holds numbers")
    assert json.loads((merged / "sanity_check.json").read_text())["problems"]
    edit_weights(merged, lambda tensors: tensors["model.norm.weight"].fill_(1.0))
    assert check_merge(recipe, merged).passed
