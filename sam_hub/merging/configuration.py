"""``mergekit_config.yml``: a recipe in mergekit's own words, which stock ``mergekit-yaml`` runs unchanged."""

from __future__ import annotations

from typing import Any

from sam_hub.inference.adapters import is_adapter
from sam_hub.merging.methods import METHODS, base_role, stable_name
from sam_hub.merging.recipe import ModelInput, Recipe

FILE_NAME = "mergekit_config.yml"


def _reference(base: ModelInput, model: ModelInput, by_repo: bool) -> str | dict[str, Any]:
    """Return how mergekit refers to a model: ``base``, ``base+adapter`` or a full model.

    mergekit splits the short form at ``+`` and ``@``, so paths that hold one are written in the long form.
    """
    whole = model if model is base or not is_adapter(model.path) else base
    models = [whole] if whole is model else [whole, model]
    paths = [item.repo if by_repo else str(item.path.absolute()) for item in models]
    if not any(sign in path for path in paths for sign in "+@"):
        return "+".join(paths)
    long: dict[str, Any] = {"model": {"path": paths[0]}}
    return long | {"lora": {"path": paths[1]}} if len(paths) == 2 else long


def to_mergekit(recipe: Recipe, by_repo: bool = False) -> dict[str, Any]:
    """Return the recipe as a mergekit configuration (the content of ``mergekit_config.yml``).

    Args:
        by_repo: name models by their repositories, for others; else by their absolute paths, to be merged here.
    """
    models: list[dict[str, Any]] = [{"model": _reference(recipe.base, e, by_repo)} for e in recipe.experts]
    if METHODS[recipe.method].weighted:
        for entry, expert in zip(models, recipe.experts, strict=True):
            entry["parameters"] = {"weight": float(expert.weight)}
    config: dict[str, Any] = {"merge_method": recipe.method}
    role = base_role(recipe.method, len(recipe.experts))
    if role == "base":
        config["base_model"] = _reference(recipe.base, recipe.base, by_repo)
    elif role == "first expert":
        config["base_model"] = models[0]["model"]
    config["models"] = models
    if recipe.parameters:
        listed = {name: list(v) if isinstance(v, tuple) else v for name, v in recipe.parameters.items()}
        config["parameters"] = listed
    # Some methods (arcee_fusion, ramplus_tl) answer in float32 whatever they are given; so out_dtype too.
    return config | {"dtype": "float32" if METHODS[recipe.method].own else recipe.dtype, "out_dtype": recipe.dtype}


def config_text(recipe: Recipe, by_repo: bool = False) -> str:
    """Return the YAML text of :func:`to_mergekit`, with the inputs' origins as comments."""
    import yaml

    lines = [f"# base    {recipe.base.repo} {recipe.base.commit}".rstrip()]
    lines += [f"# expert  {expert.repo} {expert.commit}".rstrip() for expert in recipe.experts]
    seed = f" --random-seed {recipe.seed}" if METHODS[recipe.method].random else ""
    lines.append(f"# mergekit-yaml {FILE_NAME} OUT --lora-merge-cache CACHE{seed}")
    if METHODS[recipe.method].own:
        lines.append(f"# '{recipe.method}' is a method of sam-hub, which mergekit-yaml does not have.")
    if recipe.stable:
        lines.append(
            f"# Made with --stable, that is, by '{stable_name(recipe.method)}', which mergekit does not have: "
            f"'{recipe.method}' of mergekit-yaml keeps others of equally large changes."
        )
    # One line each: a path with a space stays in one piece.
    text = yaml.safe_dump(to_mergekit(recipe, by_repo), sort_keys=False, allow_unicode=True, width=float("inf"))
    return "\n".join(lines) + "\n" + text
