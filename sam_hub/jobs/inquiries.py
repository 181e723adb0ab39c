"""Questions whose answers take many imports or the network, but no work: asked of a `Clerk`, answered in seconds.

Each is a frozen dataclass of plain values; ``answer`` gives plain values for JSON.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_hub.errors import SamHubError
from sam_hub.jobs.tasks.merging import MergeChoice, merge_values

if TYPE_CHECKING:
    from sam_hub.services.context import AppContext


@dataclass(frozen=True)
class Inquiry:
    """A question."""

    def answer(self, context: AppContext) -> dict[str, Any]:
        """Plain values.

        Raises:
            SamHubError: there is no answer, for a reason that a person can act on.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Search(Inquiry):
    """Models on the Hub: ``{"models": [{"repo", "commit", "base", "license", "labels", "downloads", …}]}``."""

    text: str = ""
    author: str | None = None
    base: str | None = None
    labels: tuple[str, ...] = ()
    library: str | None = None
    license: str | None = None
    sort: str = "last_modified"
    limit: int = 50

    def answer(self, context: AppContext) -> dict[str, Any]:
        """Search the Hub."""
        from sam_hub.hub.search import search

        found = search(
            context.hub,
            self.text or None,
            author=self.author,
            base=self.base,
            labels=self.labels,
            library=self.library,
            license=self.license,
            sort=self.sort,
            limit=self.limit,
        )
        return {"models": [asdict(model) for model in found]}


@dataclass(frozen=True)
class Inspect(Inquiry):
    """What a model on the Hub is, whether it can serve, and its card: the fields of `Inspection`, and "card"."""

    repo: str
    revision: str = "main"

    def answer(self, context: AppContext) -> dict[str, Any]:
        """Look at its files on the Hub; no weights are fetched."""
        from sam_hub.hub.inspection import inspect

        found = inspect(context.hub, self.repo, self.revision)
        names = ("repo", "commit", "base", "license", "labels", "kind", "rank", "size", "domain", "verdict")
        values = {name: getattr(found, name) for name in names}
        lists = {"reasons": list(found.reasons), "warnings": list(found.warnings)}
        return {**values, **lists, "card": _shown(lambda: found.snapshot)}


def _shown(snapshot: Any) -> str:
    try:
        return snapshot().card
    except SamHubError as error:
        return f"*The card can't be shown: {error.title}.*"


@dataclass(frozen=True)
class Card(Inquiry):
    """The card of an expert of the catalog, ``{"card": Markdown}``: of its files on disk, else of the Hub."""

    expert: str

    def answer(self, context: AppContext) -> dict[str, Any]:
        """Read it."""
        from sam_hub.catalog.experts import get_expert
        from sam_hub.hub.repo_snapshot import take_snapshot

        expert = get_expert(context.catalog, self.expert)
        local = Path(expert.path or "/nowhere") / "README.md"
        if local.is_file():
            return {"card": local.read_text(encoding="utf-8", errors="replace")}
        if context.settings.offline:
            return {"card": "*Not on disk, and offline: no card.*"}
        return {"card": _shown(lambda: take_snapshot(context.hub, expert.repo, expert.commit))}


@dataclass(frozen=True)
class PlanPull(Inquiry):
    """What fetching experts takes: ``{"experts": [{"expert", "bytes", "on_disk"}], "bases": [{"repo", "bytes"}],
    "free"}``, sizes in bytes."""

    experts: tuple[str, ...]

    def answer(self, context: AppContext) -> dict[str, Any]:
        """Ask the Hub for sizes."""
        from sam_hub.catalog.experts import list_bases
        from sam_hub.catalog.registration import resolve_experts
        from sam_hub.hub.download import plan_pull

        hub, experts = context.hub, resolve_experts(context.catalog, self.experts)
        there = {base.weights_sha256 for base in list_bases(context.catalog) if base.path}
        rows, bases, free = [], {}, 0
        for expert in experts:
            plan = plan_pull(hub, expert.repo, expert.commit, context.settings.models)
            on_disk = plan.complete and expert.path is not None
            rows.append({"expert": expert.repo, "bytes": plan.to_fetch, "on_disk": on_disk})
            free = plan.free or free
            if expert.kind == "adapter" and expert.base_sha256 not in there:
                bases[expert.base_repo] = 0
        for repo in bases:
            plan = plan_pull(hub, repo, "main", context.settings.models)
            bases[repo] = plan.to_fetch
        return {
            "experts": rows,
            "bases": [{"repo": repo, "bytes": size} for repo, size in bases.items() if size],
            "free": free,
        }


