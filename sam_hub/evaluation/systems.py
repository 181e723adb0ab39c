"""Evaluate systems on a target's labelled sentences, strictly, and keep what the scores were made of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import base_of
from sam_hub.catalog.history import record_evaluation
from sam_hub.catalog.predictions import runs_by_id
from sam_hub.config import Settings
from sam_hub.errors import InputError
from sam_hub.evaluation.entity_typing import AUTO, typing_of
from sam_hub.evaluation.predictor import Predictor, System
from sam_hub.evaluation.union import UNION, integrate
from sam_hub.inference.cached_predict import base_model, expert_model, merged_model
from sam_hub.merging.service import merges_for
from sam_hub.ner.readers import read_corpus, to_jsonl
from sam_hub.ner.scoring import Scores, iob2, score
from sam_hub.ner.text import Entity, Sentence, restrict
from sam_hub.progress import SILENT, Reporter


@dataclass(frozen=True)
class Evaluated:
    """A system's strict scores, its answers that broke the format, and the seconds its predictions took."""

    name: str
    scores: Scores
    parse_failures: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and tables."""
        own = {"parse_failures": self.parse_failures, "seconds": self.seconds}
        return {"name": self.name, **self.scores.as_dict(), **own}


def read_gold(path: Path, labels: Sequence[str]) -> list[Sentence]:
    """Labelled test sentences, with the entities of the target's labels alone.

    Raises:
        InputError: there are no labels, or none of the target's; or one cuts a word or overlaps another.
    """
    return check_gold(read_corpus(path), labels, str(path))


def check_gold(gold: Sequence[Sentence], labels: Sequence[str], source: str) -> list[Sentence]:
    """Return labelled sentences with the entities of these labels alone.

    Raises:
        InputError: as `read_gold`.
    """
    sentences = [restrict(sentence, labels) for sentence in gold]
    if any(sentence.entities is None for sentence in sentences):
        raise InputError(
            f"{source} has sentences without labels", "Give a .conll or .jsonl file with gold entities."
        )
    if not any(sentence.entities for sentence in sentences):
        raise InputError(
            f"No entity in {source} has one of the labels {', '.join(labels)}",
            "Check the target's labels against it.",
        )
    for sentence in sentences:  # now, rather than after minutes of predictions
        iob2(sentence, sentence.entities or ())
    return sentences


def gold_hash(gold: Sequence[Sentence]) -> str:
    """SHA-256 (hex) of the sentences with their gold entities: the identity of a test."""
    return hashlib.sha256(to_jsonl(gold).encode()).hexdigest()


def sam_systems(
    catalog: Catalog,
    target: tables.Target,
    rule: str = UNION,
    types: str = AUTO,
    merges: Mapping[str, tables.Merge] | None = None,
) -> list[System]:
    """The systems of SaM for a target: its merged models as they are, and the answer made of them.

    Where both rankings chose the same experts, one model is both.

    Args:
        types: whose types the answer has, as `typing_of` takes it.
        merges: by method; else those that serve the target's latest selections.

    Raises:
        CatalogError: its selections are not merged yet.
        InputError: the base is to type, and is not there.
    """
    merges = merges or merges_for(catalog, target)
    models = {method: merged_model(catalog, row, f"merged by {method}") for method, row in merges.items()}
    alone = [System(model.name, (model,)) for model in models.values()]
    typing = typing_of(catalog, target.labels, list(merges.values()), types)
    if len(models) < 2 and typing.base is None:
        return [*alone[:-1], replace(alone[-1], typing=typing)]
    distinct = {model.id: model for model in models.values()}
    name = f"SaM ({rule}, base's types)" if typing.base else f"SaM ({rule})"
    return [*alone, System(name, tuple(distinct.values()), rule, typing)]


def single_systems(catalog: Catalog, experts: Sequence[tables.Expert]) -> list[System]:
    """Every expert by itself, and their untuned bases: what SaM is compared with."""
    bases = {base.id: base for base in (base_of(catalog, e) for e in experts if e.kind == "adapter")}
    plain = [System(f"{base.repo} (untuned)", (base_model(base),)) for base in bases.values()]
    return [*plain, *(System(e.repo, (expert_model(catalog, e),)) for e in experts)]


def predict_with(
    catalog: Catalog,
    target: tables.Target,
    sentences: Sequence[Sentence],
    system: System | None = None,
    *,
    settings: Settings,
    free: bool = False,
    reporter: Reporter = SILENT,
) -> tuple[tuple[Entity, ...], ...]:
    """The entities of new sentences, by the target's merged models.

    Args:
        system: the last of `sam_systems`, which is SaM's answer, where not given.
    """
    system = system or sam_systems(catalog, target)[-1]
    predictor = Predictor(catalog, target, settings, free, reporter)
    return predictor.answer(system, sentences)[0]


def evaluate(
    catalog: Catalog,
    target: tables.Target,
    gold: Sequence[Sentence],
    systems: Sequence[System],
    *,
    settings: Settings,
    free: bool = False,
    reporter: Reporter = SILENT,
) -> list[Evaluated]:
    """Score every system on the gold sentences, and record it.

    A model that serves several systems is asked once.
    """
    models = list({model.name: model for system in systems for model in system.models}.values())
    predictor = Predictor(catalog, target, settings, free, reporter)
    answers = predictor.ask(models, gold)
    results = []
    for system in systems:
        entities, rows = predictor.answer(system, gold, answers)
        scores = score(gold, entities)
        failures, seconds = sum(r.parse_failures for r in rows), sum(r.seconds for r in rows)
        results.append(Evaluated(system.name, scores, failures, seconds))
        record_evaluation(
            catalog,
            tables.Evaluation(
                target_id=target.id,
                name=system.name,
                test_sha256=gold_hash(gold),
                precision=scores.precision,
                recall=scores.recall,
                f1=scores.f1,
                support=scores.support,
                parse_failures=failures,
                per_type={label: asdict(row) for label, row in scores.per_type.items()},
                prediction_ids=[row.id for row in rows],
                rule=system.rule if len(rows) == 2 and not system.typed_by else None,
                seconds=seconds,
            ),
        )
    return results


def recompute(catalog: Catalog, evaluation: tables.Evaluation, gold: Sequence[Sentence]) -> Scores:
    """The scores of a recorded evaluation, computed anew from the predictions that the catalog keeps.

    Args:
        gold: the test sentences it was made on.

    Raises:
        InputError: these are other sentences.
        CatalogError: a prediction was removed since.
    """
    if gold_hash(gold) != evaluation.test_sha256:
        raise InputError("The evaluation was made on other sentences", "Give the file it was made with.")
    return score(gold, predicted_by(catalog, evaluation))


def predicted_by(catalog: Catalog, evaluation: tables.Evaluation) -> Sequence[Sequence[Entity]]:
    """The entities that a recorded evaluation scored, sentence by sentence.

    Raises:
        CatalogError: a prediction was removed since.
    """
    kept = [run.entities for run in runs_by_id(catalog, evaluation.prediction_ids)]
    return integrate(kept[0], kept[1], evaluation.rule) if evaluation.rule else kept[0]
