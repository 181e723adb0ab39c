"""Load a base once and run experts on it: adapters are folded into its weights and taken out again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_hub.errors import UnusableModel, UsageError
from sam_hub.hub.weights import ADAPTER_WEIGHTS
from sam_hub.inference.adapters import LoraPair, read_adapter

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


LOADING = {"local_files_only": True, "trust_remote_code": False}
TOKENIZER_FILES = ("chat_template.jinja", "merges.txt", "vocab.json", "vocab.txt", "spiece.model")  # and "*token*"


class LostBase(UnusableModel):
    """The files of a loaded base can no longer be read, so its weights can't be restored between adapters."""


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory with its tokenizer, loaded from ``folder``."""

    model: PreTrainedModel
    tokenizer: Any
    device: str
    folder: Path

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a part of a prompt."""
        return self.tokenizer.encode(text, add_special_tokens=False)


def choose_device(name: str = "auto") -> str:
    """Return ``cuda``, ``mps`` or ``cpu``; "auto" takes the first that is available."""
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(device for device, is_available in available.items() if is_available)
    if not available.get(name):
        raise UsageError(f"There is no device '{name}' here", "Set SAM_HUB_DEVICE to auto or cpu.")
    return name


def choose_dtype(name: str, device: str) -> torch.dtype:
    """Return the torch dtype. "auto" is bfloat16 on hardware that multiplies in it, and float32 elsewhere.

    That is CUDA, and CPUs with AVX-512 BF16 or AMX, where it halves time and memory. Other CPUs emulate it at a quarter
    of float32's speed (50 against 194 GFLOP/s).
    """
    import torch

    units = torch.cpu.get_capabilities() if device == "cpu" else {}
    able = device == "cuda" or units.get("avx512_bf16") or units.get("amx_bf16")
    dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    dtypes["auto"] = torch.bfloat16 if able else torch.float32
    if name not in dtypes:
        raise UsageError(f"There is no number type '{name}'", "Set SAM_HUB_DTYPE to auto or float32.")
    return dtypes[name]


