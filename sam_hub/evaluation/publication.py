"""Push a merged model with a card that tells how it was made and what it scored."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import list_experts
from sam_hub.catalog.history import latest_selection, list_evaluations
from sam_hub.catalog.predictions import runs_by_id
from sam_hub.catalog.tables import RankingMethod
from sam_hub.config import Settings
from sam_hub.errors import CatalogError, UsageError
from sam_hub.evaluation.answer import AnswerRecipe, BaseVersion
from sam_hub.evaluation.predictor import Predictor
from sam_hub.evaluation.systems import sam_systems
from sam_hub.hub.cards import Evaluation, MergeCard, MergeInput, ScoreRow, SelectionRow, check_public, merge_card
from sam_hub.hub.client import Hub
from sam_hub.hub.inspection import METADATA
from sam_hub.hub.upload import Pushed, PushPlan, plan_push, push
from sam_hub.inference.cached_predict import format_of
from sam_hub.merging.configuration import FILE_NAME
from sam_hub.merging.lora_extraction import FOLDER, RECORD, MergedAdapter, saved_adapter
from sam_hub.merging.sanity_check import require_passed, saved_check
from sam_hub.merging.service import merges_for
from sam_hub.progress import SILENT, Reporter
from sam_hub.selection.choice import chosen_repos
from sam_hub.tempdirs import scratch_prefix

CARD = "README.md"
SCRATCH = "push"
OWN_FILES = ("merge.json", "sanity_check.json", RECORD)  # they are about this machine, and stay here


@dataclass(frozen=True)
class Publication:
    """What is told beside the weights: for which target, by which ranking, with which scores.

    ``others``: the target's other merged model, which SaM's answer needs too, by the folder where it is pushed.
    """

    target: tables.Target
    selection: tables.Selection | None
    evaluations: tuple[tables.Evaluation, ...] = ()
    sentences: int = 0
    prompt_format: str = "b2ner"
    others: Mapping[str, tables.Merge] = field(default_factory=dict)


def write_card(catalog: Catalog, merge: tables.Merge, repo: str, about: Publication, *, adapter: bool = False) -> str:
    """The ``README.md`` of a merged model, or of the adapter that was written of it."""
    recipe, experts = merge.recipe, {e.ref: e for e in list_experts(catalog)}
    inputs = tuple(
        MergeInput(
            item["repo"],
            item["commit"],
            item["weight"],
            getattr(experts.get(f"{item['repo']}@{item['commit']}"), "license", None),
        )
        for item in recipe["experts"]
    )
    chosen = chosen_repos(about.selection) if about.selection else set()
    ranking = tuple(
        SelectionRow(row["expert"], row["score"], row["low"], row["high"], row["expert"] in chosen)
        for row in (about.selection.ranking if about.selection else [])
    )
    base = recipe["base"]
    verdict = saved_check(Path(merge.path))
    card = MergeCard(
        repo=repo,
        base=base["repo"],
        base_commit=base["commit"],
        method=merge.method,
        parameters=recipe["parameters"],
        inputs=inputs,
        selected_by=about.selection.method if about.selection else "hand",
        selection=ranking,
        target=about.target.name,
        labels=tuple(about.target.labels),
        prompt_format=about.prompt_format,
        license=_license(inputs),
        configuration=_portable(merge),
        evaluations=_scores(about),
        by_hand=about.selection is not None and about.selection.by_hand,
        check=verdict.in_words() if verdict else "",
        adapter=_nearness(merge) if adapter else "",
    )
    return merge_card(card)


def adapter_folder(merge: tables.Merge) -> Path:
    """Where the merge lies as one adapter.

    Raises:
        CatalogError: it was not written as one, or that is damaged.
    """
    return Path(_saved_adapter(merge).path)


def _saved_adapter(merge: tables.Merge) -> MergedAdapter:
    adapter = saved_adapter(Path(merge.path) / FOLDER, merge.recipe_hash)
    if adapter is None:
        raise CatalogError(
            "This merge was not written as an adapter, or that is damaged", "Merge as before, with --as-adapter."
        )
    return adapter


def _nearness(merge: tables.Merge) -> str:
    adapter = _saved_adapter(merge)
    if adapter.exact:
        return f"The merge as one LoRA adapter of rank {adapter.rank}: exactly the sum of the experts."
    return (
        f"The merge as one LoRA adapter of rank {adapter.rank}, the nearest of its rank: it lacks "
        f"{adapter.error:.0%} of the merge's changes (Frobenius norm). Scores and check below are those of the merge "
        "itself."
    )


def _license(inputs: Sequence[MergeInput]) -> str | None:
    """The experts' license where they share one; "other" where they do not: the table names each."""
    licenses = {item.license for item in inputs}
    return next(iter(licenses)) if len(licenses) == 1 else "other"


