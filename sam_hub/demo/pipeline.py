"""The main job from end to end, on real models and real data, through the services of the other commands."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sam_hub.catalog import tables
from sam_hub.catalog.experts import get_base, get_expert
from sam_hub.catalog.history import get_merge
from sam_hub.catalog.targets import get_target
from sam_hub.config import Settings
from sam_hub.demo.base import REPO as BASE
from sam_hub.demo.setup import (
    LABELS,
    TARGET,
    create_demo_target,
    demo_home,
    demo_settings,
    prepare_home,
    publish_shipped,
)
from sam_hub.errors import HubError
from sam_hub.evaluation.systems import System, evaluate, read_gold, sam_systems
from sam_hub.hub.download import plan_pull, pull
from sam_hub.hub.embedded import stop_shared_hub
from sam_hub.hub.weights import weights_sha256
from sam_hub.inference.cached_predict import ask, base_model, expert_model, merged_model
from sam_hub.inference.models import load_model
from sam_hub.inference.prediction import predict
from sam_hub.ner.text import Entity, Sentence
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.choices import Method
from sam_hub.services.context import AppContext
from sam_hub.services.evaluation import SystemScore, system_score
from sam_hub.services.experts import AddOptions, PullOptions, SearchOptions, run_add, run_pull, search_hub
from sam_hub.services.merges import MergeOptions, MergesOutcome, run_merges
from sam_hub.services.push import PushOptions, PushOutcome, run_push
from sam_hub.services.selection import RankingChoice, SelectionOutcome, SelectOptions, run_selection
from sam_hub.tempdirs import scratch_prefix, sweep_scratch

UNIFIED = "sam-hub/ner-unified"  # how the names of unified models begin: compared with, never chosen
K, SAMPLE = 3, 40
READ_BACK = 8  # sentences predicted once more by what was read back from the Hub
SCRATCH = "read-back"
ROOM = 2_400_000_000  # bytes: what the home of a finished demo takes, and what is read back


@dataclass(frozen=True)
class DemoOutcome:
    """What the demo did."""

    target: str
    experts: tuple[str, ...]
    rankings: dict[str, RankingChoice]
    results: tuple[SystemScore, ...]
    sentences: int
    pushed: tuple[PushOutcome, ...]
    seconds: float
    home: Path = field(compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for ``--json``."""
        keys = ("precision", "recall", "f1", "parse_failures")
        return {
            "target": self.target,
            "experts": list(self.experts),
            "selected": {method: list(made.chosen) for method, made in self.rankings.items()},
            "scores": {row.name: {key: getattr(row, key) for key in keys} for row in self.results},
            "pushed": [{"repo": p.repo, "commit": p.commit} for p in self.pushed],
            "seconds": round(self.seconds, 1),
        }


def run_demo(settings: Settings, reporter: Reporter = SILENT, *, fresh: bool = False) -> DemoOutcome:
    """Run the whole pipeline in the demo's home; what an earlier run made is used again unless ``fresh``.

    Raises:
        DiskFull: less than `ROOM` is free for the home; nothing was begun.
        SamHubError: a step failed; what was finished stays, and the next run uses it.
    """
    home = demo_home(settings)
    if fresh and home.exists():
        stop_shared_hub(home / "hub")
        for part in (p for p in home.iterdir() if p.name != "base"):
            shutil.rmtree(part) if part.is_dir() else part.unlink()
    base = prepare_home(settings, reporter, ROOM)
    began = time.monotonic()
    with AppContext(demo_settings(settings)) as context:
        reporter.log(f"The embedded Hub listens at {context.hub.endpoint}")
        reporter.log("Publishing the base and the shipped experts to it")
        publish_shipped(context.hub, base, reporter)
        return _Pipeline(context, reporter).run(began)


