"""Train a LoRA adapter, with checkpoints.

The examples of a pack share one computed prompt prefix: the pack is one sequence in which every example attends to the
prefix and to itself, never to other examples. Loss and output head are computed only for the tokens of answers.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_hub.errors import InputError
from sam_hub.hub.weights import weights_sha256
from sam_hub.inference.models import choose_device, choose_dtype
from sam_hub.ner.formats import get_format
from sam_hub.progress import SILENT, Reporter
from sam_hub.training.compression import lower_rank
from sam_hub.training.data import EncodedPack, encode_pack, packs, read_rehearsal, read_sets
from sam_hub.training.recipe import TrainingRecipe

if TYPE_CHECKING:
    import torch

CHECKPOINT = ".checkpoint.pt"
WEIGHTS = "adapter_model.safetensors"
RECORD = "training.json"
MOST_EAGER = 512  # tokens; longer packs would need too much memory for all pairs of tokens


@dataclass(frozen=True)
class Trained:
    """The result of a finished run: the labels of its data, its effort and its loss. Stored in ``training.json``."""

    labels: tuple[str, ...]
    steps: int
    tokens: int
    seconds: float
    loss: float
    device: str
    dtype: str = "float32"


def train_adapter(
    recipe: TrainingRecipe,
    base: Path,
    out: Path,
    *,
    data_root: Path = Path(),
    device: str = "auto",
    dtype: str = "auto",
    checkpoint_every: int = 50,
    reporter: Reporter = SILENT,
) -> Trained:
    """Train the recipe's adapter on the base, and write it to ``out`` with peft.

    A checkpoint is kept in ``out/.checkpoint.pt``. A run that was stopped continues from it with the same packs in the
    same order. It is deleted when the adapter is written.

    Args:
        data_root: the folder of the recipe's data folders.
        dtype: the number type of the frozen base, see `choose_dtype`. The adapter, its optimizer and the loss are
            always in float32.
        reporter: receives the steps, with the smoothed loss and the tokens a second.
    """
    import torch

    if (out / WEIGHTS).exists():
        raise InputError(f"{out} already has a finished adapter", "Give another --out, or delete that folder.")
    check_layout(out)
    device = choose_device(device)
    number_type = choose_dtype(dtype, device)
    torch.manual_seed(recipe.seed)
    sets = read_sets(recipe, data_root)
    tokenizer, model = _load(base, recipe, device, number_type)
    run = _Run(recipe, model, out / CHECKPOINT, weights_sha256(base))
    stream = packs(sets, recipe, read_rehearsal(recipe, data_root))
    for _ in range(run.step):
        next(stream)
    began, tokens_before = time.monotonic(), run.tokens
    for pack in stream:
        encoded = encode_pack(pack, get_format(recipe.prompt_format), tokenizer, recipe.max_tokens)
        run.advance(encoded, device)
        spent = time.monotonic() - began
        if run.step % checkpoint_every == 0 and run.step < recipe.steps:
            run.save()
        speed = (run.tokens - tokens_before) / max(spent, 1e-9)
        reporter.progress(
            f"train {recipe.name}, loss {run.loss:.3f}, {speed:.0f} tokens/s", run.step, recipe.steps, "steps"
        )
    if not run.loss:
        raise InputError(
            f"No example of {recipe.name}'s data fits into {recipe.max_tokens} tokens",
            "Raise the recipe's max_tokens, or cut the text into sentences.",
        )
    seconds = run.seconds + time.monotonic() - began
    labels = tuple(dict.fromkeys(label for s in sets for label in s.labels))
    dtype = str(number_type).removeprefix("torch.")
    trained = Trained(labels, recipe.steps, run.tokens, round(seconds, 1), round(run.loss, 4), device, dtype)
    _write(model, out, trained, recipe)
    return trained


def check_layout(out: Path) -> None:
    """Refuse a folder with a checkpoint of an earlier layout, which can't be continued."""
    if (old := out / ".checkpoint").is_dir():
        raise InputError(
            f"{old} is a checkpoint of another version, which can't be continued",
            "Delete it to train from the start, or give another --out.",
        )


def _load(base: Path, recipe: TrainingRecipe, device: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """Return the tokenizer, and the base with a new adapter, which peft keeps in float32."""
    from peft import LoraConfig, get_peft_model
    from peft.tuners.lora import LoraLayer
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        base_model_name_or_path=str(base),
    )
    adapted = get_peft_model(model, config).to(device).train()
    for layer in adapted.modules():  # else peft brings every input to float32, and autocast brings it back
        if isinstance(layer, LoraLayer):
            layer.cast_input_dtype_enabled = False
    return tokenizer, adapted


