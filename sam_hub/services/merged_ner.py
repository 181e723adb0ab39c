"""Merged models that answer as SaM does: those of a target, or those that somebody has pushed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sam_hub.progress import SILENT, Reporter
from sam_hub.services.options import Rule, Types

if TYPE_CHECKING:
    from sam_hub.config import Settings
    from sam_hub.evaluation.merged_models import MergedModels
    from sam_hub.services.context import AppContext


def load_target_models(
    context: AppContext, target: str, rule: Rule = Rule.auto, types: Types = Types.auto, reporter: Reporter = SILENT
) -> MergedModels:
    """Return the models that answer for a target, merged ones or the untuned base, as `sam-hub predict` does.

    Where the untuned base types, the models are asked on a sample of the target, unless they were asked before.
    """
    from sam_hub.catalog.targets import get_target
    from sam_hub.evaluation.answer import BaseVersion
    from sam_hub.evaluation.merged_models import MergedModels
    from sam_hub.evaluation.predictor import Predictor
    from sam_hub.evaluation.systems import sam_systems
    from sam_hub.inference.cached_predict import base_of_merge
    from sam_hub.merging.service import answering_base, merge_warnings, merges_for

    row = get_target(context.catalog, target)
    merges = merges_for(context.catalog, row)
    for line in merge_warnings(context.catalog, row):
        reporter.log(line)
    system = sam_systems(context.catalog, row, str(rule), str(types), merges)[-1]
    merge = next(iter(merges.values()), None)
    base = base_of_merge(context.catalog, merge) if merge else answering_base(context.catalog, row)
    version = BaseVersion(repo=base.repo, commit=base.commit, weights_sha256=base.weights_sha256)
    predictor = Predictor(context.catalog, row, context.settings, reporter=reporter)
    names = [".", "by_similarity"][: len(system.models)]
    return MergedModels(
        predictor.recipe(system, version, names),
        tuple(model.folder for model in system.models),
        Path(base.path) if base.path else None,
        **_model_options(context.settings),
    )


def load_pretrained(
    context: AppContext, name: str, revision: str = "main", base: Path | None = None, reporter: Reporter = SILENT
) -> MergedModels:
    """Return pushed models, fetched at a commit where they are not on disk yet. No catalog is opened.

    Args:
        name: a folder, or a repository on the Hub.
        base: a folder with the base of the merge; else it is fetched where it is needed.
    """
    from sam_hub.evaluation.merged_models import MergedModels, read_recipe

    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = _fetch(context, name, revision, reporter)
    recipe = read_recipe(folder)
    folders = tuple(folder / model for model in recipe.models)
    models = MergedModels(recipe, folders, base, **_model_options(context.settings))
    if models.needs_base and base is None:
        models.base = _fetch(context, recipe.base.repo, recipe.base.commit, reporter)
    return models


def _fetch(context: AppContext, repo: str, revision: str, reporter: Reporter) -> Path:
    from sam_hub.hub.download import plan_pull, pull

    plan = plan_pull(context.hub, repo, revision, context.settings.models)
    return pull(context.hub, plan, reporter)


def _model_options(settings: Settings) -> dict:
    return {"device": settings.device, "dtype": settings.dtype, "threads": settings.threads}
