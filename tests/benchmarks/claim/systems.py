"""Ask the systems of METHOD's list on a target; every answer is kept, so that nothing is asked twice."""

from __future__ import annotations

import argparse
import random
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlmodel import select

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import get_base
from sam_hub.catalog.registration import pull_base, pull_expert, register
from sam_hub.catalog.targets import define_target
from sam_hub.config import Settings
from sam_hub.demo.base import REPO as BASE
from sam_hub.demo.base import make_base
from sam_hub.errors import UnusableModel
from sam_hub.evaluation.entity_typing import TypingStrategy, trust_in
from sam_hub.evaluation.predictor import Predictor, System
from sam_hub.evaluation.union import UNION
from sam_hub.hub.client import connect
from sam_hub.hub.upload import plan_push, push
from sam_hub.inference.cached_predict import Model, base_model, expert_model
from sam_hub.merging.methods import DEFAULT_METHOD
from sam_hub.merging.plan import MergePlan
from sam_hub.merging.recipe import recipe_hash
from sam_hub.merging.service import merge, plan_for
from sam_hub.ner.readers import to_jsonl
from sam_hub.ner.text import Entity, Sentence
from sam_hub.progress import Reporter
from sam_hub.selection.choice import MIN_VOTE_RATIO, best_of, with_enough_votes
from sam_hub.selection.ranking import Ranking
from sam_hub.selection.service import sampling_ranking, similarity_ranking
from sam_hub.selection.votes import LEAVE_SELF_OUT, MIN_VOTERS, THRESHOLD, VoteOptions
from tests.benchmarks.claim.descriptors import MEAN, by_centres, nearest
from tests.benchmarks.claim.folds import domain_of
from tests.benchmarks.claim.goals import Goal, recipe_of
from tests.benchmarks.claim.report import OWN, TYPED

UNIFIED = "ner-unified"  # how the names of unified models begin
LACKING = re.compile(r"-without-.*")  # and how those end that were trained without some domains
SEEDS = (0, 1, 2)
OWNER = "sam-hub"

Experts = tuple[tables.Expert, ...]


@dataclass(frozen=True)
class Setup:
    """One way to select and merge."""

    k: int
    sample: int
    method: str = DEFAULT_METHOD
    parameters: Mapping[str, Any] = field(default_factory=dict)
    by_score: bool = False
    votes: str = LEAVE_SELF_OUT
    threshold: float = THRESHOLD
    support: float = MIN_VOTE_RATIO
    seed: int = 0
    rule: str = UNION
    together: bool = False
    """One model merged of both choices, instead of two whose answers are integrated."""
    descriptor: str = MEAN


@dataclass(frozen=True)
class Target:
    """A goal that the catalog knows, with the experts and the unified models that saw nothing of its domain."""

    goal: Goal
    row: tables.Target
    experts: Experts
    unified: Experts

    @property
    def gold(self) -> tuple[Sentence, ...]:
        """The labeled test sentences."""
        return self.goal.gold


