"""What is pushed of a merged model: its weights, and a card that tells how it was made and what it scored."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import experts_at
from sam_hub.catalog.history import latest_selection, list_evaluations
from sam_hub.catalog.predictions import runs_by_id
from sam_hub.config import Settings
from sam_hub.errors import CatalogError, UsageError
from sam_hub.evaluation.answer import AnswerRecipe, BaseVersion
from sam_hub.evaluation.predictor import Predictor, System
from sam_hub.evaluation.systems import sam_systems
from sam_hub.hub.cards import Evaluation, MergeCard, MergeInput, ScoreRow, SelectionRow, check_public, model_card
from sam_hub.hub.inspection import METADATA
from sam_hub.inference.cached_predict import format_of
from sam_hub.merging.configuration import FILE_NAME
from sam_hub.merging.lora_extraction import FOLDER, RECORD, MergedAdapter, saved_adapter
from sam_hub.merging.plan import read_record
from sam_hub.merging.sanity_check import saved_check
from sam_hub.merging.service import base_answers, merges_for
from sam_hub.progress import SILENT, Reporter
from sam_hub.selection.choice import chosen_repos
from sam_hub.tempdirs import scratch_prefix

CARD = "README.md"
SCRATCH = "push"
OWN_FILES = ("merge.json", "sanity_check.json", RECORD)  # they are about this machine, and stay here


@dataclass(frozen=True)
class Publication:
    """A target's merged model, and what is told beside its weights.

    Attributes:
        evaluations: the scores to show, those of this model first.
        sentences: how many test sentences they are of.
        system: what answers for the target.
        others: the target's other merged model, if it answers, too, or alone, by the folder where it is pushed.
    """

    merge: tables.Merge
    target: tables.Target
    selection: tables.Selection
    prompt_format: str
    system: System
    others: Mapping[str, tables.Merge]
    evaluations: tuple[tables.Evaluation, ...] = ()
    sentences: int = 0

    def scores(self) -> tuple[Evaluation, ...]:
        """Return the scores as a card shows them; none if this model has not been evaluated."""
        rows = tuple(
            ScoreRow(e.name, e.precision, e.recall, e.f1, e.parse_failures / max(1, self.sentences * _models_asked(e)))
            for e in self.evaluations
        )
        labels = tuple(self.target.labels)
        return (Evaluation(self.target.name, "test", self.sentences, rows, labels),) if rows else ()


def _models_asked(evaluation: tables.Evaluation) -> int:
    """Return how many predictions of models an evaluation is of; a base's types, if they come first, are none."""
    count = len(evaluation.prediction_ids)
    return count - (count > 1 and evaluation.rule is None)


def publication_of(catalog: Catalog, target: tables.Target, method: str, *, newest: bool = False) -> Publication:
    """Return a target's merged model by "similarity" or "sampling", and what its card shall tell.

    The card shows the latest scores on the target's latest test sentences, of this model, of SaM and of
    whatever else was evaluated there.

    Args:
        newest: take the newest merge, whatever speaks against it; without it, only where no merge can be used.

    Raises:
        UsageError: there is no such ranking, or there is nothing to push, because no expert was chosen.
        CatalogError: the target's selection is not merged yet.
    """
    merges = merges_for(catalog, target, needed=(), newest=newest)
    selection = latest_selection(catalog, target.id, method)
    if method not in merges:
        merges |= merges_for(catalog, target, needed=(method,), newest=True)
    if not merges:
        why = base_answers(catalog, target).removesuffix(".")
        raise UsageError(f"There is nothing to push. {why}", "Find and pull experts that fit, select, and merge.")
    if method not in merges or selection is None:
        raise UsageError(f"{target.name} has no merge by '{method}'", f"Use one of: {', '.join(merges)}.")
    merge = merges[method]
    system = sam_systems(catalog, target, merges=merges)[-1]
    answering = {model.id for model in system.models} - {merge.id}
    others = {f"by_{name}": row for name, row in merges.items() if row.id in answering}
    latest = _latest_evaluations(catalog, target, {row.id for row in merges.values()})
    own = latest.pop(f"merged by {method}", None)
    shown = (own, *(latest[name] for name in sorted(latest))) if own else ()
    sentences = len(runs_by_id(catalog, own.prediction_ids)[0].entities) if own else 0
    return Publication(merge, target, selection, format_of(catalog, merge), system, others, shown, sentences)


def _latest_evaluations(
    catalog: Catalog, target: tables.Target, merges: Collection[int]
) -> dict[str, tables.Evaluation]:
    """Return the latest evaluation of each system on the latest test sentences.

    One that rests on a merge which has been replaced since, or on a prediction that is gone, is left out.
    """
    evaluations = list_evaluations(catalog, target.id)
    latest: dict[str, tables.Evaluation] = {}
    for evaluation in evaluations:
        if evaluation.test_sha256 == evaluations[0].test_sha256 and evaluation.name not in latest:
            try:
                rows = runs_by_id(catalog, evaluation.prediction_ids)
            except CatalogError:
                continue
            if all(run.kind != "merge" or run.model_id in merges for run in rows):
                latest[evaluation.name] = evaluation
    return latest


