"""Selection: rank experts for a target by similarity and by votes, and choose those to merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sam_hub.progress import SILENT, Reporter
from sam_hub.selection.ranking import Ranking, RankingChoice, SideBySide
from sam_hub.services.options import AUTO, By, ChooseOptions, Method, SelectOptions

if TYPE_CHECKING:
    from sam_hub.catalog.tables import Expert, Target
    from sam_hub.selection.label_matching import Coverage
    from sam_hub.services.context import AppContext


@dataclass(frozen=True)
class SelectionOutcome:
    """A target's rankings, by method ("similarity", "sampling"), and the target's labels that no expert covers."""

    target: str
    labels: tuple[str, ...]
    rankings: dict[str, RankingChoice]
    chosen: SideBySide
    uncovered: tuple[str, ...]

    @property
    def none_chosen(self) -> str:
        """Why no expert is chosen, what answers instead, and what to do; empty if experts are chosen."""
        from sam_hub.selection.report import no_fit

        choices = list(self.rankings.values())
        return "" if any(each.chosen for each in choices) else next((no_fit(c.ranking.parameters) for c in choices), "")


def run_selection(context: AppContext, options: SelectOptions, reporter: Reporter = SILENT) -> SelectionOutcome:
    """Rank the experts and choose the best; what an expert predicts is kept, whatever happens to the next one.

    If no expert covers any of the labels, none is asked or chosen: the untuned base answers for the target. If only one
    has a vote, and both rankings are wanted, the ranking by sampling is empty, and says why.
    """
    from sam_hub.catalog.targets import get_target
    from sam_hub.selection.choice import candidates, choose_best, nobody_ranked
    from sam_hub.selection.label_matching import cover

    options.check()
    catalog, settings = context.catalog, context.settings
    target = get_target(catalog, options.target)
    experts = candidates(catalog, options.experts, reporter)
    coverage = cover(target.labels, experts, strict=options.strict_labels, embedder=settings.embedder)
    if options.allow_uninformed or any(coverage.covered().values()):
        rankings = _rank(context, options, target, experts, coverage, reporter)
    else:
        methods = [method for method in Method if options.by in (By.both, method)]
        rankings = nobody_ranked(catalog, target, experts, methods)
    # Both at once, at the end: a ranking that is canceled changes no choice.
    chosen = choose_best(catalog, target, experts, rankings, options.k, allow_uninformed=options.allow_uninformed)
    for method, repos in chosen.items():
        reporter.log(f"By {method}: {', '.join(repos) or 'none'}")
    for why in dict.fromkeys(ranking.parameters.get("fit", {}).get("why") for ranking in rankings):
        if why:
            reporter.log(f"{why}.")
    choices = {
        ranking.method: RankingChoice(
            ranking, tuple(chosen[ranking.method]), len(chosen[ranking.method]) if options.k == AUTO else int(options.k)
        )
        for ranking in rankings
    }
    return SelectionOutcome(target.name, tuple(target.labels), choices, SideBySide.of(choices), coverage.uncovered())


def _rank(
    context: AppContext,
    options: SelectOptions,
    target: Target,
    experts: Sequence[Expert],
    coverage: Coverage,
    reporter: Reporter,
) -> list[Ranking]:
    from sam_hub.selection.choice import with_enough_votes
    from sam_hub.selection.ranking import FAILED
    from sam_hub.selection.service import sampling_ranking, similarity_ranking
    from sam_hub.selection.votes import TooFewVoters

    catalog, settings, rankings = context.catalog, context.settings, []
    if options.by != By.sampling:
        reporter.progress("similarity", 0, 1)
        rankings.append(similarity_ranking(catalog, target, experts, settings=settings, coverage=coverage))
    if options.by != By.similarity:
        try:
            voted = sampling_ranking(
                catalog,
                target,
                experts,
                settings=settings,
                size=options.sample,
                voting=options.voting,
                free=options.free,
                by_evidence=options.k == AUTO,
                allow_uninformed=options.allow_uninformed,
                coverage=coverage,
                reporter=reporter,
            )
        except TooFewVoters as error:
            if options.by == By.sampling or options.k == AUTO:
                raise
            fit = {"fits": False, "why": f"No ranking by sampling: {error.title}", "advice": error.action, "base": None}
            return [*rankings, Ranking(str(Method.sampling), (), {"fit": fit})]
        limit = partial(
            with_enough_votes, voted=voted, ratio=options.min_vote_ratio, allow_uninformed=options.allow_uninformed
        )
        rankings = [*map(limit, rankings), voted]
        for repo, why in voted.parameters.get("failed", {}).items():
            reporter.log(f"{repo} {FAILED}, so it has no vote: {why}")
    return rankings


def latest_rankings(context: AppContext, target: str) -> SelectionOutcome:
    """Return the latest rankings of a target; a method without one is left out."""
    from sam_hub.catalog.experts import list_experts
    from sam_hub.catalog.history import latest_selection
    from sam_hub.catalog.tables import RankingMethod
    from sam_hub.catalog.targets import get_target
    from sam_hub.selection.choice import chosen_repos
    from sam_hub.selection.label_matching import cover

    row = get_target(context.catalog, target)
    choices = {}
    for method in RankingMethod:
        if (latest := latest_selection(context.catalog, row.id or 0, method)) is None:
            continue
        ranking = Ranking.read(method, latest.ranking, latest.parameters)
        chosen = chosen_repos(latest)
        choices[str(method)] = RankingChoice(
            ranking,
            tuple(item.expert for item in ranking.rows if item.expert in chosen),
            latest.k,
            latest.by_hand,
            latest.created_at.isoformat(),
        )
    similar = {label for choice in choices.values() for expert in choice.ranking.rows for label in expert.covers}
    experts = [expert for expert in list_experts(context.catalog) if not expert.is_baseline]
    gaps = cover(row.labels, experts).uncovered()
    gaps = tuple(label for label in gaps if label not in similar)
    return SelectionOutcome(row.name, tuple(row.labels), choices, SideBySide.of(choices), gaps)


def choose_experts(context: AppContext, options: ChooseOptions) -> dict[str, list[str]]:
    """Let experts take the place of the best k, and return the chosen repositories by method."""
    from sam_hub.selection.choice import choose_by_hand

    return choose_by_hand(context.catalog, options.target, options.experts, str(options.by))