class Bench:
    """A home of its own with a Hub, a catalog and the experts, in which systems are asked."""

    def __init__(self, settings: Settings, catalog: Catalog, given: argparse.Namespace) -> None:
        self.settings, self.catalog, self.given = settings, catalog, given
        self.setup = Setup(given.k, given.sample, given.method, given.parameters)
        self.experts: Experts = ()
        self.unified: Experts = ()

    def stock(self) -> None:
        """Publish base and experts to the home's Hub, add and pull them."""
        hub = connect(self.settings)
        base = make_base(self.settings.home / "base" / "SmolLM2-135M-Instruct")
        folders = [path.parent for path in sorted(self.given.experts.glob("*/sam_hub.json"))]
        for folder, repo in [(base, BASE), *((folder, f"{OWNER}/{folder.name}") for folder in folders)]:
            push(hub, plan_push(hub, folder, repo, private=False), "Publish")
        pull_base(self.catalog, hub, BASE, self.settings.models)
        pulled = []
        for folder in folders:
            added, _ = register(self.catalog, hub, f"{OWNER}/{folder.name}")
            pulled.append(pull_expert(self.catalog, hub, added.id, self.settings.models))
        self.unified = tuple(e for e in pulled if e.repo.startswith(f"{OWNER}/{UNIFIED}"))
        self.experts = tuple(e for e in pulled if e not in self.unified)

    def target(self, goal: Goal) -> Target:
        """The goal in the catalog, with the unified models of other domains, and the experts of just their domains.

        Where no domain is left out, these are the unified models of all domains, and all experts.
        """
        name = f"{self.given.suite}-{goal.name}"
        folder = self.settings.home / "texts" / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, part in (("corpus", goal.corpus), ("test", goal.gold)):
            (folder / f"{file}.jsonl").write_text(to_jsonl(part), encoding="utf-8")
        row = define_target(
            self.catalog, name, folder / "corpus.jsonl", goal.labels, gold=folder / "test.jsonl", replace=True
        )
        wanted = {e.domain for e in self.experts}
        seen = {u.repo: domains_of(u) for u in self.unified}
        if goal.domain:
            wanted = next((s for s in seen.values() if goal.domain not in s), wanted - {goal.domain})
        unified = tuple(u for u in self.unified if seen[u.repo] == wanted)
        return Target(goal, row, tuple(e for e in self.experts if e.domain in wanted), unified)

    def untuned(self, target: Target) -> dict[str, dict[str, Any]]:
        """The base as it is."""
        name, model = "base, untuned", base_model(get_base(self.catalog, BASE))
        return {name: self.answered(target, System(name, (model,)), ())}

    def alone(self, target: Target, experts: Sequence[tables.Expert]) -> dict[str, dict[str, Any]]:
        """Experts, each by itself; a unified model is one, too."""
        return {
            name_of(e): self.answered(target, System(name_of(e), (expert_model(self.catalog, e),)), [e])
            for e in experts
        }

    def blind_merges(self, target: Target) -> dict[str, dict[str, Any]]:
        """Merges of experts that nobody selected: of all, and of k at random."""
        choices = {"merge of all": target.experts}
        for seed in SEEDS:
            chance = random.Random(f"{target.goal.name}:{seed}")
            chosen = chance.sample(target.experts, min(self.given.k, len(target.experts)))
            choices[f"merge of {self.given.k} random, seed {seed}"] = tuple(chosen)
        return {name: self.of(target, [chosen]) for name, chosen in choices.items()}

    def sam(self, target: Target) -> dict[str, dict[str, Any]]:
        """The two rankings' merges and their union, for each seed of the sample."""
        found = {}
        for seed in SEEDS:
            setup = replace(self.setup, seed=seed)
            chosen = self.chosen(target, self.rankings(target, setup), setup)
            voted = chosen.get("sampling")
            found[f"sampling only, seed {seed}"] = self.of(target, [voted]) if voted else unanswered(target)
            found[f"similarity, supported by votes, seed {seed}"] = self.of(target, [chosen["similarity"]])
            found[f"SaM (union), seed {seed}"] = self.of(target, list(chosen.values()))
        plain = replace(self.setup, support=0.0)
        by_text = self.chosen(target, self.rankings(target, plain), plain)["similarity"]
        return {"similarity only": self.of(target, [by_text]), **found}

    def varied(self, target: Target, setup: Setup) -> dict[str, Any]:
        """SaM's answer by another setup."""
        rankings = self.rankings(target, setup)
        chosen = self.chosen(target, rankings, setup)
        if setup.together:
            distinct = {e.repo: e for experts in chosen.values() for e in experts}
            return self.of(target, [tuple(distinct.values())], setup)
        scores = {r.method: {row.expert: row.score or 0.0 for row in r.rows} for r in rankings}
        weights = [_weights(chosen[m], scores[m]) if setup.by_score else None for m in chosen]
        return self.of(target, list(chosen.values()), setup, weights)

    def rankings(self, target: Target, setup: Setup) -> list[Ranking]:
        """By similarity and by sampling; experts that know no label of the target may be chosen, too.

        Where nobody can vote, since no two of them know a label, there is similarity alone.
        """
        near = similarity_ranking(self.catalog, target.row, target.experts, settings=self.settings)
        if setup.descriptor != MEAN:
            near = by_centres(near, nearest(target.goal.corpus, target.experts, setup.descriptor))
        if sum(not set(target.goal.labels).isdisjoint(expert.labels) for expert in target.experts) < MIN_VOTERS:
            return [near]
        voted = sampling_ranking(
            self.catalog,
            target.row,
            target.experts,
            settings=self.settings,
            size=setup.sample,
            voting=VoteOptions(setup.threshold, seed=setup.seed, votes=setup.votes),
            reporter=_Steps(f"{target.goal.name}: sample"),
        )
        return [with_enough_votes(near, voted, setup.support, allow_uninformed=True), voted]

    def chosen(self, target: Target, rankings: Sequence[Ranking], setup: Setup) -> dict[str, Experts]:
        """The best k of each ranking, by its method."""
        named = {expert.repo: expert for expert in target.experts}
        best = best_of(rankings, setup.k, allow_uninformed=True)
        return {method: tuple(named[repo] for repo in repos) for method, repos in best.items()}

    def of(
        self,
        target: Target,
        choices: Sequence[Experts],
        setup: Setup | None = None,
        weights: Sequence[Sequence[float] | None] = (),
    ) -> dict[str, Any]:
        """The answer of one merge for each choice, equal choices once.

        Merged weights are made where there are none yet, and again where they were deleted and are needed.
        """
        setup = setup or self.setup
        options = {"method": setup.method, "parameters": dict(setup.parameters) or None}
        plans: dict[str, MergePlan] = {}
        for chosen, shares in zip(choices, weights or [None] * len(choices), strict=True):
            plan = plan_for(self.catalog, chosen, self.settings.merges, weights=shares, **options)
            plans[recipe_hash(plan.recipe)] = plan
        experts = [expert for chosen in choices for expert in chosen]
        system = System("merge", tuple(self._model(plan) for plan in plans.values()), setup.rule)
        try:
            return self.answered(target, system, experts)
        except UnusableModel:
            for plan in plans.values():
                merge(self.catalog, plan)
            return self.answered(target, system, experts)

    def _model(self, plan: MergePlan) -> Model:
        """A merge that may have been deleted; what it has answered is kept under its number."""
        known = self.catalog.first(select(tables.Merge).where(tables.Merge.recipe_hash == recipe_hash(plan.recipe)))
        row = known or merge(self.catalog, plan)
        return Model(str(row.id), "merge", row.id, plan.output)

    def answered(self, target: Target, system: System, experts: Sequence[tables.Expert]) -> dict[str, Any]:
        """A system's answer on the test sentences: entities, with the models' own types, and as SaM answers, which asks
        the base where there are types that none of the experts learned; of both the parse failures (a share) and the
        seconds. What the base was asked for an earlier system costs the next one nothing.

        Args:
            experts: what it is made of.
        """
        reporter = _Steps(f"{target.goal.name}: {system.name}")
        desk = Predictor(self.catalog, target.row, self.settings, reporter=reporter)
        entities, rows = desk.answer(system, target.gold)
        typing = self._typing(target, experts)
        typed, typed_rows = desk.answer(replace(system, typing=typing), target.gold)
        found: dict[str, Any] = {}
        for name, answer, of in ((OWN, entities, rows), (TYPED, typed, typed_rows)):
            asked = len(target.gold) * (len(of) - (of is typed_rows and typing.base is not None))
            found[name] = {
                "entities": [compact(row, target.goal.labels) for row in answer],
                "parse_failures": sum(row.parse_failures for row in of) / asked,
                "seconds": round(sum(row.seconds for row in of), 1),
            }
        return {**found, "models": [model.id for model in system.models]}

    def _typing(self, target: Target, experts: Sequence[tables.Expert]) -> TypingStrategy:
        """As `sam_hub.evaluation.entity_typing.typing_of` has it for merges."""
        labels = target.goal.labels
        taught = {label for expert in experts for label in expert.labels}
        learned = tuple(label for label in labels if label in taught)
        new = tuple(label for label in labels if label not in taught)
        base = get_base(self.catalog, BASE) if new else None
        return TypingStrategy(base, learned, new, trust_in(learned, labels))

    def free(self) -> None:
        """Delete merged weights: their answers are kept, and the recipe makes them again."""
        for folder in self.settings.merges.glob("*"):
            shutil.rmtree(folder, ignore_errors=True)


