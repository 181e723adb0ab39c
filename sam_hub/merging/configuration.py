"""``mergekit_config.yml``: a recipe in mergekit's own words, which stock ``mergekit-yaml`` runs unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sam_hub.errors import InputError
from sam_hub.inference.adapters import is_adapter
from sam_hub.merging.methods import RANDOM, base_role, has_weights
from sam_hub.merging.recipe import ModelInput, Recipe, base_dtype, pin, validate

FILE_NAME = "mergekit_config.yml"


def _reference(base: ModelInput, model: ModelInput) -> str | dict[str, Any]:
    """A model as mergekit refers to it: ``base``, ``base+adapter`` or a full model, by absolute path.

    mergekit splits the short form at ``+`` and ``@``; for paths that hold one, the long form, which it reads
    just as well, keeps every path whole.
    """
    whole = model if model is base or not is_adapter(model.path) else base
    paths = [str(whole.path.absolute())] + ([str(model.path.absolute())] if whole is not model else [])
    if not any(sign in path for path in paths for sign in "+@"):
        return "+".join(paths)
    long: dict[str, Any] = {"model": {"path": paths[0]}}
    return long | {"lora": {"path": paths[1]}} if len(paths) == 2 else long


def to_mergekit(recipe: Recipe) -> dict[str, Any]:
    """The recipe as a mergekit configuration (the content of ``mergekit_config.yml``).

    Raises:
        UsageError: mergekit does not take this method or one of its parameters.
    """
    validate(recipe)
    weighted = has_weights(recipe.method)
    models = []
    for expert in recipe.experts:
        entry: dict[str, Any] = {"model": _reference(recipe.base, expert)}
        if weighted:
            entry["parameters"] = {"weight": float(expert.weight)}
        models.append(entry)
    config: dict[str, Any] = {"merge_method": recipe.method}
    role = base_role(recipe.method, len(recipe.experts))
    if role == "base":
        config["base_model"] = _reference(recipe.base, recipe.base)
    elif role == "first expert":
        config["base_model"] = models[0]["model"]
    config["models"] = models
    if recipe.parameters:
        listed = {name: list(v) if isinstance(v, tuple) else v for name, v in recipe.parameters.items()}
        config["parameters"] = listed
    # Some methods (arcee_fusion, ramplus_tl) answer in float32 whatever they are given; so out_dtype too.
    return config | {"dtype": recipe.dtype, "out_dtype": recipe.dtype}


def config_text(recipe: Recipe) -> str:
    """The YAML text of :func:`to_mergekit`, with the inputs' origins as comments."""
    lines = [f"# base    {recipe.base.repo} {recipe.base.commit}".rstrip()]
    lines += [f"# expert  {expert.repo} {expert.commit}".rstrip() for expert in recipe.experts]
    seed = f" --random-seed {recipe.seed}" if recipe.method in RANDOM else ""
    lines.append(f"# mergekit-yaml {FILE_NAME} OUT --lora-merge-cache CACHE{seed}")
    if recipe.stable:
        lines.append(
            "# Made with --stable: equally large changes go by their order; mergekit-yaml keeps others."
        )
    return "\n".join(lines) + "\n" + _yaml(to_mergekit(recipe))


def _yaml(config: Mapping[str, Any]) -> str:
    """YAML without folded lines: a path with a space stays in one piece."""
    import yaml

    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=float("inf"))


def write_config(recipe: Recipe, file: Path) -> None:
    """Write ``mergekit_config.yml``; nothing half-written stays."""
    partial = file.with_name(f".{file.name}.partial")
    try:
        partial.write_text(config_text(recipe), encoding="utf-8")
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def from_config(config: Mapping[str, Any], *, known: Iterable[ModelInput] = (), seed: int = 0) -> Recipe:
    """Read a mergekit configuration whose models are local folders, and pin every input.

    Args:
        config: the parsed ``mergekit_config.yml``.
        known: inputs whose repository and commit are known, by path; others are named by their folder.
        seed: mergekit keeps it on the command line (``--random-seed``).

    Raises:
        InputError: it is no mergekit configuration, or one that is no recipe (slices, models not on disk).
        UsageError: the method or a parameter is not mergekit's.
    """
    references, base_path = _parse(config)
    by_path = {model.path: model for model in known}

    def pinned(path: str) -> ModelInput:
        folder = Path(path).absolute()
        if not folder.is_dir():
            raise InputError(
                f"'{path}' in the configuration is no folder here", "Pull the model and name its folder."
            )
        return by_path.get(folder) or pin(folder)

    base = pinned(base_path)
    shared = dict(config.get("parameters") or {})
    common = shared.pop("weight", 1.0)
    weights = [parameters.pop("weight", common) for _, parameters in references]
    own = [parameters for _, parameters in references]
    if any(parameters != own[0] for parameters in own):
        raise InputError(
            "The experts have different parameters beside their weights",
            "Give one value for all, or use mergekit.",
        )
    experts = []
    for (reference, parameters), weight in zip(references, weights, strict=True):
        shared |= parameters
        found = pinned(reference.lora.path if reference.lora else reference.model.path)
        experts.append(ModelInput(**{**found.__dict__, "weight": float(weight)}))
    dtype = config.get("dtype") or base_dtype(base)
    recipe = Recipe(config["merge_method"], base, tuple(experts), shared, dtype, seed)
    validate(recipe)
    return recipe


def _parse(config: Mapping[str, Any]) -> tuple[list[tuple[Any, dict[str, Any]]], str]:
    """References of the experts with their parameters, and the base's path."""
    from mergekit.common import ModelReference

    try:
        entries = [
            (ModelReference.parse(m["model"]), dict(m.get("parameters") or {})) for m in config["models"]
        ]
        base = ModelReference.parse(config["base_model"]) if config.get("base_model") else None
        str(config["merge_method"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"This is no mergekit configuration of whole models: {error}", "Give merge_method and models."
        ) from error
    if base is not None and base.lora is None:
        return [(ref, parameters) for ref, parameters in entries if ref != base], base.model.path
    loras = [reference for reference, _ in entries if reference.lora]
    if not loras:
        raise InputError("The configuration does not say what the base is", "Add a base_model.")
    return entries, loras[0].model.path
