"""Training: make an expert of labelled data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_hub.progress import SILENT, Reporter

if TYPE_CHECKING:
    from sam_hub.services.context import AppContext
    from sam_hub.training.recipe import TrainingRecipe


@dataclass(frozen=True)
class TrainOptions:
    """What to train on, and where to write the expert.

    Args:
        out: the folder of the expert.
        base: a base of the catalog, or a folder with one.
        data: folders with train.jsonl (and test.jsonl).
        recipe: a file with a recipe in JSON, instead of ``data`` and what follows.
        fields: other fields of the recipe, such as examples, rank and seed.
        rename: ``old=new`` pairs of labels; ``keep``: these labels alone.
        named_only: leave out mentions without a capitalised word.
        data_root: where the data folders lie.
        base_repo: the base's name on the Hub, if ``base`` is a folder; ``repo``: the expert's, for its card.
        test_sentences: of each test split, to measure on.
    """

    out: Path
    base: str
    data: tuple[Path, ...] = ()
    recipe: Path | None = None
    name: str | None = None
    domain: str = "general"
    fields: dict[str, Any] = field(default_factory=dict)
    rename: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    named_only: bool = False
    data_root: Path = Path()
    base_repo: str | None = None
    repo: str = ""
    device: str = "auto"
    dtype: str = "auto"
    test_sentences: int = 200


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


def plan_training(context: AppContext, options: TrainOptions) -> TrainPlan:
    """Read the recipe and the data; nothing is trained.

    Raises:
        UsageError, InputError: the recipe or the data can't be used.
        CatalogError: there is no such base.
    """
    from sam_hub.training.data import read_sets

    recipe, _, base = _prepare(context, options)
    sentences = sum(len(part.sentences) for part in read_sets(recipe, options.data_root))
    return TrainPlan(base, str(options.out), sentences, recipe.steps, recipe.as_dict())


def run_training(context: AppContext, options: TrainOptions, reporter: Reporter = SILENT) -> dict[str, Any]:
    """Train an expert, and return what its ``sam_hub.json`` holds. A stopped run continues from its checkpoint.

    Raises:
        UsageError, InputError, CatalogError: as `plan_training`; or the folder holds a finished expert.
    """
    from sam_hub.training.expert import make_expert

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
