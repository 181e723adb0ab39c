"""Read LoRA adapters: which base tensors they change and how, and what is unsupported.

Scales and patterns follow peft (``LoraLayer.update_layer``): ``alpha / r``, or ``alpha / sqrt(r)`` for rsLoRA
(arXiv 2312.03732), with ``rank_pattern`` and ``alpha_pattern`` matched as suffixes of the module's name. DoRA
(arXiv 2402.09353) gives each row of the sum a length of its own.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_hub.errors import UnusableModel
from sam_hub.hub.weights import ADAPTER_WEIGHTS, TensorInfo, read_header

if TYPE_CHECKING:
    import torch

CONFIG = "adapter_config.json"
LORA_KEY = re.compile(
    r"base_model\.model\.(?P<module>.+)\.(?P<part>lora_A\.weight|lora_B\.weight|lora_magnitude_vector)"
)

# Options of peft.LoraConfig that make an adapter something else than base + scale * B @ A, or DoRA of it.
UNSUPPORTED = ("modules_to_save", "lora_bias", "fan_in_fan_out", "layer_replication", "trainable_token_indices",
               "target_parameters", "alora_invocation_tokens", "use_qalora", "use_bdlora", "arrow_config",
               "kasa_config", "monteclora_config", "megatron_config")  # fmt: skip
PLAIN_INITS = (True, False, "gaussian", "orthogonal", None)  # others change the base's weights when loaded


@dataclass(frozen=True)
class LoraPair:
    """The two tensors that change one base tensor by ``scale * B @ A``; A is (rank, in), B is (out, rank).

    ``magnitude`` is a third one with DoRA, (out,): the lengths of the sum's rows.
    """

    a: str
    b: str
    shape: tuple[int, int]
    rank: int
    scale: float
    magnitude: str | None = None

    def change(self, file: Any) -> torch.Tensor:
        """Return the change of the base's tensor, (out, in): ``B @ A`` in float32, times the scale, as peft does it.

        Args:
            file: the adapter's safetensors file, opened.
        """
        a, b = (file.get_tensor(name).float() for name in (self.a, self.b))
        return (b @ a).mul_(self.scale)

    def fold_into(self, weight: torch.Tensor, file: Any) -> None:
        """Change the base's tensor in place, summed in float32 and rounded once to its dtype.

        That is peft's ``merge_and_unload``, bit for bit.
        """
        import torch

        change = self.change(file)
        if self.magnitude is None:
            weight.add_(change)
            return
        turned = weight + change
        lengths = torch.linalg.norm(turned, dim=1)
        scale = file.get_tensor(self.magnitude).to(lengths.dtype) / lengths
        weight.copy_(scale[:, None] * turned)


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter that can be added to its base tensor by tensor."""

    folder: Path
    pairs: Mapping[str, LoraPair]  # by the base tensor's name
    config: Mapping[str, Any]

    @property
    def file(self) -> Path:
        """Return the path of the file with the tensors."""
        return self.folder / ADAPTER_WEIGHTS


def is_adapter(folder: Path) -> bool:
    """Return whether ``folder`` holds an adapter rather than a full model."""
    return (folder / CONFIG).is_file()


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object from a file of a model."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableModel(f"{file} can't be read: {error.strerror}", "Pull the model again.") from error
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise UnusableModel(f"{file} is not a JSON object", "Pull the model again.")
    return content


def unsupported(config: Mapping[str, Any]) -> list[str]:
    """Return the settings in ``config`` (an ``adapter_config.json``) that can't be merged here, in words."""
    reasons = [option for option in UNSUPPORTED if config.get(option)]
    if config.get("bias", "none") != "none":
        reasons.append(f"trained biases (bias={config['bias']})")
    if config.get("peft_type", "LORA") != "LORA":
        reasons.append(f"adapters of type {config['peft_type']}")
    if config.get("init_lora_weights") not in PLAIN_INITS:
        reasons.append(f"the initialization '{config['init_lora_weights']}', which changes the base")
    return reasons


def _pattern(patterns: Mapping[str, Any] | None, module: str, default: Any) -> Any:
    for key, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({key})$", module):
            return value
    return default


def _pairs(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> dict[str, LoraPair]:
    parts: dict[str, dict[str, str]] = {}
    dora = bool(config.get("use_dora"))
    for key in tensors:
        match = LORA_KEY.fullmatch(key)
        if match is None or ("magnitude" in match["part"] and not dora):
            raise UnusableModel(
                f"The adapter {folder} holds '{key}', which is not a plain LoRA weight",
                "Train the expert with plain LoRA on linear layers, or publish it as a full model.",
            )
        parts.setdefault(match["module"], {})[match["part"].removeprefix("lora_")[0]] = key
    pairs = {}
    for module, keys in parts.items():
        if set(keys) != ({"A", "B", "m"} if dora else {"A", "B"}):
            raise UnusableModel(f"The adapter {folder} has only a part of '{module}'", "Pull the adapter again.")
        a, b = tensors[keys["A"]].shape, tensors[keys["B"]].shape
        rank = _pattern(config.get("rank_pattern"), module, config.get("r", 8))
        if len(a) != 2 or len(b) != 2 or a[0] != rank or b[1] != rank:
            raise UnusableModel(
                f"The adapter {folder} has rank {rank} for '{module}', but its weights are {list(a)} and {list(b)}",
                "Pull the adapter again: its weights and its adapter_config.json do not belong together.",
            )
        if dora and tuple(tensors[keys["m"]].shape) != (b[0],):
            raise UnusableModel(
                f"The adapter {folder} has {list(tensors[keys['m']].shape)} lengths for the {b[0]} rows of '{module}'",
                "Pull the adapter again; it is damaged.",
            )
        alpha = _pattern(config.get("alpha_pattern"), module, config.get("lora_alpha", 8))
        scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
        pairs[f"{module}.weight"] = LoraPair(keys["A"], keys["B"], (b[0], a[1]), rank, scale, keys.get("m"))
    return pairs


def read_adapter(folder: Path) -> Adapter:
    """Describe the adapter in ``folder``, if it is whole and uses nothing of `UNSUPPORTED`; no tensor is read."""
    config = read_json(folder / CONFIG)
    if problems := unsupported(config):
        raise UnusableModel(
            f"The adapter {folder} uses {', '.join(problems)}, which can't be merged",
            "Leave this expert out, or merge it into its base with peft and publish the full model.",
        )
    pairs = _pairs(folder, config, read_header(folder / ADAPTER_WEIGHTS))
    if not pairs:
        raise UnusableModel(f"The adapter {folder} changes nothing", "Leave this expert out.")
    return Adapter(folder, pairs, config)


def untrained_targets(adapter: Adapter, base: Mapping[str, TensorInfo]) -> list[str]:
    """Return the modules that the adapter's configuration targets but for which it holds no weights.

    Only the common case is decided: a list of names, without layer selection or exclusions.
    """
    config = adapter.config
    targets = config.get("target_modules")
    is_plain = config.get("layers_to_transform") is None and not config.get("exclude_modules")
    if not isinstance(targets, list) or not is_plain:
        return []
    modules = [name.removesuffix(".weight") for name, info in base.items() if len(info.shape) == 2]
    wanted = [m for m in modules if any(m == target or m.endswith(f".{target}") for target in targets)]
    return [module for module in wanted if f"{module}.weight" not in adapter.pairs]