def _portable(merge: tables.Merge) -> str:
    """The mergekit configuration with repositories in the place of local paths."""
    text = (Path(merge.path) / FILE_NAME).read_text(encoding="utf-8")
    models = (merge.recipe["base"], *merge.recipe["experts"])
    for item in sorted(models, key=lambda model: -len(str(model["path"]))):  # one may lie in another's folder
        text = text.replace(str(item["path"]), item["repo"])
    return check_public(text.rstrip() + "\n")


def _scores(about: Publication) -> tuple[Evaluation, ...]:
    if not about.evaluations:
        return ()
    rows = tuple(
        ScoreRow(e.name, e.precision, e.recall, e.f1, e.parse_failures / max(1, about.sentences * _models_asked(e)))
        for e in about.evaluations
    )
    return (Evaluation(about.target.name, "test", about.sentences, rows, tuple(about.target.labels)),)


def _models_asked(evaluation: tables.Evaluation) -> int:
    """How many predictions of models an evaluation is of; a base's types, where they are its first, are none."""
    count = len(evaluation.prediction_ids)
    return count - (count > 1 and evaluation.rule is None)


def answer_recipe(
    catalog: Catalog, merge: tables.Merge, about: Publication, settings: Settings, reporter: Reporter = SILENT
) -> AnswerRecipe:
    """Return how the pushed models answer as `sam-hub predict` does for the target.

    Where the untuned base types, the models are asked on a sample of the target, unless they were asked before.

    Args:
        merge: the one at the top of the repository.
    """
    folders = {merge.id: "."} | {other.id: folder for folder, other in about.others.items()}
    rows = {_method_of(about, row, merge): row for row in (merge, *about.others.values())}
    by_method: dict[str, tables.Merge] = {method: rows[method] for method in RankingMethod if method in rows}
    system = sam_systems(catalog, about.target, merges=by_method)[-1]
    base = merge.recipe["base"]
    version = BaseVersion(repo=base["repo"], commit=base["commit"], weights_sha256=base["weights_sha256"])
    predictor = Predictor(catalog, about.target, settings, reporter=reporter)
    return predictor.recipe(system, version, [folders[model.id] for model in system.models])


def _method_of(about: Publication, row: tables.Merge, top: tables.Merge) -> str:
    """By which ranking a pushed merge was chosen."""
    own = about.selection.method if about.selection else RankingMethod.SIMILARITY
    return own if row.id == top.id else next(method for method in RankingMethod if method != own)


def metadata(merge: tables.Merge, about: Publication, answer: AnswerRecipe | None = None) -> dict:
    """What ``sam_hub.json`` says of a merged model, so that it can be added and asked like an expert.

    Args:
        answer: how it answers together with the target's other merge; see `sam_hub.MergedNER`.
    """
    recipe = merge.recipe
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
            "experts": [f"{item['repo']}@{item['commit']}" for item in recipe["experts"]],
            "recipe_hash": merge.recipe_hash,
        },
        "scores": {e.dataset: [asdict(row) for row in e.rows] for e in _scores(about)},
    }