@dataclass(frozen=True)
class PlanUpdate(Inquiry):
    """What moving experts (all, where none are named) to the Hub's heads would do: ``{"outdated": [{"repo", "commit",
    "head"}], "stale": [{"target", "method", "experts"}]}``; a head is None where the repository is gone."""

    experts: tuple[str, ...] = ()

    def answer(self, context: AppContext) -> dict[str, Any]:
        """Ask the Hub for every head."""
        from sam_hub.catalog.outdated import stale_selections
        from sam_hub.jobs.tasks.experts import UpdateExperts

        found = UpdateExperts(self.experts).outdated(context, lambda *_: None)
        stale = stale_selections(context.catalog, {moved.repo for moved in found if moved.head})
        return {"outdated": [one.as_dict() for one in found], "stale": [one.as_dict() for one in stale]}


@dataclass(frozen=True)
class PlanRemoval(Inquiry):
    """What goes with an expert: ``{"ref", "lines"}``, the lines as a person reads them."""

    expert: str

    def answer(self, context: AppContext) -> dict[str, Any]:
        """Plan it; nothing is touched."""
        from sam_hub.catalog.removal import plan_removal

        plan = plan_removal(context.catalog, self.expert, context.settings.models)
        files = (
            f"{len(plan.files)} files ({plan.bytes / 1e6:,.1f} MB)"
            if plan.folder
            else f"no files: {plan.kept}"
        )
        chosen = (
            [f"It is chosen for {', '.join(plan.chosen_for)}; rank anew afterwards."]
            if plan.chosen_for
            else []
        )
        lines = [plan.ref, "", files, plan.counts, *chosen, "", "The Hub keeps its copy."]
        return {"ref": plan.ref, "lines": lines}


@dataclass(frozen=True)
class Rankings(Inquiry):
    """A target's latest rankings: ``{"similarity": …, "sampling": …, "both", "similarity_only", "sampling_only",
    "uncovered"}``.

    Each ranking is None, or ``{"rows": [fields of `sam_hub.selection.ranking.Ranked`, and "chosen"], "parameters", "k",
    "by_hand", "created_at"}``, the best first; "both" lists the experts that both chose, "uncovered" the target's
    labels that no expert of the catalog covers.
    """

    target: str

    def answer(self, context: AppContext) -> dict[str, Any]:
        """Read them from the catalog."""
        from sam_hub.selection.rankings import latest_rankings

        return latest_rankings(context.catalog, self.target)


@dataclass(frozen=True)
class MergeMethods(Inquiry):
    """mergekit's methods: ``{"methods": [{"name", "parameters": {name: default or None}, "weighted",
    "trims"}], "default"}``."""

    def answer(self, context: AppContext) -> dict[str, Any]:
        """Ask mergekit's registry."""
        from sam_hub.services.merges import merge_methods

        return asdict(merge_methods(context))


@dataclass(frozen=True)
class PlanMerge(MergeChoice, Inquiry):
    """What merging would do: ``{"merges": […], "free_disk", "free_memory"}``; a merge has the keys of
    `sam_hub.jobs.tasks.merging.merge_values`."""

    def answer(self, context: AppContext) -> dict[str, Any]:
        """Check and estimate; nothing is written."""
        import shutil

        import psutil

        return {
            "merges": [merge_values(name, plan) for name, plan in self.plans(context)],
            "free_disk": shutil.disk_usage(context.catalog.path.parent).free,
            "free_memory": psutil.virtual_memory().available,
        }


