"""A target's latest scores, and gold against predicted entities, sentence by sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.history import get_evaluation, list_evaluations
from sam_hub.catalog.predictions import runs_by_id
from sam_hub.catalog.targets import get_target, get_target_by_id
from sam_hub.errors import CatalogError, InputError, SamHubError
from sam_hub.evaluation.systems import gold_hash, predicted_by, read_gold
from sam_hub.merging.service import merges_for
from sam_hub.ner.text import Entity, Sentence

HIT, MISSED, INVENTED = "hit", "missed", "invented"


def latest_scores(catalog: Catalog, target_name: str) -> dict[str, Any]:
    """The latest evaluation of each system on the latest test sentences: plain values.

    Returns:
        "sentences": how many were scored (None if unknown); "systems": rows, the best F1 first;
        "can_evaluate", "why_not": whether an evaluation can be made now, and what it lacks.
    """
    target = get_target(catalog, target_name)
    evaluations = list_evaluations(catalog, target.id)
    latest: dict[str, tables.Evaluation] = {}
    for evaluation in evaluations:
        if evaluation.test_sha256 == evaluations[0].test_sha256:
            latest.setdefault(evaluation.name, evaluation)
    why_not = _missing_for_evaluation(catalog, target)
    return {
        "sentences": _sentences(catalog, evaluations),
        "systems": [_row(e) for e in sorted(latest.values(), key=lambda e: (-e.f1, e.name))],
        "can_evaluate": not why_not,
        "why_not": why_not,
    }


def _missing_for_evaluation(catalog: Catalog, target: tables.Target) -> str:
    try:
        merges_for(catalog, target)
    except SamHubError as error:
        return str(error)
    return ""


def _sentences(catalog: Catalog, evaluations: Sequence[tables.Evaluation]) -> int | None:
    for evaluation in evaluations[:1]:
        try:
            return len(runs_by_id(catalog, evaluation.prediction_ids)[0].entities)
        except CatalogError:
            return None
    return None


def _row(evaluation: tables.Evaluation) -> dict[str, Any]:
    names = ("id", "name", "precision", "recall", "f1", "support", "parse_failures", "seconds", "per_type")
    values = {name: getattr(evaluation, name) for name in names}
    return {**values, "created_at": evaluation.created_at.isoformat()}


def compared(
    catalog: Catalog, evaluation_id: int, offset: int = 0, limit: int = 50, *, errors_only: bool = False
) -> dict[str, Any]:
    """A page of an evaluation's sentences with their marks: plain values (see `marks`).

    Raises:
        CatalogError: there is no such evaluation, or a prediction behind it is gone.
        InputError: the target's labelled sentences are not those it was made on.
    """
    evaluation = get_evaluation(catalog, evaluation_id)
    target = get_target_by_id(catalog, evaluation.target_id)
    gold = read_gold(Path(target.gold_path), target.labels) if target.gold_path else []
    if gold_hash(gold) != evaluation.test_sha256:
        raise InputError(
            "These scores were made on other sentences than the target's labelled ones",
            "Evaluate once more to see sentences.",
        )
    rows: list[dict[str, Any]] = [
        {"number": number, "text": sentence.text, "marks": marks(sentence, found)}
        for number, (sentence, found) in enumerate(
            zip(gold, predicted_by(catalog, evaluation), strict=True), 1
        )
    ]
    if errors_only:
        rows = [row for row in rows if any(mark["kind"] != HIT for mark in row["marks"])]
    return {"total": len(rows), "sentences": rows[offset : offset + limit]}


def marks(gold: Sentence, predicted: Sequence[Entity]) -> list[dict[str, Any]]:
    """Every entity of either side, by its place: "hit" where span and type agree, else "missed" or "invented"."""
    wanted, found = set(gold.entities or ()), set(predicted)
    kinds = {
        e: HIT if e in wanted and e in found else MISSED if e in wanted else INVENTED for e in wanted | found
    }
    return [
        {"start": e.start, "end": e.end, "label": e.label, "kind": kind}
        for e, kind in sorted(kinds.items(), key=lambda pair: (pair[0].start, pair[0].end, pair[1]))
    ]
