"""A recipe: what is merged, and how, with every input pinned by commit and by the hash of its weights."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sam_hub.errors import UsageError
from sam_hub.hub.weights import read_headers, weights_sha256
from sam_hub.inference.adapters import CONFIG, is_adapter, read_json
from sam_hub.merging.methods import DEFAULT_METHOD, METHODS, check_parameters, default_parameters, trims
from sam_hub.merging.tensor_file import DTYPE_CODES

DTYPES = ("bfloat16", "float16", "float32")
# Files of a base, beside the weights, that become part of a merged model.
CARRIED = (
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)
# Entries of an adapter_config.json that say where and how it was made, not what it does.
_INCIDENTAL = {"base_model_name_or_path", "revision", "inference_mode", "lora_dropout", "peft_version", "auto_mapping"}


@dataclass(frozen=True)
class ModelInput:
    """One model that goes into a merge: a base, or an expert (LoRA adapter or full model).

    Args:
        repo: the Hub repository, ``owner/name``.
        commit: the commit at which it was pulled; empty for a folder that is on no Hub.
        path: the local folder.
        weights_sha256: see :func:`~sam_hub.hub.weights.weights_sha256`.
        weight: its weight in the merge; meaningless for the base.
        config_sha256: hash of what else shapes the result; see :func:`config_sha256`.
    """

    repo: str
    commit: str
    path: Path
    weights_sha256: str
    weight: float = 1.0
    config_sha256: str = ""


@dataclass(frozen=True)
class Recipe:
    """A merge in one value; two recipes with the same :func:`recipe_hash` give the same model.

    It is checked as a value; the models themselves are checked by `sam_hub.merging.checks.check_recipe`.

    Args:
        seed: for methods that draw at random.
        stable: merge by the method's variant in `sam_hub.merging.stable_methods`.

    Raises:
        UsageError: no or repeated experts, or a method, parameter, weight or dtype that can't be used.
    """

    method: str
    base: ModelInput
    experts: tuple[ModelInput, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "bfloat16"
    seed: int = 0
    stable: bool = False

    def __post_init__(self) -> None:
        if not self.experts:
            raise UsageError("A merge needs at least one expert", "Select or name the experts to merge.")
        paths = [expert.path for expert in self.experts]
        if repeated := [expert.repo for expert in self.experts if paths.count(expert.path) > 1]:
            raise UsageError(
                f"'{repeated[0]}' is named more than once", "Name every expert once, and give it a weight."
            )
        if self.dtype not in DTYPES:
            raise UsageError(f"A merge can't be stored as '{self.dtype}'", f"Use one of: {', '.join(DTYPES)}.")
        check_parameters(self.method, self.parameters, [expert.weight for expert in self.experts])
        if self.stable and not METHODS[self.method].trims:
            names = ", ".join(name for name, method in METHODS.items() if method.trims)
            raise UsageError(
                f"'{self.method}' does not trim by magnitude, so it has no stable trimming",
                f"Leave it out, or use one of: {names}.",
            )
        if self.stable and not trims(self.method, self.parameters):
            raise UsageError(
                "Nothing is trimmed at a density of 1, so there is no stable trimming",
                "Remove --stable, or set a density below 1, such as density=0.5.",
            )


def config_sha256(folder: Path) -> str:
    """Return the hash of the small files that shape a merge with the model in ``folder``; key order is no matter.

    For an adapter: its configuration, without incidental entries such as the base's local path. For a model:
    ``config.json`` and the files in :data:`CARRIED`.
    """
    digest = hashlib.sha256()
    if is_adapter(folder):
        config = {key: value for key, value in read_json(folder / CONFIG).items() if key not in _INCIDENTAL}
        if isinstance(config.get("target_modules"), list):
            config["target_modules"] = sorted(config["target_modules"])  # a set in peft: its order is random
        digest.update(json.dumps(config, sort_keys=True).encode())
    else:
        digest.update(json.dumps(read_json(folder / "config.json"), sort_keys=True).encode())
        for name in CARRIED:
            if (folder / name).is_file():
                digest.update(f"\0{name}\0".encode() + (folder / name).read_bytes())
    return digest.hexdigest()


def pin(path: Path, repo: str | None = None, commit: str = "", weight: float = 1.0) -> ModelInput:
    """Make an input of the model in the folder ``path``: reads and hashes its weights.

    Raises:
        UnusableModel: the folder holds no safetensors weights or no configuration.
    """
    path = path.absolute()
    return ModelInput(repo or path.name, commit, path, weights_sha256(path), weight, config_sha256(path))


def base_dtype(base: ModelInput) -> str:
    """Return the dtype in which most of the base's numbers are stored, as torch names it."""
    sizes: Counter[str] = Counter()
    for info in read_headers(base.path).values():
        sizes[info.dtype] += info.size
    most = sizes.most_common(1)
    return next((name for name in DTYPES if most and DTYPE_CODES[name] == most[0][0]), "bfloat16")


def make_recipe(
    base: ModelInput,
    experts: Sequence[ModelInput],
    *,
    method: str = DEFAULT_METHOD,
    parameters: Mapping[str, Any] | None = None,
    dtype: str | None = None,
    seed: int = 0,
    stable: bool = False,
) -> Recipe:
    """Make a recipe with this project's defaults: TIES of whole deltas, the base's dtype. Raises as `Recipe`."""
    settings = default_parameters(method) | dict(parameters or {})
    return Recipe(method, base, tuple(experts), settings, dtype or base_dtype(base), seed, stable)


def recipe_hash(recipe: Recipe) -> str:
    """Return the SHA-256 of everything that decides the merged model: contents, not names, commits or local paths."""

    def identity(model: ModelInput) -> dict[str, Any]:
        return {"weights": model.weights_sha256, "config": model.config_sha256}

    content = {
        "format": 1,
        "method": recipe.method,
        "base": identity(recipe.base),
        "experts": [{**identity(expert), "weight": float(expert.weight)} for expert in recipe.experts],
        "parameters": dict(recipe.parameters),
        "dtype": recipe.dtype,
        "seed": recipe.seed if METHODS[recipe.method].random else None,
    }
    if recipe.stable:
        content["stable"] = True
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=list).encode()).hexdigest()


def to_json(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as plain values for a JSON file, without local paths: it may be published, or be moved."""
    content = asdict(recipe)
    content["experts"] = list(content["experts"])
    for model in (content["base"], *content["experts"]):
        del model["path"]
    return content