def load_model(folder: Path, *, device: str = "auto", dtype: str = "auto", threads: int = 0) -> LoadedModel:
    """Load a full model and its tokenizer from a folder; no network, no remote code, safetensors only."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if threads:
        torch.set_num_threads(threads)
    device = choose_device(device)
    try:
        tokenizer = _load_tokenizer(folder)
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=choose_dtype(dtype, device), use_safetensors=True, **LOADING
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise UnusableModel(
            f"{folder.name} can't be loaded as a language model: {first_line(error)}",
            "Pull it (or merge) again, or choose another model.",
        ) from error
    model.to(device)  # type: ignore[arg-type]  # its stub lacks names of devices
    return LoadedModel(model.eval(), tokenizer, device, folder)


_TOKENIZERS: dict[str, Any] = {}  # the last one, by its files' hash


def _load_tokenizer(folder: Path) -> Any:
    """Load a tokenizer. One with the same files as the last one is the same object, so what was made by it stays valid.

    A base, its experts, and its merges have the same tokenizer.
    """
    from transformers import AutoTokenizer

    files = [file for file in sorted(folder.iterdir()) if "token" in file.name or file.name in TOKENIZER_FILES]
    kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]  # its class depends on it
    parts = [kind.encode(), *(file.name.encode() + file.read_bytes() for file in files)]
    digest = hashlib.sha256(b"".join(parts)).hexdigest()
    if digest not in _TOKENIZERS:
        _TOKENIZERS.clear()
        _TOKENIZERS[digest] = AutoTokenizer.from_pretrained(folder, **LOADING)
    return _TOKENIZERS[digest]


class ModelLoader:
    """Loads full models as `load_model` does, and keeps the last one: who asks for it next needs no second load."""

    def __init__(self, *, device: str = "auto", dtype: str = "auto", threads: int = 0) -> None:
        self._load = partial(load_model, device=device, dtype=dtype, threads=threads)
        self._last: LoadedModel | None = None

    def __call__(self, folder: Path) -> LoadedModel:
        """Return the model in a folder. The one before is given up first, so that memory holds one of them."""
        if self._last is None or self._last.folder != folder:
            self._last = None
            self._last = self._load(folder)
        return self._last


@contextmanager
def with_adapter(loaded: LoadedModel, adapter: Path | None) -> Iterator[LoadedModel]:
    """Fold an adapter into the model's weights, and restore them bit for bit on exit.

    Folding costs a fraction of a second and makes every pass as quick as the base's own. The restore copies the
    touched tensors back from the base's file, so that nothing is kept twice in memory.

    Raises:
        UnusableModel: the adapter is damaged, more than plain LoRA, or does not fit the model, which is left as
            it was.
        LostBase: the model's own files can't be read again.
    """
    if adapter is None:
        yield loaded
        return
    pairs = read_adapter(adapter).pairs
    own, stored = dict(loaded.model.named_parameters()), _stored(loaded.folder)
    for name, pair in pairs.items():
        if name not in own or name not in stored:
            problem = f"which {loaded.folder.name} does not have"
        elif tuple(own[name].shape) != pair.shape:
            problem = f"as {list(pair.shape)}, which is {list(own[name].shape)} in {loaded.folder.name}"
        else:
            continue
        raise UnusableModel(
            f"{adapter.name} adapts {name}, {problem}", "It was made for another base; remove it, or choose its base."
        )
    try:
        _fold(own, adapter, pairs, loaded.device)
        yield loaded
    finally:
        _restore(own, {name: stored[name] for name in pairs}, loaded.folder)


@contextmanager
def with_changes(loaded: LoadedModel, changes: Iterable[tuple[str, torch.Tensor]]) -> Iterator[LoadedModel]:
    """Add a change to each of these tensors of the model, and restore them bit for bit on exit.

    Raises:
        LostBase: the model's own files can't be read again.
    """
    import torch

    own, stored, names = dict(loaded.model.named_parameters()), _stored(loaded.folder), []
    try:
        with torch.no_grad():
            for name, change in changes:
                names.append(name)
                own[name].add_(change.to(loaded.device))
        yield loaded
    finally:
        _restore(own, {name: stored[name] for name in names}, loaded.folder)


def _fold(own: Mapping[str, torch.Tensor], adapter: Path, pairs: Mapping[str, LoraPair], device: str) -> None:
    import torch
    from safetensors import safe_open

    with torch.no_grad(), safe_open(adapter / ADAPTER_WEIGHTS, "pt", device=device) as file:
        for name, pair in pairs.items():
            pair.fold_into(own[name], file)
            # The sum is a quick test; only if it is not finite, check each number.
            if not own[name].sum().isfinite() and not own[name].isfinite().all():
                raise UnusableModel(
                    f"The adapter {adapter.name} holds numbers that are not finite, in {pair.a} or {pair.b}",
                    "Pull it again; if that does not help, remove it.",
                )


@contextmanager
def _reading_again(folder: Path) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise LostBase(
            f"The weights of {folder.name} can't be read again: {first_line(error)}", "Pull it again."
        ) from error


def _stored(folder: Path) -> dict[str, Path]:
    """Return the file that holds each tensor of a model."""
    from safetensors import safe_open

    files = {}
    with _reading_again(folder):
        for file in sorted(folder.glob("*.safetensors")):
            with safe_open(file, "pt") as tensors:
                files.update(dict.fromkeys(tensors.keys(), file))
    return files


def _restore(own: Mapping[str, torch.Tensor], stored: Mapping[str, Path], folder: Path) -> None:
    import torch
    from safetensors import safe_open

    with torch.no_grad(), _reading_again(folder):
        for file in set(stored.values()):
            with safe_open(file, "pt") as tensors:
                for name in (name for name, place in stored.items() if place == file):
                    own[name].copy_(tensors.get_tensor(name))


def first_line(error: BaseException) -> str:
    """Return the first line of the error's message, or its class name if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
