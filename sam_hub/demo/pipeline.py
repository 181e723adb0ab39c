"""The main job from end to end, on real models and real data, through the functions of the other commands."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sam_hub.catalog import tables
from sam_hub.catalog.corpora import define_target
from sam_hub.catalog.engine import Catalog, open_catalog
from sam_hub.catalog.experts import get_base
from sam_hub.catalog.registration import pull_base, pull_expert, register
from sam_hub.catalog.tables import RankingMethod
from sam_hub.config import Settings
from sam_hub.demo.base import REPO as BASE
from sam_hub.demo.setup import (
    HERE,
    LABELS,
    TARGET,
    demo_home,
    demo_settings,
    prepare_home,
    publish_shipped,
)
from sam_hub.errors import HubError
from sam_hub.evaluation.publication import publication_of, publish
from sam_hub.evaluation.systems import Evaluated, System, evaluate, read_gold, sam_systems
from sam_hub.hub.client import Hub, connect
from sam_hub.hub.download import plan_pull, pull
from sam_hub.hub.embedded import stop_shared_hub
from sam_hub.hub.search import search
from sam_hub.hub.upload import Pushed
from sam_hub.hub.weights import weights_sha256
from sam_hub.inference.cached_predict import ask, base_model, expert_model, merged_model
from sam_hub.inference.models import load_model
from sam_hub.inference.prediction import predict
from sam_hub.merging.service import merge_and_check, plan_for, selection_of
from sam_hub.ner.text import Entity, Sentence
from sam_hub.selection.choice import choose_best, supported
from sam_hub.selection.ranking import Ranking
from sam_hub.selection.service import sampling_ranking, similarity_ranking
from sam_hub.tempdirs import scratch_prefix, sweep_scratch

UNIFIED = "sam-hub/ner-unified"  # how the names of unified models begin: compared with, never chosen
K, SAMPLE = 3, 40
READ_BACK = 8  # sentences predicted once more by what was read back from the Hub
SCRATCH = "read-back"
ROOM = 2_400_000_000  # bytes: what the home of a finished demo takes, and what is read back

OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Outcome:
    """What the demo did; `as_dict` is what ``--json`` prints."""

    target: str
    experts: tuple[str, ...]
    rankings: dict[str, Ranking]
    selected: dict[str, tuple[str, ...]]
    results: tuple[Evaluated, ...]
    sentences: int
    pushed: tuple[Pushed, ...]
    seconds: float
    home: Path = field(compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        keys = ("precision", "recall", "f1")
        return {
            "target": self.target,
            "experts": list(self.experts),
            "selected": {method: list(chosen) for method, chosen in self.selected.items()},
            "scores": {
                r.name: {**{key: getattr(r.scores, key) for key in keys}, "parse_failures": r.parse_failures}
                for r in self.results
            },
            "pushed": [{"repo": p.repo, "commit": p.commit} for p in self.pushed],
            "seconds": round(self.seconds, 1),
        }


def run_demo(
    settings: Settings, *, fresh: bool = False, say: Callable[[str], None], watch: OnProgress
) -> Outcome:
    """Run the whole story; what an earlier run made is used again unless ``fresh``.

    Args:
        say: is told each stage, a line.
        watch: is told (what, done, all) within a stage.

    Raises:
        DiskFull: less than `ROOM` is free for the home; nothing was begun.
        SamHubError: any stage failed; what was finished stays and is used by the next run.
    """
    home = demo_home(settings)
    if fresh and home.exists():
        stop_shared_hub(home / "hub")
        for part in (p for p in home.iterdir() if p.name != "base"):
            shutil.rmtree(part) if part.is_dir() else part.unlink()
    base = prepare_home(settings, say, ROOM)
    began = time.monotonic()
    here = demo_settings(settings)
    hub = connect(here)
    say(f"The embedded Hub listens at {hub.endpoint}")
    say("Publishing the base and the shipped experts to it")
    publish_shipped(hub, base, watch)
    with open_catalog(here.catalog_url) as catalog:
        return _Story(here, catalog, say, watch).tell(began)


@dataclass
class _Story:
    settings: Settings
    catalog: Catalog
    say: Callable[[str], None]
    watch: OnProgress

    @property
    def hub(self) -> Hub:
        """Looked up each time: hours of selecting without a question to it end it, and it is started anew."""
        return connect(self.settings)

    def tell(self, began: float) -> Outcome:
        unified, experts = self._gather()
        target = define_target(
            self.catalog,
            TARGET,
            HERE / "target" / "corpus.txt",
            LABELS,
            gold=HERE / "target" / "test.jsonl",
            replace=True,
        )
        rankings, selected = self._select(target, experts)
        merges = {method: self._merge(method, experts, chosen) for method, chosen in selected.items()}
        results = self._evaluate(target, unified, experts)
        pushed = self._push(target)
        self._read_back(target, merges, pushed)
        return Outcome(
            target=TARGET,
            experts=tuple(e.repo for e in experts),
            rankings=rankings,
            selected=selected,
            results=tuple(results),
            sentences=len(read_gold(Path(target.gold_path or ""), LABELS)),
            pushed=tuple(pushed.values()),
            seconds=time.monotonic() - began,
            home=self.settings.home,
        )

    def _gather(self) -> tuple[list[tables.Expert], list[tables.Expert]]:
        """Search → add → pull."""
        found = [
            m.repo for m in search(self.hub, "ner-", base=BASE, author="sam-hub") if "merge" not in m.tags
        ]
        self.say(f"Found {len(found)} adapters of {BASE} on the Hub; adding and pulling them")
        pull_base(self.catalog, self.hub, BASE, self.settings.models)
        pulled = {}
        for number, repo in enumerate(sorted(found)):
            self.watch("pull", number, len(found))
            added, _ = register(self.catalog, self.hub, repo)
            pulled[repo] = pull_expert(self.catalog, self.hub, added.id, self.settings.models)
        self.watch("pull", len(found), len(found))
        unified = [expert for repo, expert in pulled.items() if repo.startswith(UNIFIED)]
        return unified, [expert for expert in pulled.values() if expert not in unified]

    def _select(
        self, target: tables.Target, experts: list[tables.Expert]
    ) -> tuple[dict[str, Ranking], dict[str, tuple[str, ...]]]:
        self.say(f"Describing {target.sentence_count} sentences of '{TARGET}', ranking by similarity")
        near = similarity_ranking(self.catalog, target, experts, settings=self.settings)
        self.say(f"Asking every expert about {SAMPLE} sampled sentences, ranking by each other's votes")
        voted = sampling_ranking(
            self.catalog, target, experts, settings=self.settings, size=SAMPLE, on_progress=self.watch
        )
        near = supported(near, voted)
        chosen = choose_best(self.catalog, target, experts, (near, voted), K)
        return {"similarity": near, "sampling": voted}, chosen

    def _merge(self, method: str, experts: Sequence[tables.Expert], chosen: tuple[str, ...]) -> tables.Merge:
        self.say(f"Merging {' + '.join(chosen)} with mergekit")
        plan = plan_for(self.catalog, [e for e in experts if e.repo in chosen], self.settings.merges)
        selection_id = selection_of(self.catalog, TARGET, method)
        row, verdict = merge_and_check(
            self.catalog, plan, self.settings, self.watch, selection_id=selection_id
        )
        for problem in verdict.problems:
            self.say(f"It failed the check: {problem}")
        return row

    def _evaluate(
        self,
        target: tables.Target,
        unified: Sequence[tables.Expert],
        experts: Sequence[tables.Expert],
    ) -> list[Evaluated]:
        gold = read_gold(Path(target.gold_path or ""), LABELS)
        self.say(f"Evaluating on {len(gold)} labelled test sentences")
        systems = [
            System("base", (base_model(get_base(self.catalog, BASE)),)),
            *(
                System(e.repo.removeprefix("sam-hub/ner-"), (expert_model(self.catalog, e),))
                for e in (*unified, *experts)
            ),
            *sam_systems(self.catalog, target),
        ]
        return evaluate(self.catalog, target, gold, systems, settings=self.settings, on_progress=self.watch)

    def _push(self, target: tables.Target) -> dict[str, Pushed]:
        """One repository for each ranking; where both chose alike, they hold the same weights."""
        pushed = {}
        for method in RankingMethod:
            repo = f"sam-hub/{TARGET}-sam-by-{method}"
            self.say(f"Pushing {repo}")
            row, about = publication_of(self.catalog, target, method)
            _, pushed[method] = publish(
                self.catalog,
                self.hub,
                row,
                repo,
                about,
                private=False,
                settings=self.settings,
                on_progress=lambda sent, size, file: self.watch("push", sent, size),
            )
        return pushed

    def _read_back(
        self, target: tables.Target, merges: dict[str, tables.Merge], pushed: dict[str, Pushed]
    ) -> None:
        """Pull what was pushed, and predict once more: same weights, same entities.

        Raises:
            HubError: what came back is not what was sent.
        """
        gold = read_gold(Path(target.gold_path or ""), LABELS)
        sweep_scratch(self.settings.home, SCRATCH)
        for method, done in pushed.items():
            self.say(f"Reading {done.repo} back from the Hub and predicting once more")
            with TemporaryDirectory(dir=self.settings.home, prefix=scratch_prefix(SCRATCH)) as scratch:
                folder = self._pulled_anew(done, Path(scratch))
                self._compare(merges[method], done.repo, folder, gold)

    def _pulled_anew(self, done: Pushed, scratch: Path) -> Path:
        """What was pushed, past all caches."""
        hub = replace(self.hub, cache_dir=scratch / "cache")
        plan = plan_pull(hub, done.repo, done.commit, scratch / "models")
        return pull(hub, plan, lambda got, size, file: self.watch("pull", got, size))

    def _compare(self, merge: tables.Merge, repo: str, folder: Path, gold: Sequence[Sentence]) -> None:
        if weights_sha256(folder) != merge.weights_sha256:
            raise HubError(f"{repo} came back with other weights", "Run it again with --fresh.")
        model = merged_model(self.catalog, merge, repo)
        kept = ask(self.catalog, [model], gold, LABELS, settings=self.settings)[repo]
        before = kept.entities[:READ_BACK]
        # Sums differ in the last bit with the size of a batch: in doubt, the local copy is asked so.
        if before != self._again(folder, gold) != self._again(model.folder, gold):
            raise HubError(f"{repo} answers otherwise than before", "Run it again with --fresh.")

    def _again(self, folder: Path, gold: Sequence[Sentence]) -> tuple[tuple[Entity, ...], ...]:
        return predict(load_model(folder, device=self.settings.device), gold[:READ_BACK], LABELS).entities
