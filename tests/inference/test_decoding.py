"""Decoding is exact: whatever is computed once, side by side or ahead, the answer is greedy search's own."""

from __future__ import annotations

import pytest
import torch

from sam_hub.inference import decoding, fast_linear, prefix_kv_cache
from sam_hub.inference.decoding import decode
from sam_hub.inference.fast_linear import by_columns
from sam_hub.inference.models import LoadedModel, load_model
from tests.support import tiny_models

PREFIX = list(range(40, 60))
QUESTIONS = [list(range(70 + n, 74 + 3 * n)) for n in range(9)]
LONGEST = 40


def greedy(model, question: list[int], end: int) -> list[int]:
    """transformers' own greedy search, one sequence at a time."""
    prompt = torch.tensor([[*PREFIX, *question]])
    options = {"max_new_tokens": LONGEST, "do_sample": False, "attention_mask": torch.ones_like(prompt)}
    said = model.generate(prompt, **options)[0, prompt.shape[1] :].tolist()
    return said[: said.index(end)] if end in said else said


def ours(loaded: LoadedModel, **options) -> list[list[int]]:
    return decode(loaded, PREFIX, QUESTIONS, None, [LONGEST] * len(QUESTIONS), **options)


@pytest.fixture(scope="module")
def expected(loaded) -> list[list[int]]:
    return [greedy(loaded.model, question, loaded.tokenizer.eos_token_id) for question in QUESTIONS]


def test_an_answer_is_that_of_greedy_search(loaded, expected):
    assert ours(loaded) == expected
    assert max(map(len, expected)) == LONGEST


@pytest.mark.parametrize(
    "setting",
    [
        {"SLOTS": 2},
        {"ROOM": 1},
        {"FRESH": 1},
        {"TOKENS": 1},
        {"TOKENS": 200, "GUESS": 30},
        {"SLOTS": 3, "ROOM": 2, "FRESH": 20, "TOKENS": 9, "GUESS": 2},
    ],
    ids=str,
)
def test_no_setting_of_memory_or_guesses_changes_an_answer(loaded, expected, monkeypatch, setting):
    """Rows that wait for a place, memory that must grow, passes of one question, no guesses, and many."""
    for name, value in setting.items():
        monkeypatch.setattr(decoding, name, value)
        monkeypatch.setattr(prefix_kv_cache, name, value, raising=False)
    told = {}
    assert ours(loaded, on_finished=told.__setitem__) == expected
    assert [told[number] for number in range(len(QUESTIONS))] == expected


def test_guesses_save_passes(loaded, monkeypatch):
    """A tiny random model repeats itself without end, which is what lookup foresees."""

    def passes() -> int:
        made = []
        hook = loaded.model.base_model.register_forward_hook(lambda *_: made.append(1))
        ours(loaded)
        hook.remove()
        return len(made)

    monkeypatch.setattr(decoding, "MATCH", 0)
    without = passes()
    monkeypatch.undo()
    assert passes() < without * 2 / 3


class OneOfTwo:
    """A grammar that lets the answer be one of two tokens."""

    finished = False

    def allowed(self) -> list[int]:
        return [100, 200]

    def advance(self, token: int) -> None:
        self.finished = True
        self.chosen = token


def test_of_the_allowed_tokens_the_likeliest_is_said_a_bias_of_the_head_counted(base):
    """Under a grammar the head is computed for the allowed tokens alone."""
    model = load_model(base, device="cpu", dtype="float32")
    for favoured in (100, 200):
        bias = torch.zeros(320)
        bias[favoured] = 1000.0
        model.model.lm_head.bias = torch.nn.Parameter(bias)
        choice = OneOfTwo()
        decode(model, PREFIX, QUESTIONS[:1], [choice], [LONGEST])
        assert choice.chosen == favoured


@pytest.mark.parametrize("tokens", [1, 5, 16, 33, 400])
def test_a_linear_layer_by_columns_gives_the_same_and_is_itself_again_afterwards(tokens):
    layer = torch.nn.Linear(24, 40)
    given = torch.randn(1, tokens, 24)
    own = layer(given)
    with by_columns(torch.nn.Sequential(layer)):
        assert layer(given).shape == own.shape
        assert torch.allclose(layer(given), own, atol=1e-5)
    assert "forward" not in vars(layer)
    assert torch.equal(layer(given), own)
    assert fast_linear.MOST < 400


def test_the_model_attends_as_before_when_the_answers_are_there(loaded):
    before = loaded.model.config._attn_implementation
    ours(loaded)
    assert loaded.model.config._attn_implementation == before


def test_layers_that_see_a_window_alone_and_capped_scores_are_followed(tmp_path):
    """A two-layer Gemma 2: one layer sees the last eight tokens only, and scores are capped."""
    from transformers import Gemma2Config, Gemma2ForCausalLM

    torch.manual_seed(0)
    tokenizer = tiny_models.tiny_tokenizer()
    config = Gemma2Config(
        vocab_size=320,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        query_pre_attn_scalar=8,
        sliding_window=8,
        attn_logit_softcapping=0.5,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.3,
    )
    model = Gemma2ForCausalLM(config).eval()
    model.set_attn_implementation("eager")
    assert "sliding_attention" in model.config.layer_types
    loaded = LoadedModel(model, tokenizer, "cpu", tmp_path)
    assert ours(loaded) == [greedy(model, question, tokenizer.eos_token_id) for question in QUESTIONS]