def write_card(catalog: Catalog, about: Publication, repo: str, *, adapter: bool = False) -> str:
    """Return the ``README.md`` of a merged model, or of the adapter that was written of it."""
    merge, recipe = about.merge, about.merge.recipe
    known_licenses = {expert.ref: expert.license for expert in experts_at(catalog, merge.refs)}
    inputs = tuple(
        MergeInput(item["repo"], item["commit"], item["weight"], known_licenses.get(f"{item['repo']}@{item['commit']}"))
        for item in merge.inputs
    )
    licenses, chosen = {item.license for item in inputs}, chosen_repos(about.selection)
    check = saved_check(Path(merge.path))
    card = MergeCard(
        repo=repo,
        base=recipe["base"]["repo"],
        base_commit=recipe["base"]["commit"],
        method=merge.method,
        parameters=recipe["parameters"],
        inputs=inputs,
        selected_by=about.selection.method,
        selection=tuple(
            SelectionRow(row["expert"], row["score"], row["low"], row["high"], row["expert"] in chosen)
            for row in about.selection.ranking
        ),
        target=about.target.name,
        labels=tuple(about.target.labels),
        prompt_format=about.prompt_format,
        license=licenses.pop() if len(licenses) == 1 else "other",  # the table of the experts names each
        configuration=_public_configuration(merge),
        evaluations=about.scores(),
        by_hand=about.selection.by_hand,
        check=check.in_words() if check else "",
        adapter=_describe_adapter(_adapter_of(merge)) if adapter else "",
    )
    return model_card(card)


def _adapter_of(merge: tables.Merge) -> MergedAdapter:
    adapter = saved_adapter(Path(merge.path) / FOLDER, merge.recipe_hash)
    if adapter is None:
        raise CatalogError("This merge has no adapter, or the adapter is damaged", "Merge again with --as-adapter.")
    return adapter


def _describe_adapter(adapter: MergedAdapter) -> str:
    if adapter.exact:
        return f"The merge as one LoRA adapter of rank {adapter.rank}: exactly the sum of the experts."
    return (
        f"The merge as one LoRA adapter of rank {adapter.rank}, the nearest of its rank: it lacks "
        f"{adapter.error:.0%} of the merge's changes (Frobenius norm). Scores and check below are those of the merge "
        "itself."
    )


def _public_configuration(merge: tables.Merge) -> str:
    """Return the mergekit configuration that names models by their repositories."""
    configuration = read_record(Path(merge.path)).get("configuration")
    if configuration is None:
        raise CatalogError(f"The record of merge {merge.id} is damaged", f"Delete {merge.path}, and merge again.")
    return check_public(configuration)


def answer_recipe(
    catalog: Catalog, about: Publication, settings: Settings, reporter: Reporter = SILENT
) -> AnswerRecipe:
    """Return how the pushed models answer as `sam-hub predict` does for the target.

    Where the untuned base types, the models are asked on a sample of the target, unless they were asked before.
    """
    folders = {about.merge.id: "."} | {other.id: folder for folder, other in about.others.items()}
    base = about.merge.recipe["base"]
    version = BaseVersion(repo=base["repo"], commit=base["commit"], weights_sha256=base["weights_sha256"])
    predictor = Predictor(catalog, about.target, settings, reporter=reporter)
    return predictor.recipe(about.system, version, [folders[model.id] for model in about.system.models])


def metadata(about: Publication, answer: AnswerRecipe | None = None) -> dict[str, Any]:
    """Return what ``sam_hub.json`` says of a merged model, so that it can be added and asked like an expert.

    Args:
        answer: how it answers together with the target's other merge; see `sam_hub.MergedNER`.
    """
    merge, recipe = about.merge, about.merge.recipe
    return {
        **({"answer": answer.model_dump(mode="json")} if answer else {}),
        "schema": 1,
        "kind": "merge",
        "domain": about.target.name,
        "labels": list(about.target.labels),
        "prompt_format": about.prompt_format,
        "base": recipe["base"]["repo"],
        "base_sha256": recipe["base"]["weights_sha256"],
        "recipe": {
            "method": merge.method,
            "parameters": recipe["parameters"],
            "experts": [f"{item['repo']}@{item['commit']}" for item in merge.inputs],
            "recipe_hash": merge.recipe_hash,
        },
        "scores": {e.dataset: [asdict(row) for row in e.rows] for e in about.scores()},
    }


@contextmanager
def staged(
    catalog: Catalog, about: Publication, repo: str, *, adapter: bool = False, answer: AnswerRecipe | None = None
) -> Iterator[Path]:
    """Yield a folder as it shall be pushed: the weights linked, the card and metadata written; gone afterwards.

    Args:
        adapter: with the one adapter that was written of the merge, instead of the whole model.
        answer: how the models answer together; None if the folder is not going to be pushed.
    """
    with tempfile.TemporaryDirectory(dir=Path(about.merge.path).parent, prefix=scratch_prefix(SCRATCH)) as scratch:
        folder = Path(scratch)
        for name, row in {".": about.merge, **about.others}.items():
            _stage_model(row, folder / name, adapter)
        (folder / METADATA).write_text(json.dumps(metadata(about, answer), indent=2), encoding="utf-8")
        (folder / CARD).write_text(write_card(catalog, about, repo, adapter=adapter), encoding="utf-8")
        yield folder


def _stage_model(merge: tables.Merge, folder: Path, adapter: bool) -> None:
    source = Path(_adapter_of(merge).path if adapter else merge.path)
    folder.mkdir(exist_ok=True)
    for file in sorted(f for f in source.iterdir() if f.is_file() and f.name not in (*OWN_FILES, FILE_NAME)):
        if file.suffix == ".safetensors":
            try:
                os.link(file, folder / file.name)
                continue
            except OSError:  # a file system without links
                pass
        shutil.copyfile(file, folder / file.name)
    (folder / FILE_NAME).write_text(_public_configuration(merge), encoding="utf-8")
