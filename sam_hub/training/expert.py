"""Make an expert from a recipe: adapter, descriptor, metadata, scores and card."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import get_base
from sam_hub.errors import InputError
from sam_hub.files import write_json
from sam_hub.hub.cards import Evaluation, ExpertCard, ScoreRow, model_card
from sam_hub.hub.inspection import DESCRIPTOR, METADATA
from sam_hub.hub.weights import weights_sha256
from sam_hub.inference.embedding import describe
from sam_hub.inference.models import load_model, with_adapter
from sam_hub.inference.prediction import predict
from sam_hub.ner.scoring import score
from sam_hub.ner.text import Sentence
from sam_hub.progress import SILENT, Reporter
from sam_hub.training.data import origin_of, read_sets, read_source
from sam_hub.training.recipe import TrainingRecipe, read_recipe
from sam_hub.training.trainer import RECORD, WEIGHTS, train_adapter

CARD, CONFIG = "README.md", "adapter_config.json"
NOT_STATED = "not stated"
TEST_SENTENCES = 200


def make_expert(
    recipe: TrainingRecipe,
    base: Path,
    base_repo: str,
    out: Path,
    *,
    repo: str = "",
    data_root: Path = Path(),
    device: str = "auto",
    dtype: str = "auto",
    test_sentences: int = TEST_SENTENCES,
    reporter: Reporter = SILENT,
) -> dict[str, Any]:
    """Train the recipe's adapter, or continue its training, and write the other files of an expert beside it.

    Args:
        base: the base's folder.
        base_repo: the base's name on the Hub, which the adapter's configuration names.
        repo: the expert's name on the Hub, for its card; by default the recipe's name.
        test_sentences: of each source's test split, to score expert and base; 0 for none. Sources without a test
            split are not scored.

    Returns:
        The content of ``sam_hub.json``.
    """
    if (out / METADATA).exists():
        raise InputError(f"{out} already has a finished expert", "Give another --out, or delete that folder.")
    if not (out / WEIGHTS).exists():
        train_adapter(recipe, base, out, data_root=data_root, device=device, dtype=dtype, reporter=reporter)
    trained = json.loads((out / RECORD).read_text(encoding="utf-8"))
    if TrainingRecipe.from_dict(trained["recipe"]).portable() != recipe.portable():
        raise InputError(f"{out} has an adapter of another recipe", "Give its recipe, or another --out.")
    config = json.loads((out / CONFIG).read_text(encoding="utf-8"))
    write_json(out / CONFIG, {**config, "base_model_name_or_path": base_repo})  # it was this machine's path
    reporter.log("Describing the training text")
    sets = read_sets(recipe, data_root)
    write_json(out / DESCRIPTOR, describe([s for part in sets for s in part.sentences]).as_dict())
    reporter.log("Measuring expert and base on the test split")
    evaluations = measure(recipe, base, out, data_root, device, dtype, test_sentences) if test_sentences else ()
    about = _metadata(recipe, base, base_repo, trained, data_root, evaluations)
    (out / CARD).write_text(_card(repo or recipe.name, recipe, about, evaluations), encoding="utf-8")
    write_json(out / METADATA, about)
    return about


def find_base(name: str, repo: str | None, catalog: Callable[[], Catalog]) -> tuple[Path, str]:
    """Return the folder and repository of a base, given by its folder or by its name in the catalog."""
    if Path(name).is_dir():
        return Path(name), repo or Path(name).name
    base = get_base(catalog(), name)
    if not base.path or not Path(base.path).is_dir():
        raise InputError(f"The base {base.repo} is not on disk", "Pull an expert of it, or give a folder.")
    return Path(base.path), repo or base.repo


def measure(
    recipe: TrainingRecipe, base: Path, adapter: Path, data_root: Path, device: str, dtype: str, most: int
) -> tuple[Evaluation, ...]:
    """Return strict scores of the adapter and the untuned base on a seeded part of each source's test split.

    Sentences are prepared like the training text, and each source is scored on its own labels.
    """
    measured, tests = [], []
    for part in read_sets(recipe, data_root):
        if (data_root / part.source.folder / "test.jsonl").is_file():
            test = list(read_source(part.source, data_root, "test"))
            random.Random(recipe.seed).shuffle(test)
            if test:
                measured.append(part)
                tests.append(test[:most])
    if not measured:
        return ()
    rows = []
    loaded = load_model(base, device=device, dtype=dtype)
    for name, folder in ((recipe.name, adapter), ("base, untuned", None)):
        with with_adapter(loaded, folder) as ready:
            rows.append([_scored(name, ready, t, part.labels, recipe) for t, part in zip(tests, measured, strict=True)])
    return tuple(
        Evaluation(
            dataset=origin_of(part.source, data_root)["name"],
            split="test",
            sentences=len(test),
            rows=scores,
            labels=part.labels,
        )
        for part, test, scores in zip(measured, tests, zip(*rows, strict=True), strict=True)
    )


def _scored(name: str, ready: Any, test: Sequence[Sentence], labels: Sequence[str], recipe: TrainingRecipe) -> ScoreRow:
    answers = predict(ready, test, labels, prompt_format=recipe.prompt_format)
    scores, failed = score(test, [a.entities for a in answers]), sum(a.parse_failed for a in answers)
    return ScoreRow(name, scores.precision, scores.recall, scores.f1, failed / len(test))


def _metadata(
    recipe: TrainingRecipe,
    base: Path,
    base_repo: str,
    trained: dict[str, Any],
    data_root: Path,
    evaluations: Sequence[Evaluation],
) -> dict[str, Any]:
    rehearsed = read_recipe(Path(recipe.rehearsal)).data if recipe.rehearsal else ()
    origins = list({o["name"]: o for o in (origin_of(s, data_root) for s in (*recipe.data, *rehearsed))}.values())
    licenses = list(dict.fromkeys(str(origin.get("license") or NOT_STATED) for origin in origins))
    effort = {name: value for name, value in trained.items() if name not in ("labels", "recipe")}
    return {
        "schema": 1,
        "kind": "expert",
        "role": recipe.role,
        "name": recipe.name,
        "domain": recipe.domain,
        "labels": trained["labels"],
        "prompt_format": recipe.prompt_format,
        "base": base_repo,
        "base_sha256": weights_sha256(base),
        "license": "other" if len(licenses) > 1 else spdx(licenses[0]) if licenses != [NOT_STATED] else None,
        "data": {"sources": origins, "licenses": licenses},
        "recipe": {**recipe.portable(), "training": effort},
        "scores": {e.dataset: [asdict(row) for row in e.rows] for e in evaluations},
    }


def spdx(license: str) -> str:
    """Return a license as the Hub spells it: "CC BY 4.0 (as redistributed)" is "cc-by-4.0"."""
    return license.split("(")[0].split("/")[0].strip().lower().replace(" ", "-")


def _card(repo: str, recipe: TrainingRecipe, about: dict[str, Any], evaluations: tuple[Evaluation, ...]) -> str:
    origins, trained = about["data"]["sources"], about["recipe"]["training"]
    shown = {key: value for key, value in recipe.portable().items() if key not in ("name", "domain", "data")}
    return model_card(
        ExpertCard(
            repo=repo,
            base=about["base"],
            domain=recipe.domain,
            labels=tuple(about["labels"]),
            prompt_format=recipe.prompt_format,
            license=about["license"],
            data_origin="; ".join(map(_origin, origins)),
            data_license="; ".join(about["data"]["licenses"]),
            attribution="Human annotations by the authors of the data named above; see its repository.",
            recipe={**shown, **trained},
            evaluations=evaluations,
        )
    )


def _origin(origin: dict[str, Any]) -> str:
    place = f" ({origin['repository']} at {str(origin['commit'])[:12]})" if origin.get("repository") else ""
    return f"{origin['name']}{place}"
