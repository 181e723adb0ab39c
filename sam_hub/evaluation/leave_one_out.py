"""Leave-one-out: what each expert contributes to a merge, measured by the merge without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import resolve_experts
from sam_hub.config import Settings
from sam_hub.errors import UsageError
from sam_hub.evaluation.contributions import Contribution, Contributions
from sam_hub.evaluation.predictor import Predictor
from sam_hub.evaluation.systems import read_gold
from sam_hub.inference.cached_predict import Model, merged_model
from sam_hub.merging.plan import MergePlan
from sam_hub.merging.service import merge, plan_for
from sam_hub.ner.scoring import score
from sam_hub.ner.text import Sentence
from sam_hub.progress import SILENT, Reporter
from sam_hub.selection.choice import required_selection
from sam_hub.selection.scores import f1_of
from sam_hub.selection.service import repeat_votes
from sam_hub.selection.votes import MIN_VOTERS, Rows

WHOLE = "the whole merge"


def plans_without_each(
    catalog: Catalog, target: tables.Target, by: str, merges: Path, **how: Any
) -> dict[str, MergePlan]:
    """Plan the merge of a target's chosen experts, and the merges without each of them.

    Returns plans by the repository of the expert that is left out, and by `WHOLE`.

    Args:
        by: the ranking whose choice is merged, "similarity" or "sampling".
        merges: folder of the merges.
        how: method, parameters, seed and other arguments of `plan_for`.

    Raises:
        CatalogError: there is no such selection, or no ranking by sampling for the votes.
        UsageError: only one expert was chosen, or the method can't merge one expert less.
    """
    selection, _ = (required_selection(catalog, target, name) for name in (by, "sampling"))
    experts = resolve_experts(catalog, selection.chosen)
    if len(experts) < 2:
        raise UsageError(
            f"{experts[0].repo} is the only expert that {by} chose", "Choose more: `sam-hub select --k 2`."
        )
    sets = {WHOLE: experts} | {e.repo: [other for other in experts if other is not e] for e in experts}
    return {name: plan_for(catalog, members, merges, **how) for name, members in sets.items()}


def leave_one_out(
    catalog: Catalog,
    target: tables.Target,
    plans: Mapping[str, MergePlan],
    *,
    settings: Settings,
    timeout: float | None = None,
    reporter: Reporter = SILENT,
) -> Contributions:
    """Merge a target's chosen experts without each in turn, and compare the merges.

    Votes are those of the experts outside of the merge, so no merge is scored by its own parts. If fewer than two
    experts are outside, all vote. Predictions are cached as usual.

    Args:
        plans: from `plans_without_each`.
    """
    voted = required_selection(catalog, target, "sampling")
    votes = repeat_votes(catalog, target, voted, settings=settings, reporter=reporter)
    models: dict[str, Model] = {}
    for name, plan in plans.items():
        step = name if name == WHOLE else f"without {name}"
        row = merge(catalog, plan, reporter.named(step), timeout)
        models[name] = merged_model(catalog, row, f"merge {step}")
    predictor = Predictor(catalog, target, settings, reporter=reporter)

    def answers(sentences: Sequence[Sentence]) -> dict[str, Rows]:
        predictions = predictor.ask(list(models.values()), sentences)
        return {name: predictions[model.name].entities for name, model in models.items()}

    inside = {expert.repo for expert in plans[WHOLE].recipe.experts}
    outside = set(votes.vote_counts.voters) - inside
    without = inside if len(outside) >= MIN_VOTERS else frozenset()
    answered = answers(votes.sentences)
    pseudo_labels, _ = votes.score_against(answered[WHOLE], without)
    agreement = {name: f1_of(*votes.score_against(rows, without)) for name, rows in answered.items()}
    f1: dict[str, float] = {}
    if target.gold_path:
        gold = read_gold(Path(target.gold_path), target.labels)
        f1 = {name: score(gold, rows).f1 for name, rows in answers(gold).items()}
    return Contributions(
        tuple(
            Contribution(name, agreement[name], _change(agreement, name), f1.get(name), _change(f1, name))
            for name in plans
        ),
        tuple(sorted(outside if without else votes.vote_counts.voters)),
        sum(map(len, pseudo_labels)),
        len(votes.sentences),
    )


def _change(scores: Mapping[str, float], name: str) -> float | None:
    return None if name == WHOLE or name not in scores else scores[name] - scores[WHOLE]
