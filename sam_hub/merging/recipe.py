"""A recipe: what is merged, and how, with every input pinned by commit and by the hash of its weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sam_hub.errors import UsageError
from sam_hub.hub.weights import read_headers, weights_sha256
from sam_hub.inference.adapters import CONFIG, is_adapter, read_json
from sam_hub.merging.methods import DEFAULT_METHOD, METHODS, check_parameters, default_parameters, get_method, trims
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
        config_sha256: hash of what else shapes the result (an adapter's rank and alpha, a base's
            configuration and tokenizer); see :func:`config_sha256`.
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

    Args:
        seed: for methods that draw at random.
        stable: merge by the method's variant in `sam_hub.merging.stable_methods`.
    """

    method: str
    base: ModelInput
    experts: tuple[ModelInput, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "bfloat16"
    seed: int = 0
    stable: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "experts", tuple(self.experts))
        object.__setattr__(self, "parameters", dict(self.parameters))

    def __hash__(self) -> int:
        return hash(recipe_hash(self))


def config_sha256(folder: Path) -> str:
    """Hash of the small files that shape a merge with the model in ``folder``; key order is no matter.

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
    """The dtype in which most of the base's numbers are stored, as torch names it."""
    sizes: dict[str, int] = {}
    for info in read_headers(base.path).values():
        sizes[info.dtype] = sizes.get(info.dtype, 0) + info.size
    names = {code: name for name, code in DTYPE_CODES.items()}
    most = names.get(max(sizes, key=sizes.__getitem__), "") if sizes else ""
    return most if most in DTYPES else "bfloat16"


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
    """Make a recipe with this project's defaults (TIES of whole deltas, the base's dtype), and validate it.

    Raises:
        UsageError: no or repeated experts, or a method, parameter, weight or dtype that can't be used.
    """
    settings = default_parameters(method) | dict(parameters or {})
    recipe = Recipe(method, base, tuple(experts), settings, dtype or base_dtype(base), seed, stable)
    validate(recipe)
    return recipe


def validate(recipe: Recipe) -> None:
    """Check a recipe as a value; the models themselves are checked by :func:`sam_hub.merging.checks.check`.

    Raises:
        UsageError: as :func:`make_recipe`.
    """
    if not recipe.experts:
        raise UsageError("A merge needs at least one expert", "Select or name the experts to merge.")
    paths = [expert.path for expert in recipe.experts]
    if repeated := [expert.repo for expert in recipe.experts if paths.count(expert.path) > 1]:
        raise UsageError(f"'{repeated[0]}' is named more than once", "Name every expert once; give it a weight.")
    if recipe.dtype not in DTYPES:
        raise UsageError(f"A merge can't be stored as '{recipe.dtype}'", f"Use one of: {', '.join(DTYPES)}.")
    if recipe.stable and not get_method(recipe.method).trims:
        names = ", ".join(name for name, method in METHODS.items() if method.trims)
        raise UsageError(
            f"'{recipe.method}' does not trim by magnitude, so it has no stable trimming",
            f"Leave it out, or use one of: {names}.",
        )
    if recipe.stable and not trims(recipe.method, recipe.parameters):
        raise UsageError(
            "Nothing is trimmed at a density of 1, so there is no stable trimming",
            "Leave it out, or give a density below 1, such as density=0.5.",
        )
    check_parameters(recipe.method, recipe.parameters, [expert.weight for expert in recipe.experts])


def _identity(model: ModelInput, *, weighted: bool) -> dict[str, Any]:
    identity = {"weights": model.weights_sha256, "config": model.config_sha256}
    return identity | {"weight": float(model.weight)} if weighted else identity


def recipe_hash(recipe: Recipe) -> str:
    """SHA-256 over everything that decides the merged model: contents, not names, commits or local paths."""
    content = {
        "format": 1,
        "method": recipe.method,
        "base": _identity(recipe.base, weighted=False),
        "experts": [_identity(expert, weighted=True) for expert in recipe.experts],
        "parameters": dict(recipe.parameters),
        "dtype": recipe.dtype,
        "seed": recipe.seed if METHODS[recipe.method].random else None,
    }
    if recipe.stable:
        content["stable"] = True
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=list).encode()).hexdigest()


def to_json(recipe: Recipe, *, with_paths: bool = True) -> dict[str, Any]:
    """Return the recipe as plain values for a JSON file.

    Args:
        with_paths: include the inputs' local folders.
    """

    def plain(model: ModelInput) -> dict[str, Any]:
        values = asdict(model) | {"path": str(model.path)}
        return values if with_paths else {name: value for name, value in values.items() if name != "path"}

    return {
        "method": recipe.method,
        "base": plain(recipe.base),
        "experts": [plain(expert) for expert in recipe.experts],
        "parameters": dict(recipe.parameters),
        "dtype": recipe.dtype,
        "seed": recipe.seed,
        "stable": recipe.stable,
    }
