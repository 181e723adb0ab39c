"""Compute strict scores of systems on a target's labeled sentences, and record them with their predictions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import base_of
from sam_hub.catalog.history import get_answer_rule
from sam_hub.catalog.predictions import runs_by_id
from sam_hub.config import Settings
from sam_hub.errors import InputError
from sam_hub.evaluation.entity_typing import AUTO as AUTO_TYPES
from sam_hub.evaluation.entity_typing import typing_of
from sam_hub.evaluation.predictor import Predictor, System
from sam_hub.evaluation.union import AUTO, FIRST, SECOND, UNION, integrate
from sam_hub.inference.cached_predict import base_model, expert_model, merged_model
from sam_hub.merging.service import answering_base, merges_for
from sam_hub.ner.readers import read_corpus, to_jsonl
from sam_hub.ner.scoring import iob2, score
from sam_hub.ner.text import Entity, Sentence, restrict
from sam_hub.progress import SILENT, Reporter


def read_gold(path: Path, labels: Sequence[str]) -> list[Sentence]:
    """Read labeled test sentences, with only the entities of the target's labels.

    Raises:
        InputError: a sentence has no labels, no entity has a label of the target, or an entity cuts a word or overlaps
            another.
    """
    return check_gold(read_corpus(path), labels, str(path))


def check_gold(gold: Sequence[Sentence], labels: Sequence[str], source: str) -> list[Sentence]:
    """Return labeled sentences with only the entities of these labels.

    Raises:
        InputError: as `read_gold`.
    """
    sentences = [restrict(sentence, labels) for sentence in gold]
    if any(sentence.entities is None for sentence in sentences):
        raise InputError(f"{source} has sentences without labels", "Give a .conll or .jsonl file with gold entities.")
    if not any(sentence.entities for sentence in sentences):
        raise InputError(
            f"No entity in {source} has one of the labels {', '.join(labels)}",
            "Compare its labels with those of the target.",
        )
    for sentence in sentences:  # check now, not after minutes of predictions
        iob2(sentence, sentence.entities or ())
    return sentences


def gold_hash(gold: Sequence[Sentence]) -> str:
    """Return the SHA-256 (hex) of the sentences with their gold entities, which identifies a test."""
    return hashlib.sha256(to_jsonl(gold).encode()).hexdigest()


def sam_systems(
    catalog: Catalog,
    target: tables.Target,
    rule: str = AUTO,
    types: str = AUTO_TYPES,
    merges: Mapping[str, tables.Merge] | None = None,
) -> list[System]:
    """Return the systems of SaM for a target: each merged model, and last, what answers: one of them, or both.

    If both rankings chose the same experts, one model stands for both. If no expert was chosen, or no merge can be
    used, the untuned base answers, and is the only system.

    Args:
        rule: how the answers of both are integrated. "auto": as the votes on the target's sample have decided (see
            `sam_hub.services.answer_rule`), or else by "union".
        types: how mentions are typed, see `typing_of`.
        merges: by method; by default, those of the target's latest selections.

    Raises:
        CatalogError: the selections are not merged yet.
        InputError: ``types`` is "base", or the base answers, and it is not on disk.
    """
    merges = merges or merges_for(catalog, target)
    if not merges:
        return [System("SaM (the untuned base)", (base_model(answering_base(catalog, target)),))]
    models = {method: merged_model(catalog, row, f"merged by {method}") for method, row in merges.items()}
    alone = [System(model.name, (model,)) for model in models.values()]
    typing = typing_of(catalog, target.labels, list(merges.values()), types)
    if len(models) < 2 and typing.base is None:
        return [*alone[:-1], replace(alone[-1], typing=typing)]
    answering = tuple({model.id: model for model in models.values()}.values())
    if rule == AUTO:
        decided = get_answer_rule(catalog, target.id, *(m.id for m in answering)) if len(answering) == 2 else None
        rule = decided.rule if decided else UNION
    how = rule
    if len(answering) == 2 and rule in (FIRST, SECOND):  # the other one need not be asked
        answering = answering[rule == SECOND :][:1]
        rule, how = UNION, answering[0].name.removeprefix("merged ")
    name = f"SaM ({how}, base's types)" if typing.base else f"SaM ({how})"
    return [*alone, System(name, answering, rule, typing)]


def single_systems(catalog: Catalog, experts: Sequence[tables.Expert]) -> list[System]:
    """Return the systems that SaM is compared with: the untuned bases, and every expert alone."""
    bases = {base.id: base for base in (base_of(catalog, e) for e in experts if e.kind == "adapter")}
    plain = [System(f"{base.repo} (untuned)", (base_model(base),)) for base in bases.values()]
    return [*plain, *(System(e.repo, (expert_model(catalog, e),)) for e in experts)]


def evaluate(
    catalog: Catalog,
    target: tables.Target,
    gold: Sequence[Sentence],
    systems: Sequence[System],
    *,
    settings: Settings,
    free: bool = False,
    reporter: Reporter = SILENT,
) -> list[tables.Evaluation]:
    """Score every system on the gold sentences, record the scores, and return what was recorded.

    A model that is part of several systems predicts once.
    """
    models = list({model.name: model for system in systems for model in system.models}.values())
    predictor = Predictor(catalog, target, settings, free, reporter)
    answers = predictor.ask(models, gold)
    evaluations = []
    for system in systems:
        entities, runs = predictor.answer(system, gold, answers)
        evaluation = tables.Evaluation(
            **asdict(score(gold, entities)),
            target_id=target.id,
            name=system.name,
            test_sha256=gold_hash(gold),
            parse_failures=sum(run.parse_failures for run in runs),
            prediction_ids=[run.id for run in runs],
            rule=system.rule if len(runs) == 2 and not system.typed_by else None,
            seconds=sum(run.seconds for run in runs),
        )
        evaluations.append(catalog.add(evaluation))
    return evaluations


def predicted_by(catalog: Catalog, evaluation: tables.Evaluation) -> Sequence[Sequence[Entity]]:
    """Return the entities of a recorded evaluation, sentence by sentence.

    Raises:
        CatalogError: a prediction was removed.
    """
    answers = [run.entities for run in runs_by_id(catalog, evaluation.prediction_ids)]
    return integrate(answers, evaluation.rule) if evaluation.rule else answers[0]
