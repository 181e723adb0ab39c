"""Training: make an expert of labeled data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_hub.errors import UsageError
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.options import TrainOptions

if TYPE_CHECKING:
    from sam_hub.services.context import AppContext
    from sam_hub.training.queue import QueuedExpert
    from sam_hub.training.recipe import TrainingRecipe


OF_RECIPES = ("data", "name", "domain", "rename", "keep", "named_only", "fields")


@dataclass(frozen=True)
class TrainPlan:
    """What training takes: the base's name, the sentences, and the optimizer's steps."""

    base: str
    out: str
    sentences: int
    steps: int
    recipe: dict[str, Any]


def _prepare(context: AppContext, options: TrainOptions) -> tuple[TrainingRecipe, Path, str]:
    from sam_hub.training.expert import find_base
    from sam_hub.training.recipe import read_recipe, recipe_of

    if options.recipe:
        _check_alone(options, "--recipe", *OF_RECIPES)
        recipe = read_recipe(options.recipe)
    else:
        recipe = recipe_of(
            options.name or options.out.name,
            options.domain,
            options.data,
            rename=options.rename,
            keep=options.keep,
            named_only=options.named_only,
            options=options.fields,
        )
    return recipe, *find_base(options.base, options.base_repo, lambda: context.catalog)


def _check_alone(options: TrainOptions, flag: str, *names: str) -> None:
    """Refuse options that a recipe or a queue replaces."""
    default = TrainOptions(options.out, options.base)
    for name in names:
        if getattr(options, name) != getattr(default, name):
            other = "--set" if name == "fields" else f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} can't be combined with {other}", "Change the recipe instead.")


def plan_training(context: AppContext, options: TrainOptions) -> TrainPlan:
    """Read the recipe and the data; nothing is trained."""
    from sam_hub.training.data import read_rehearsal, read_sets

    recipe, _, base = _prepare(context, options)
    sets = [*read_sets(recipe, options.data_root), *read_rehearsal(recipe, options.data_root)]
    sentences = sum(len(part.sentences) for part in sets)
    return TrainPlan(base, str(options.out), sentences, recipe.steps, recipe.as_dict())


def run_training(context: AppContext, options: TrainOptions, reporter: Reporter = SILENT) -> dict[str, Any]:
    """Train an expert, and return what its ``sam_hub.json`` holds. A stopped run continues from its checkpoint."""
    from sam_hub.training.expert import make_expert

    _use_threads(options)
    recipe, base_folder, base_name = _prepare(context, options)
    return make_expert(
        recipe,
        base_folder,
        base_name,
        options.out,
        repo=options.repo,
        data_root=options.data_root,
        device=options.device,
        dtype=options.dtype,
        test_sentences=options.test_sentences,
        reporter=reporter,
    )


def plan_queue(context: AppContext, options: TrainOptions) -> tuple[QueuedExpert, ...]:
    """Return the experts of ``options.queue`` with their states; nothing is trained."""
    from sam_hub.training.expert import find_base
    from sam_hub.training.queue import read_queue

    assert options.queue
    _check_alone(options, "--queue", *OF_RECIPES, "recipe", "repo")
    base, _ = find_base(options.base, options.base_repo, lambda: context.catalog)
    return read_queue(options.queue, base, options.out)


def run_queue(context: AppContext, options: TrainOptions, reporter: Reporter = SILENT) -> tuple[QueuedExpert, ...]:
    """Make the experts of ``options.queue`` that are not finished, and return all of them with their states."""
    from sam_hub.training.expert import find_base
    from sam_hub.training.queue import train_queue

    queue = plan_queue(context, options)
    _use_threads(options)
    return train_queue(
        queue,
        *find_base(options.base, options.base_repo, lambda: context.catalog),
        data_root=options.data_root,
        device=options.device,
        dtype=options.dtype,
        test_sentences=options.test_sentences,
        reporter=reporter,
    )


def _use_threads(options: TrainOptions) -> None:
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
