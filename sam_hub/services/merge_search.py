"""Search for a better merge than the one that was asked for: which experts, weights, density, and method.

Candidates are merged in memory, and predict on the target's sample. They are compared by their F1 against the votes on
one half of it. The best must hold on the other half: there, it may not be worse than the merge that was asked for. So
no candidate is chosen and judged by the same sentences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sam_hub.errors import InputError, SamHubError
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.options import MergeOptions
from sam_hub.services.validated_merges import SUM, SampleVotes

if TYPE_CHECKING:
    from sam_hub.catalog.engine import Catalog
    from sam_hub.catalog.tables import Expert, Selection
    from sam_hub.inference.models import ModelLoader
    from sam_hub.merging.plan import MergePlan
    from sam_hub.merging.recipe import ModelInput, Recipe
    from sam_hub.selection.votes import Rows, Votes
    from sam_hub.services.context import AppContext

MOST = 5  # experts in a merge
DENSITY, BY_DIRECTIONS = 0.5, "tsv_m"
VARIANTS = 5  # of the merge of the experts that were found


@dataclass(frozen=True)
class Candidate:
    """A merge that was tried.

    Attributes:
        first, second: F1 against the votes on the halves of the sample.
        outcome: "chosen", "not confirmed" (better on the first half, and worse on the second), or empty.
    """

    method: str
    parameters: dict[str, Any]
    experts: tuple[str, ...]
    weights: tuple[float, ...]
    first: float = 0.0
    second: float = 0.0
    outcome: str = ""

    @property
    def how(self) -> str:
        """The method, with parameters and weights where they are not the usual ones."""
        from sam_hub.merging.methods import default_parameters

        if self.method == SUM and self.weights == (1.0,):
            return "alone"
        usual = default_parameters(self.method)
        parts = [f"{name} {value}" for name, value in self.parameters.items() if usual.get(name) != value]
        if any(weight != 1 for weight in self.weights):
            parts.append(f"weights {' '.join(f'{weight:.2g}' for weight in self.weights)}")
        return f"{self.method} ({', '.join(parts)})" if parts else self.method


@dataclass(frozen=True)
class MergeSearch:
    """What a search tried; the merge that was asked for is the first. ``halves``: the number of sentences of each."""

    candidates: tuple[Candidate, ...]
    halves: tuple[int, int]

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> MergeSearch:
        """Return a search from the plain values that the catalog holds."""
        from pydantic import TypeAdapter

        return TypeAdapter(cls).validate_python(content)


def search_pool(selection: Selection, chosen: Sequence[str]) -> list[str]:
    """Return the experts of which a search merges some: the chosen ones, and the next ones of their ranking.

    A next expert joins only if, on each label, at least as many experts are left to vote: a merge can't be judged by
    the votes of its own experts.
    """
    from sam_hub.selection.ranking import Ranking

    ranking = Ranking.read(selection.method, selection.ranking, selection.parameters)
    pool, covers = list(chosen), {row.expert: row.covers for row in ranking.rows}
    every = Counter(label for labels in covers.values() for label in labels)
    more = () if selection.by_hand else (repo for repo in ranking.fit() if repo not in chosen)
    for repo in more:
        inside = Counter(label for name in (*pool, repo) for label in covers[name])
        if len(pool) >= MOST or any(2 * inside[label] > every[label] for label in every):
            break
        pool.append(repo)
    return pool


@dataclass(frozen=True)
class SearchPlan:
    """What a search will try, a line each, and what the last search for the same selection found."""

    steps: tuple[str, ...]
    last: MergeSearch | None = None


def plan_search(catalog: Catalog, selection: Selection, asked: Recipe) -> SearchPlan:
    """Return what a search will try instead of a merge."""
    from sam_hub.catalog.history import merges_of_selection, validations_of

    names = [expert.repo for expert in asked.experts]
    pool, validations = search_pool(selection, names), validations_of(catalog, selection.id)
    newest_first = [merge.id for merge in merges_of_selection(catalog, selection.id) if merge.id in validations]
    kept = (validations[number].figures.get("search") for number in newest_first)
    last = next(filter(None, kept), None)
    return SearchPlan(
        (
            f"the merge as asked, {asked.method} of {', '.join(names)}",
            f"the best of {', '.join(pool)} alone, and with each next one, unless F1 falls ({asked.method})",
            f"the experts that were found: the sum, the mean, {BY_DIRECTIONS}, density {DENSITY}, weights by F1",
        ),
        MergeSearch.parse(last) if last else None,
    )


@dataclass
class MergeSearcher:
    """Searches for the selections of a target. Answers are kept, so no merge predicts on the sample twice."""

    context: AppContext
    options: MergeOptions
    sampled: SampleVotes
    load: ModelLoader
    _rows: dict[str, Rows] = field(default_factory=dict)  # by the hash of the recipe

    def search(self, asked: MergePlan, reporter: Reporter = SILENT) -> tuple[MergePlan, MergeSearch]:
        """Return the plan of the best merge, and what was tried.

        Raises:
            InputError: there are no votes on the experts.
        """
        from sam_hub.catalog.tables import Selection
        from sam_hub.merging.mergekit_tasks import preload_mergekit
        from sam_hub.merging.service import plan_for

        preload_mergekit().result()  # it imports transformers, which two threads can't do at once
        selection, votes = self.context.catalog.get(Selection, asked.selection_id or 0), self.sampled.votes
        names = [expert.repo for expert in asked.recipe.experts]
        pool = self._experts(selection, names)
        if votes is None or not pool:
            reason = self.sampled.reason or "the experts did not predict on the sample"
            raise InputError(f"There are no votes to search by: {reason}", "Merge without --search.")
        merges = self.context.settings.merges
        pinned = plan_for(self.context.catalog, list(pool.values()), merges, method=SUM).recipe
        trials = _Trials(self, votes, pinned, asked.recipe, pool, reporter)
        found = trials.run()
        best = next(candidate for candidate in found.candidates if candidate.outcome == "chosen")
        reporter.log(f"Search: {best.how} of {', '.join(best.experts)} is the best of {len(found.candidates)} merges")
        if best is found.candidates[0]:
            return asked, found
        recipe = trials.recipe(best)
        plan = plan_for(
            self.context.catalog,
            [pool[repo] for repo in best.experts],
            merges,
            method=best.method,
            parameters=best.parameters,
            weights=best.weights,
            seed=recipe.seed,
            stable=recipe.stable,
            selection_id=asked.selection_id,
        )
        plan.report.raise_errors()
        return plan, found

    def _experts(self, selection: Selection, chosen: Sequence[str]) -> dict[str, Expert]:
        """Return the experts to merge that predicted on the sample, at the commits that were chosen."""
        from sam_hub.catalog.experts import resolve_experts

        refs = {ref.rpartition("@")[0]: ref for ref in selection.chosen}
        predicted = self.sampled.votes.predictions if self.sampled.votes else ()
        names = [refs.get(repo, repo) for repo in search_pool(selection, chosen) if repo in predicted]
        return {expert.repo: expert for expert in resolve_experts(self.context.catalog, names)}

    def answers(self, recipe: Recipe, prompt_format: str, reporter: Reporter) -> Rows:
        """Return the entities of a merge on the sample. It is merged in memory, over the base."""
        from sam_hub.inference.models import with_changes
        from sam_hub.inference.prediction import predict
        from sam_hub.merging.checks import read_inputs
        from sam_hub.merging.recipe import recipe_hash
        from sam_hub.merging.run import each_change, explained_failures

        votes, key = self.sampled.votes, recipe_hash(recipe)
        assert votes is not None
        if key not in self._rows:
            count = 0

            def tell(number: int, answer: object) -> None:
                nonlocal count
                count += 1
                reporter.progress("search", count, len(votes.sentences), "sentences")

            with explained_failures():
                changes = each_change(recipe, read_inputs(recipe))
                with with_changes(self.load(recipe.base.path), changes) as merged:
                    answers = predict(
                        merged,
                        votes.sentences,
                        votes.labels,
                        prompt_format=prompt_format,
                        free=self.sampled.free,
                        on_answer=tell,
                    )
            self._rows[key] = [answer.entities for answer in answers]
        return self._rows[key]


@dataclass
class _Part(Reporter):
    """Reports a candidate's sentences as a part of all that the search may ask."""

    reporter: Reporter
    before: int
    total: int

    def progress(self, what: str, done: int, total: int, unit: str = "") -> None:
        self.reporter.progress(what, self.before + done, self.total, unit)