def name_of(expert: tables.Expert) -> str:
    """An expert's name in the table."""
    return LACKING.sub("", expert.repo.removeprefix(f"{OWNER}/"))


def domains_of(expert: tables.Expert) -> set[str]:
    """The domains of the data that it was trained on, as the data's folders name them."""
    return {domain_of(source.folder) for source in recipe_of(expert).data}


def unanswered(target: Target) -> dict[str, Any]:
    """Of a system that can't be had."""
    nothing = {"entities": [[] for _ in target.gold], "parse_failures": 0.0, "seconds": 0.0}
    return {OWN: nothing, TYPED: nothing, "models": []}


def compact(entities: Sequence[Entity], labels: Sequence[str]) -> list[list[int]]:
    """Entities as [start, end, place of the label]."""
    return [[e.start, e.end, labels.index(e.label)] for e in entities]


def _weights(experts: Experts, scores: Mapping[str, float]) -> list[float] | None:
    """Their scores over the mean; none, where one has no positive score."""
    own = [scores[expert.repo] for expert in experts]
    mean = sum(own) / len(own)
    return [round(score / mean, 4) for score in own] if min(own) > 0 else None


class _Steps(Reporter):
    """Prints each step when it is done."""

    def __init__(self, name: str) -> None:
        self._name = name

    def progress(self, what: str, done: int, total: int, unit: str = "") -> None:
        if done == total:
            print(f"  {self._name} {what}", flush=True)