@contextmanager
def staged(
    catalog: Catalog,
    merge: tables.Merge,
    repo: str,
    about: Publication,
    *,
    adapter: bool = False,
    answer: AnswerRecipe | None = None,
) -> Iterator[Path]:
    """A folder as it shall be pushed: the weights linked, the card and metadata written; gone afterwards."""
    with tempfile.TemporaryDirectory(dir=Path(merge.path).parent, prefix=scratch_prefix(SCRATCH)) as scratch:
        folder = Path(scratch)
        for name, row in {".": merge, **about.others}.items():
            _stage_model(row, folder / name, adapter)
        content = metadata(merge, about, answer)
        (folder / METADATA).write_text(json.dumps(content, indent=2), encoding="utf-8")
        card = write_card(catalog, merge, repo, about, adapter=adapter)
        (folder / CARD).write_text(card, encoding="utf-8")
        yield folder


def _stage_model(merge: tables.Merge, folder: Path, adapter: bool) -> None:
    source = adapter_folder(merge) if adapter else Path(merge.path)
    folder.mkdir(exist_ok=True)
    for file in sorted(f for f in source.iterdir() if f.is_file() and f.name not in OWN_FILES):
        if file.suffix == ".safetensors":
            _link(file, folder / file.name)
        elif file.name != FILE_NAME:
            shutil.copyfile(file, folder / file.name)
    (folder / FILE_NAME).write_text(_portable(merge), encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)


def publish(
    catalog: Catalog,
    hub: Hub,
    merge: tables.Merge,
    repo: str,
    about: Publication,
    *,
    private: bool = True,
    dry_run: bool = False,
    force: bool = False,
    adapter: bool = False,
    pull_request: bool = False,
    settings: Settings,
    reporter: Reporter = SILENT,
) -> tuple[PushPlan, Pushed | None]:
    """Push a merged model in one commit, and record it; with ``dry_run``, only say what would be done.

    Args:
        force: also one that failed the check after the merge.
        adapter: the one adapter that was written of it, instead of the whole model.
        pull_request: propose it to the owner of the repository.

    Raises:
        UnusableModel: it failed that check.
        HubError, NotFoundOnHub: the Hub failed, or does not let this token write.
    """
    if not force:
        require_passed(Path(merge.path), f"The merge for {about.target.name}")
    answer = None if dry_run else answer_recipe(catalog, merge, about, settings)
    with staged(catalog, merge, repo, about, adapter=adapter, answer=answer) as folder:
        plan = plan_push(hub, folder, repo, private=private, pull_request=pull_request)
        if dry_run:
            return plan, None
        done = push(hub, plan, f"Merge for {about.target.name} by {merge.method}", reporter)
    catalog.add(tables.Push(merge_id=merge.id, repo=done.repo, commit=done.commit, url=done.url, private=plan.private))
    return plan, done


def publication_of(
    catalog: Catalog, target: tables.Target, method: str, *, newest: bool = False
) -> tuple[tables.Merge, Publication]:
    """A target's merged model by "similarity" or "sampling", and what its card shall tell.

    The card shows the latest scores on the target's latest test sentences, of this model, of SaM and of
    whatever else was evaluated there.

    Args:
        newest: take the newest merge, also if it failed the check after it and an earlier one passed.

    Raises:
        UsageError: there is no such ranking.
        CatalogError: the target's selection is not merged yet.
    """
    merges = merges_for(catalog, target, needed=(method,), newest=newest)
    if method not in merges:
        raise UsageError(f"{target.name} has no merge by '{method}'", f"There is: {', '.join(merges)}.")
    merge, own = merges[method], f"merged by {method}"
    latest = _latest(catalog, target, {row.id for row in merges.values()})
    mine, form = latest.pop(own, None), format_of(catalog, merge)
    selection = latest_selection(catalog, target.id, method)
    others = {f"by_{name}": row for name, row in merges.items() if row.id != merge.id}
    if mine is None:
        return merge, Publication(target, selection, prompt_format=form, others=others)
    sentences = len(runs_by_id(catalog, mine.prediction_ids)[0].entities)
    shown = (mine, *(latest[name] for name in sorted(latest)))
    return merge, Publication(target, selection, shown, sentences, form, others)


def _latest(catalog: Catalog, target: tables.Target, merges: Collection[int | None]) -> dict[str, tables.Evaluation]:
    """The latest evaluation of each system on the latest test sentences.

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