@dataclass
class _Trials:
    """One search: its candidates, with the merge that was asked for as the first."""

    searcher: MergeSearcher
    votes: Votes
    pinned: Recipe
    asked: Recipe
    pool: Mapping[str, Expert]
    reporter: Reporter
    tried: list[Candidate] = field(default_factory=list)

    def __post_init__(self) -> None:
        from sam_hub.selection.forward_selection import halves

        self.halves = halves([len(sentence.text) for sentence in self.votes.sentences], self.votes.voting.seed)

    def run(self) -> MergeSearch:
        """Try all candidates, and mark the one that is chosen."""
        self._try(self._like_asked([expert.repo for expert in self.asked.experts]), required=True)
        members = self._soup()
        if len(members) < 2:
            members = [expert.repo for expert in self.asked.experts]
        if len(members) > 1:
            for variant in self._variants(members):
                self._try(variant)
        self.reporter.progress("search", 1, 1)
        least, found = self.tried[0].second, list(self.tried)
        for place in sorted(range(len(found)), key=lambda place: -found[place].first):
            held = found[place].second >= least
            found[place] = replace(found[place], outcome="chosen" if held else "not confirmed")
            if held:
                break
        return MergeSearch(tuple(found), (len(self.halves[0]), len(self.halves[1])))

    def _soup(self) -> list[str]:
        """Return the best expert on the first half, and each next one with which F1 does not fall there."""
        alone = {name: self._f1s([name], self.votes.predictions[name])[0] for name in self.pool}
        first, *others = sorted(self.pool, key=lambda name: -alone[name])
        members, best = [first], alone[first]
        self._try(Candidate(SUM, {"density": 1.0}, (first,), (1.0,)))
        for name in others:
            candidate = self._try(self._like_asked([*members, name]))
            if candidate and candidate.first >= best:
                members, best = [*members, name], candidate.first
        return members

    def _like_asked(self, names: Sequence[str]) -> Candidate:
        return Candidate(self.asked.method, dict(self.asked.parameters), tuple(names), (1.0,) * len(names))

    def _variants(self, members: Sequence[str]) -> list[Candidate]:
        """Return merges of the same experts by other weights, density and methods."""
        from sam_hub.merging.methods import METHODS, default_parameters

        usual, method, count = self._like_asked(members), METHODS[self.asked.method], len(members)
        whole = replace(usual, method=SUM, parameters={"density": 1.0})
        scores = [self._f1s([name], self.votes.predictions[name])[0] for name in members]
        variants = [
            whole,
            replace(whole, weights=(1 / count,) * count),
            replace(usual, method=BY_DIRECTIONS, parameters=default_parameters(BY_DIRECTIONS)),
        ]
        if "density" in method.parameters:
            variants.append(replace(usual, parameters={**usual.parameters, "density": DENSITY}))
        if method.weighted and min(scores) > 0:
            mean = sum(scores) / count
            variants.append(replace(usual, weights=tuple(round(score / mean, 4) for score in scores)))
        return variants

    def recipe(self, candidate: Candidate) -> Recipe:
        """Return a candidate's recipe; its experts are pinned already."""
        from sam_hub.merging.recipe import make_recipe

        pinned = {expert.repo: expert for expert in self.pinned.experts}
        weights = dict(zip(candidate.experts, candidate.weights, strict=True))
        inputs: list[ModelInput] = [replace(pinned[repo], weight=weights[repo]) for repo in sorted(weights)]
        stable = self.asked.stable and candidate.method == self.asked.method
        return make_recipe(
            self.pinned.base,
            inputs,
            method=candidate.method,
            parameters=candidate.parameters,
            seed=self.asked.seed,
            stable=stable,
        )

    def _try(self, candidate: Candidate, *, required: bool = False) -> Candidate | None:
        """Score a candidate; None if it can't be merged. One expert alone has predicted already."""
        from sam_hub.inference.cached_predict import DEFAULT_FORMAT

        names, count = candidate.experts, len(self.votes.sentences)
        part = _Part(self.reporter, len(self.tried) * count, (len(self.pool) + 1 + VARIANTS) * count)
        form = self.pool[names[0]].prompt_format or DEFAULT_FORMAT
        try:
            alone = len(names) == 1 and candidate.method == SUM
            answers = None if alone else self.searcher.answers(self.recipe(candidate), form, part)
        except SamHubError as error:
            if required:
                raise
            self.reporter.log(f"Not tried: {candidate.how} of {', '.join(names)}: {error.title}")
            return None
        first, second = self._f1s(names, self.votes.predictions[names[0]] if answers is None else answers)
        scored = replace(candidate, first=first, second=second)
        same = next((one for one in self.tried if (one.how, set(one.experts)) == (scored.how, set(names))), None)
        if same is None:
            self.tried.append(scored)
            self.reporter.log(f"Tried {scored.how} of {', '.join(names)}: F1 {first:.3f} and {second:.3f}")
        return same or scored

    def _f1s(self, members: Sequence[str], rows: Rows) -> tuple[float, float]:
        """Return the F1 of a merge of these experts on both halves. The same experts vote on all candidates."""
        from sam_hub.evaluation.validation import vote_f1

        first, second = (vote_f1(self.votes, list(self.pool), rows, half, members=members) for half in self.halves)
        return first, second
