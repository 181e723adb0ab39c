"""Whether one of a target's two merges answers alone, or both together, by the votes on the target's sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sam_hub.progress import SILENT, Reporter

if TYPE_CHECKING:
    from sam_hub.catalog.tables import AnswerRule, Target
    from sam_hub.inference.models import ModelLoader
    from sam_hub.selection.votes import Rows, Votes
    from sam_hub.services.context import AppContext
    from sam_hub.services.validated_merges import SampleVotes


def choose_answer_rule(
    context: AppContext, target: Target, sampled: SampleVotes, load: ModelLoader, reporter: Reporter = SILENT
) -> AnswerRule | None:
    """Choose how the merges that serve a target answer, and record it.

    One merge answers alone, in half the time, if its F1 against the votes is as high as that of the union. All three
    have the same judges: the votes without those of the merged experts, where enough others are left.

    Returns:
        None if there is nothing to choose: the target has no votes, or one merge serves both rankings.
    """
    from sam_hub.catalog.history import record_answer_rule
    from sam_hub.catalog.tables import AnswerRule
    from sam_hub.evaluation.union import FIRST, SECOND, UNION
    from sam_hub.inference.cached_predict import ask, merged_model
    from sam_hub.merging.service import merges_for

    votes, merges = sampled.votes, list(merges_for(context.catalog, target, needed=()).values())
    if votes is None or len({merge.id for merge in merges}) < 2:
        return None
    experts = sorted({item["repo"] for merge in merges for item in merge.inputs} & votes.predictions.keys())
    if not experts:
        return None
    models = [merged_model(context.catalog, merge, f"merge {merge.id}") for merge in merges]
    answers = ask(
        context.catalog,
        models,
        votes.sentences,
        votes.labels,
        settings=context.settings,
        free=sampled.free,
        reporter=reporter,
        load=load,
    )
    scores = rule_scores(votes, experts, *(answers[model.name].entities for model in models))
    row = AnswerRule(
        target_id=target.id,
        first_merge_id=merges[0].id,
        second_merge_id=merges[1].id,
        rule=max(scores, key=lambda rule: scores[rule]),
        first_f1=scores[FIRST],
        second_f1=scores[SECOND],
        union_f1=scores[UNION],
    )
    record_answer_rule(context.catalog, row)
    return row


def rule_scores(votes: Votes, experts: Sequence[str], first: Rows, second: Rows) -> dict[str, float]:
    """Return the F1 against the votes of two merges of these experts, and of their union, by rule.

    The order is that in which equal scores are preferred.
    """
    from sam_hub.evaluation.union import FIRST, SECOND, UNION, integrate
    from sam_hub.evaluation.validation import vote_f1

    answers = {SECOND: second, FIRST: first, UNION: integrate([first, second], UNION)}
    return {rule: vote_f1(votes, experts, rows) for rule, rows in answers.items()}


def answer_in_words(rule: AnswerRule) -> str:
    """Return a sentence on which merges answer, and why."""
    figures = f"by similarity {rule.first_f1:.2f}, by sampling {rule.second_f1:.2f}, their union {rule.union_f1:.2f}"
    who = {"first": "The merge by similarity answers alone", "second": "The merge by sampling answers alone"}
    return f"{who.get(rule.rule, 'Both merges answer together')} (F1 against the votes: {figures})."