@dataclass(frozen=True)
class PlanEvaluation(Inquiry):
    """What an evaluation would take: ``{"systems": [names], "models", "sentences", "entities"}``, all but the
    first counts. Raises, as the evaluation would, where the labelled sentences can't be used."""

    target: str
    gold: str | None = None
    rule: str = "union"
    singles: bool = False

    def answer(self, context: AppContext) -> dict[str, Any]:
        """Read the labelled sentences, and look which models there are; none is asked."""
        from sam_hub.jobs.tasks.evaluating import EvaluateTarget

        plan = EvaluateTarget(self.target, self.gold, self.rule, singles=self.singles).plan(context)
        models = {(model.kind, model.id) for system in plan.systems for model in system.models}
        return {
            "systems": [system.name for system in plan.systems],
            "models": len(models),
            "sentences": len(plan.gold),
            "entities": sum(len(sentence.entities or ()) for sentence in plan.gold),
        }


@dataclass(frozen=True)
class Scores(Inquiry):
    """A target's latest evaluations: ``{"sentences", "systems": [{"id", "name", "precision", "recall", "f1",
    "support", "parse_failures", "seconds", "per_type": {label: {"precision", "recall", "f1", "support"}},
    "created_at"}], "can_evaluate", "why_not"}``; "why_not" says what is missing for an evaluation."""

    target: str

    def answer(self, context: AppContext) -> dict[str, Any]:
        """Read them from the catalog."""
        from sam_hub.evaluation.comparison import latest_scores

        return latest_scores(context.catalog, self.target)


@dataclass(frozen=True)
class Compare(Inquiry):
    """Sentences with gold and predicted entities of one evaluation: ``{"total", "sentences": [{"number", "text",
    "marks": [{"start", "end", "label", "kind"}]}]}``; "kind" is "hit", "missed" (gold alone) or "invented"
    (predicted alone). With ``errors_only``, only sentences that have one of the latter two."""

    evaluation_id: int
    offset: int = 0
    limit: int = 50
    errors_only: bool = False

    def answer(self, context: AppContext) -> dict[str, Any]:
        """Put the kept predictions beside the gold entities."""
        from sam_hub.evaluation.comparison import compared

        return compared(
            context.catalog, self.evaluation_id, self.offset, self.limit, errors_only=self.errors_only
        )


@dataclass(frozen=True)
class PlanPush(Inquiry):
    """What a push would do: ``{"repo", "creates", "private", "bytes", "files": [{"path", "size"}], "removes", "card",
    "page", "problems"}``; the last are what speaks against the merge, by the check after it. Raises, as the push
    would, where there is no merge, no login or no such owner."""

    target: str
    repo: str
    by: str = "sampling"
    public: bool = False
    adapter: bool = False
    pull_request: bool = False

    def answer(self, context: AppContext) -> dict[str, Any]:
        """Ask the Hub what is there, and write the card."""
        from sam_hub.catalog.targets import get_target
        from sam_hub.evaluation.publication import publication_of, publish, write_card
        from sam_hub.jobs.tasks.pushing import push_values
        from sam_hub.merging.sanity_check import UNCHECKED, saved_check

        merge, about = publication_of(context.catalog, get_target(context.catalog, self.target), self.by)
        plan, _ = publish(
            context.catalog,
            context.hub,
            merge,
            self.repo,
            about,
            private=not self.public,
            dry_run=True,
            force=True,
            adapter=self.adapter,
            pull_request=self.pull_request,
        )
        card = write_card(context.catalog, merge, self.repo, about, adapter=self.adapter)
        verdict = saved_check(Path(merge.path))
        problems = list(verdict.problems) if verdict else [f"It {UNCHECKED}"]
        page = context.hub.page(self.repo)
        return {**push_values(plan), "card": card, "page": page, "problems": problems}
