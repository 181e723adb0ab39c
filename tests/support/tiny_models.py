"""Real models, tiny: a two-layer Llama with a tokenizer, and LoRA adapters of it, made in milliseconds.

Nothing here imitates a library: transformers, tokenizers and peft's file formats are the real ones, so what
works on these models works on large ones.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

CORPUS = (
    "Marie Curie worked in Paris at the University of Paris .",
    "person: Marie Curie; location: Paris; organization: University of Paris",
    "List the named entities of the text. Labels: person, location, organization, misc.",
    "The quick brown fox jumps over the lazy dog, 0123456789 times!",
)
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] }}"
    "{{ '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def tiny_tokenizer(vocab: int = 320):
    """A byte-level BPE tokenizer of at most ``vocab`` entries (at least 259), trained in-process."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
        chat_template=CHAT_TEMPLATE,
    )


def tiny_base(
    folder: Path, *, seed: int = 0, vocab: int = 320, dtype: str = "bfloat16", tied: bool = True, hidden: int = 32
) -> Path:
    """Write a random two-layer ``LlamaForCausalLM`` with its tokenizer into ``folder``, which is returned."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = tiny_tokenizer(vocab)
    config = LlamaConfig(
        vocab_size=vocab,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=tied,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config).to(getattr(torch, dtype))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_adapter(
    base: Path,
    folder: Path,
    *,
    rank: int = 4,
    seed: int = 0,
    labels: tuple[str, ...] = ("person",),
    targets: tuple[str, ...] = LINEAR,
    **config: object,
) -> Path:
    """Write a random LoRA adapter of ``base`` (B not zero) and its ``sam_hub.json`` into ``folder``.

    ``config`` goes to ``peft.LoraConfig`` as it is (``lora_alpha``, ``use_rslora``, ``rank_pattern`` …).
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    options = {"lora_alpha": 2 * rank, "task_type": "CAUSAL_LM"} | config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_pretrained(base)
        adapted = get_peft_model(model, LoraConfig(r=rank, target_modules=list(targets), **options))
        with torch.no_grad():
            for name, parameter in adapted.named_parameters():
                if "lora_" in name:
                    parameter.normal_(std=0.05)
        adapted.save_pretrained(folder)
    about = {
        "schema": 1,
        "kind": "expert",
        "name": folder.name,
        "base": base.name,
        "base_sha256": hashlib.sha256((base / "model.safetensors").read_bytes()).hexdigest(),
        "labels": list(labels),
        "prompt_format": "b2ner",
        "domain": "tiny",
        "license": "apache-2.0",
    }
    (folder / "sam_hub.json").write_text(json.dumps(about, indent=1))
    return folder