@dataclass
class _Pipeline:
    context: AppContext
    reporter: Reporter

    def run(self, began: float) -> DemoOutcome:
        unified, experts = self._gather()
        create_demo_target(self.context)
        target = get_target(self.context.catalog, TARGET)
        gold = read_gold(Path(target.gold_path or ""), LABELS)
        selection = self._select(target, experts)
        merges = self._merge(selection)
        results = self._evaluate(target, gold, (*unified, *experts))
        pushed = self._push(selection)
        self._read_back(gold, merges, pushed)
        return DemoOutcome(
            target=TARGET,
            experts=experts,
            rankings=selection.rankings,
            results=results,
            sentences=len(gold),
            pushed=pushed,
            seconds=time.monotonic() - began,
            home=self.context.settings.home,
        )

    def _gather(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Search, add, and pull; return the unified models and the experts."""
        models = search_hub(self.context, SearchOptions("ner-", base=BASE, author="sam-hub"))
        repos = sorted(model.repo for model in models if "merge" not in model.tags)
        self.reporter.log(f"Found {len(repos)} adapters of {BASE} on the Hub; adding and pulling them")
        for number, repo in enumerate(repos):
            self.reporter.progress("pull", number, len(repos), "experts")
            run_add(self.context, AddOptions((repo,)))
            run_pull(self.context, PullOptions(repo))
        self.reporter.progress("pull", len(repos), len(repos), "experts")
        unified = tuple(repo for repo in repos if repo.startswith(UNIFIED))
        return unified, tuple(repo for repo in repos if repo not in unified)

    def _select(self, target: tables.Target, experts: tuple[str, ...]) -> SelectionOutcome:
        self.reporter.log(
            f"Describing {target.sentence_count} sentences of '{TARGET}', ranking by similarity; asking every "
            f"expert about {SAMPLE} sampled sentences, ranking by each other's votes"
        )
        return run_selection(self.context, SelectOptions(TARGET, experts, k=K, sample=SAMPLE), _Progress(self.reporter))

    def _merge(self, selection: SelectionOutcome) -> MergesOutcome:
        for choice in selection.rankings.values():
            self.reporter.log(f"Merging {' + '.join(choice.chosen)} with mergekit")
        merges = run_merges(self.context, MergeOptions(TARGET), _Progress(self.reporter))
        for problem in (problem for merge in merges.merges for problem in merge.problems or ()):
            self.reporter.log(f"It failed the check: {problem}")
        return merges

    def _evaluate(
        self, target: tables.Target, gold: Sequence[Sentence], experts: Sequence[str]
    ) -> tuple[SystemScore, ...]:
        self.reporter.log(f"Evaluating on {len(gold)} labelled test sentences")
        catalog = self.context.catalog
        systems = [
            System("base", (base_model(get_base(catalog, BASE)),)),
            *(
                System(repo.removeprefix("sam-hub/ner-"), (expert_model(catalog, get_expert(catalog, repo)),))
                for repo in experts
            ),
            *sam_systems(catalog, target),
        ]
        results = evaluate(catalog, target, gold, systems, settings=self.context.settings, reporter=self.reporter)
        return tuple(map(system_score, results))

    def _push(self, selection: SelectionOutcome) -> tuple[PushOutcome, ...]:
        """Push to one repository for each ranking; where both chose alike, they hold the same weights."""
        pushed = []
        for method in selection.rankings:
            repo = f"sam-hub/{TARGET}-sam-by-{method}"
            self.reporter.log(f"Pushing {repo}")
            options = PushOptions(TARGET, repo, by=Method(method), public=True)
            pushed.append(run_push(self.context, options, _Progress(self.reporter)))
        return tuple(pushed)

    def _read_back(self, gold: Sequence[Sentence], merges: MergesOutcome, pushed: Sequence[PushOutcome]) -> None:
        """Pull what was pushed, and predict once more: same weights, same entities.

        Raises:
            HubError: what came back is not what was sent.
        """
        home = self.context.settings.home
        sweep_scratch(home, SCRATCH)
        for merge, push in zip(merges.merges, pushed, strict=True):
            self.reporter.log(f"Reading {push.repo} back from the Hub and predicting once more")
            with TemporaryDirectory(dir=home, prefix=scratch_prefix(SCRATCH)) as scratch:
                folder = self._pulled_anew(push, Path(scratch))
                self._compare(get_merge(self.context.catalog, merge.id), push.repo, folder, gold)

    def _pulled_anew(self, push: PushOutcome, scratch: Path) -> Path:
        """What was pushed, past all caches."""
        hub = replace(self.context.hub, cache_dir=scratch / "cache")
        plan = plan_pull(hub, push.repo, push.commit, scratch / "models")
        return pull(hub, plan, self.reporter)

    def _compare(self, merge: tables.Merge, repo: str, folder: Path, gold: Sequence[Sentence]) -> None:
        if weights_sha256(folder) != merge.weights_sha256:
            raise HubError(f"{repo} came back with other weights", "Run it again with --fresh.")
        model = merged_model(self.context.catalog, merge, repo)
        kept = ask(self.context.catalog, [model], gold, LABELS, settings=self.context.settings)[repo]
        before = kept.entities[:READ_BACK]
        # Sums differ in the last bit with the size of a batch: in doubt, the local copy is asked so.
        if before != self._again(folder, gold) != self._again(model.folder, gold):
            raise HubError(f"{repo} does not answer as before", "Run it again with --fresh.")

    def _again(self, folder: Path, gold: Sequence[Sentence]) -> tuple[tuple[Entity, ...], ...]:
        loaded = load_model(folder, device=self.context.settings.device)
        return predict(loaded, gold[:READ_BACK], LABELS).entities


@dataclass
class _Progress(Reporter):
    """Passes progress on, without the log: the pipeline says itself what it does."""

    reporter: Reporter

    def progress(self, what: str, done: int, total: int, unit: str = "") -> None:
        """Pass a step on."""
        self.reporter.progress(what, done, total, unit)
