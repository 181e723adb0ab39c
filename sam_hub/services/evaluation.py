"""Evaluation: strict scores of merged models, of SaM, of each expert and of the base."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sam_hub.errors import CatalogError, InputError, SamHubError
from sam_hub.ner.scoring import TypeScore
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.options import EvaluationOptions, copied

if TYPE_CHECKING:
    from sam_hub.catalog.tables import Evaluation, Target
    from sam_hub.evaluation.systems import System
    from sam_hub.ner.text import Entity, Sentence
    from sam_hub.services.context import AppContext


@dataclass(frozen=True)
class EvaluationPlan:
    """What an evaluation takes: the names of the systems, how many models they ask, and the labeled sentences."""

    systems: tuple[str, ...]
    models: int
    sentences: int
    entities: int


@dataclass(frozen=True)
class SystemScore:
    """Strict scores of a system. ``parse_failures`` counts answers that broke the format; ``seconds`` of prediction.

    ``id`` and ``created_at`` are those of the recorded evaluation.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int
    per_type: dict[str, TypeScore]
    parse_failures: int
    seconds: float
    id: int | None = None
    created_at: str = ""


@dataclass(frozen=True)
class EvaluationOutcome:
    """The scores of each system. ``types`` says whose types SaM's answer has, and why; empty: the models' own.

    ``warnings`` say which merges failed their check, or were never checked; ``passed`` names the methods whose merge
    passed it. ``base_answers`` says why the untuned base answers, if it does.
    """

    target: str
    sentences: int
    types: str
    scores: tuple[SystemScore, ...]
    warnings: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    base_answers: str = ""


def plan_evaluation(context: AppContext, options: EvaluationOptions) -> EvaluationPlan:
    """Read the labeled sentences, and find the models; no model is asked."""
    _, _, gold, systems = _prepare(context, options)
    models = {(model.kind, model.id) for system in systems for model in system.models}
    entities = sum(len(sentence.entities or ()) for sentence in gold)
    return EvaluationPlan(tuple(system.name for system in systems), len(models), len(gold), entities)


def _prepare(context: AppContext, options: EvaluationOptions) -> tuple[Target, Path, list[Sentence], list[System]]:
    from sam_hub.catalog.targets import get_target
    from sam_hub.errors import UsageError
    from sam_hub.evaluation.systems import read_gold, sam_systems, single_systems
    from sam_hub.selection.choice import on_disk

    target = get_target(context.catalog, options.target)
    path = options.gold or target.gold_path
    if path is None:
        raise UsageError(f"{target.name} has no labeled sentences", "Name a file with --gold FILE.")
    gold = read_gold(Path(path), target.labels)
    systems = sam_systems(context.catalog, target, str(options.rule), str(options.types))
    if options.singles:
        systems = [*single_systems(context.catalog, on_disk(context.catalog)), *systems]
    return target, Path(path), gold, systems


def run_evaluation(context: AppContext, options: EvaluationOptions, reporter: Reporter = SILENT) -> EvaluationOutcome:
    """Ask every model that was not asked before, score all systems, and record the scores."""
    from sam_hub.catalog.targets import set_gold
    from sam_hub.evaluation.systems import evaluate
    from sam_hub.merging.service import base_answers, merge_warnings, passed_methods

    target, path, gold, systems = _prepare(context, options)
    if target.gold_path is None:
        set_gold(context.catalog, target.id or 0, path)
    types = systems[-1].typing.note if systems[-1].typing else ""
    warnings = merge_warnings(context.catalog, target)
    for line in filter(None, (types, *warnings)):
        reporter.log(line)
    results = evaluate(
        context.catalog, target, gold, systems, settings=context.settings, free=options.free, reporter=reporter
    )
    for result in results:
        reporter.log(f"{result.name}: F1 {result.f1:.3f}")
    scores = tuple(map(system_score, results))
    passed = tuple(passed_methods(context.catalog, target))
    by_base = base_answers(context.catalog, target)
    return EvaluationOutcome(target.name, len(gold), types, scores, tuple(warnings), passed, by_base)