def attention_bias(encoded: EncodedPack, device: str) -> torch.Tensor:
    """Return the additive mask, (1, 1, T, T): causal; examples see the prefix and themselves."""
    import torch

    owner = torch.tensor(encoded.owner, device=device)
    length = owner.numel()
    seen = torch.tril(torch.ones(length, length, dtype=torch.bool, device=device))
    seen &= (owner[None, :] == -1) | (owner[None, :] == owner[:, None])
    bias = torch.zeros(length, length, device=device).masked_fill_(~seen, torch.finfo(torch.float32).min)
    return bias[None, None]


def pack_loss(model: Any, encoded: EncodedPack, device: str) -> torch.Tensor:
    """Return the mean cross-entropy over the pack's answer tokens."""
    import torch

    causal = model.get_base_model()
    if device == "cpu":
        # On short packs, the backward pass of PyTorch's fused kernel takes twice the time of matrix products.
        short = len(encoded.ids) <= MOST_EAGER
        causal.config._attn_implementation = "eager" if short else "sdpa"
    hidden = causal.model(
        input_ids=torch.tensor([encoded.ids], device=device),
        position_ids=torch.tensor([encoded.position], device=device),
        attention_mask=attention_bias(encoded, device),
        use_cache=False,
    ).last_hidden_state[0]
    target = torch.tensor(encoded.target, device=device)
    counted = target != -100
    logits = causal.lm_head(hidden[counted])
    return torch.nn.functional.cross_entropy(logits.float(), target[counted])


class _Run:
    """The state of a training run: optimizer, schedule, counters, and its checkpoint."""

    def __init__(self, recipe: TrainingRecipe, model: Any, checkpoint: Path, base_sha256: str) -> None:
        import torch

        self.recipe, self.model, self.checkpoint, self.base_sha256 = recipe, model, checkpoint, base_sha256
        self.trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.AdamW(
            self.trained.values(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._rate)
        self.step = self.tokens = 0
        self.seconds = self.loss = 0.0
        self.began = time.monotonic()
        if checkpoint.is_file():
            self._resume()

    def _rate(self, step: int) -> float:
        """Return the factor of the learning rate: linear warm-up, then a cosine to a tenth."""
        warm = max(1, int(self.recipe.warmup * self.recipe.steps))
        if step < warm:
            return (step + 1) / warm
        return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - warm) / max(1, self.recipe.steps - warm)))

    def advance(self, encoded: EncodedPack, device: str) -> None:
        import torch

        dtype = self.model.get_base_model().dtype
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            loss = pack_loss(self.model, encoded, device)
        if torch.isfinite(loss):  # a pack whose examples were all too long has no answer token
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.trained.values(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.loss = 0.95 * self.loss + 0.05 * loss.item() if self.loss else loss.item()
        self.schedule.step()
        self.step += 1
        self.tokens += len(encoded.ids)

    def save(self) -> None:
        import torch

        state = {
            "recipe": json.dumps(self.recipe.as_dict()),
            "base": self.base_sha256,
            "weights": {name: p.detach().cpu() for name, p in self.trained.items()},
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "counters": (self.step, self.tokens, self.loss, self.seconds + time.monotonic() - self.began),
        }
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.checkpoint.with_name(f"{CHECKPOINT}-new")
        torch.save(state, scratch)
        scratch.replace(self.checkpoint)

    def _resume(self) -> None:
        import torch

        state = torch.load(self.checkpoint, weights_only=True)
        if TrainingRecipe.from_dict(json.loads(state["recipe"])).portable() != self.recipe.portable():
            raise InputError(
                f"{self.checkpoint} is the checkpoint of another recipe", "Give another --out, or delete that file."
            )
        if state["base"] != self.base_sha256:
            raise InputError(
                f"{self.checkpoint} is the checkpoint of another base", "Give another --out, or delete that file."
            )
        with torch.no_grad():
            for name, tensor in state["weights"].items():
                self.trained[name].copy_(tensor)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step, self.tokens, self.loss, self.seconds = state["counters"]


def _write(model: Any, out: Path, trained: Trained, recipe: TrainingRecipe) -> None:
    """Write the adapter in bfloat16. Its weights are written last, and mark it as finished."""
    import torch

    scratch = out / ".adapter"
    shutil.rmtree(scratch, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(scratch, save_embedding_layers=False)
    if recipe.stored_rank:
        lower_rank(scratch, recipe.stored_rank)
    (scratch / "README.md").unlink(missing_ok=True)  # peft's empty card; the expert's own is written later
    (scratch / RECORD).write_text(
        json.dumps({**asdict(trained), "recipe": recipe.portable()}, indent=2), encoding="utf-8"
    )
    for name in (RECORD, "adapter_config.json", WEIGHTS):
        (scratch / name).rename(out / name)
    shutil.rmtree(scratch)
    for name in (CHECKPOINT, f"{CHECKPOINT}-new"):
        (out / name).unlink(missing_ok=True)