@dataclass(frozen=True)
class LatestScores:
    """A target's latest scores, the best F1 first.

    ``sentences`` is None if unknown; ``why_not`` says what an evaluation lacks, and is empty if it can be made.
    ``base_answers`` says why the untuned base answers, if it does.
    """

    sentences: int | None
    systems: tuple[SystemScore, ...]
    why_not: str
    base_answers: str = ""

    @property
    def can_evaluate(self) -> bool:
        """Whether an evaluation can be made now."""
        return not self.why_not


def latest_scores(context: AppContext, target: str) -> LatestScores:
    """Return the latest evaluation of each system on the target's latest test sentences."""
    from sam_hub.catalog.history import list_evaluations
    from sam_hub.catalog.predictions import runs_by_id
    from sam_hub.catalog.targets import get_target
    from sam_hub.evaluation.systems import sam_systems
    from sam_hub.merging.service import base_answers

    catalog, why_not, sentences = context.catalog, "", None
    row = get_target(catalog, target)
    evaluations = list_evaluations(catalog, row.id or 0)
    latest: dict[str, Evaluation] = {}
    for evaluation in evaluations:
        if evaluation.test_sha256 == evaluations[0].test_sha256:
            latest.setdefault(evaluation.name, evaluation)
    with suppress(CatalogError):
        sentences = len(runs_by_id(catalog, evaluations[0].prediction_ids)[0].entities) if latest else None
    try:
        sam_systems(catalog, row)
    except SamHubError as error:
        why_not = str(error)
    best_first = sorted(latest.values(), key=lambda evaluation: (-evaluation.f1, evaluation.name))
    return LatestScores(sentences, tuple(map(system_score, best_first)), why_not, base_answers(catalog, row))


def system_score(row: Evaluation) -> SystemScore:
    """Return the scores of a recorded evaluation."""
    per_type = {label: TypeScore(**scores) for label, scores in row.per_type.items()}  # type: ignore[arg-type]
    return copied(SystemScore, row, per_type=per_type, created_at=row.created_at.isoformat())


@dataclass(frozen=True)
class Mark:
    """An entity by its character offsets: a "hit", "missed" (gold alone) or "invented" (predicted alone)."""

    start: int
    end: int
    label: str
    kind: str


@dataclass(frozen=True)
class ComparedSentence:
    """A test sentence (``number`` from 1 on) with its gold and predicted entities."""

    number: int
    text: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class ComparedPage:
    """A page of sentences, and how many there are in all."""

    total: int
    sentences: tuple[ComparedSentence, ...]


def compare_sentences(
    context: AppContext, evaluation_id: int, offset: int = 0, limit: int = 50, errors_only: bool = False
) -> ComparedPage:
    """Return sentences with the gold and predicted entities of one evaluation.

    Args:
        errors_only: only sentences with an entity that was missed or invented.
    """
    from sam_hub.catalog.tables import Evaluation, Target
    from sam_hub.evaluation.systems import gold_hash, predicted_by, read_gold

    evaluation = context.catalog.get(Evaluation, evaluation_id)
    target = context.catalog.get(Target, evaluation.target_id)
    gold = read_gold(Path(target.gold_path), target.labels) if target.gold_path else []
    if gold_hash(gold) != evaluation.test_sha256:
        raise InputError(
            "These scores are for other labeled sentences than the target has now",
            "Evaluate again to see the sentences.",
        )
    rows = [
        ComparedSentence(number, sentence.text, _marks(sentence, entities))
        for number, (sentence, entities) in enumerate(
            zip(gold, predicted_by(context.catalog, evaluation), strict=True), 1
        )
    ]
    if errors_only:
        rows = [row for row in rows if any(mark.kind != "hit" for mark in row.marks)]
    return ComparedPage(len(rows), tuple(rows[offset : offset + limit]))


def _marks(gold: Sentence, predicted: Sequence[Entity]) -> tuple[Mark, ...]:
    """Every entity of either side, by its place: a hit where span and type agree."""
    wanted, found = set(gold.entities or ()), set(predicted)
    kinds = {e: "invented" if e not in wanted else "hit" if e in found else "missed" for e in wanted | found}
    ordered = sorted(kinds.items(), key=lambda pair: (pair[0].start, pair[0].end, pair[1]))
    return tuple(Mark(e.start, e.end, e.label, kind) for e, kind in ordered)
