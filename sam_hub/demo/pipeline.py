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
from sam_hub.merging.mergekit_tasks import preload_mergekit
from sam_hub.ner.text import Entity, Sentence
from sam_hub.progress import SILENT, Reporter
from sam_hub.selection.ranking import RankingChoice
from sam_hub.services.context import AppContext
from sam_hub.services.evaluation import SystemScore, system_score
from sam_hub.services.experts import run_add, run_pull, search_hub
from sam_hub.services.merges import MergeOutcome, run_merges
from sam_hub.services.options import (
    AddOptions,
    MergeOptions,
    Method,
    PullOptions,
    PushOptions,
    SearchOptions,
    SelectOptions,
)
from sam_hub.services.push import PushOutcome, run_push
from sam_hub.services.selection import run_selection
from sam_hub.tempdirs import clean_up_scratch, scratch_prefix

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


def run_demo(
    settings: Settings, reporter: Reporter = SILENT, *, fresh: bool = False, full: bool = False
) -> DemoOutcome:
    """Run the whole pipeline in the demo's home; what an earlier run made is used again unless ``fresh``.

    Args:
        full: evaluate every expert and both unified models, and push both merges. Otherwise, only the best expert by
            votes and one unified model are compared with, and the merge by sampling is pushed.

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
    if not (home / "merges").exists():
        preload_mergekit()  # while the models are published
    began = time.monotonic()
    with AppContext(demo_settings(settings)) as context:
        reporter.log(f"The embedded Hub listens at {context.hub.endpoint}")
        reporter.log("Publishing the base and the shipped experts to it")
        publish_shipped(context.hub, base, reporter)
        return _run(context, reporter, began, full)


def _run(context: AppContext, reporter: Reporter, began: float, full: bool) -> DemoOutcome:
    unified, experts = _gather(context, reporter, full)
    create_demo_target(context)
    target = get_target(context.catalog, TARGET)
    gold = read_gold(Path(target.gold_path or ""), LABELS)
    reporter.log(
        f"Describing {target.sentence_count} sentences of '{TARGET}', ranking by similarity; predicting "
        f"{SAMPLE} sampled sentences with every expert, ranking by votes"
    )
    quiet = _WithoutLog(reporter)  # this pipeline says itself what it does
    selection = run_selection(context, SelectOptions(TARGET, experts=experts, k=K, sample=SAMPLE), quiet)
    for choice in selection.rankings.values():
        reporter.log(f"Merging {' + '.join(choice.chosen)} with mergekit")
    made = run_merges(context, MergeOptions(TARGET), quiet)
    merges = made.merges
    for problem in (problem for merge in merges for problem in merge.problems or ()):
        reporter.log(f"The merge failed the sanity check: {problem}")
    for line in (line for merge in merges for line in merge.rejected):
        reporter.log(f"Rejected: {line}")
    if made.answer:
        reporter.log(made.answer)
    by_votes = selection.rankings[Method.sampling].ranking
    compared = experts if full else (by_votes.rows[0].expert,)
    results = _evaluate(context, target, gold, (*unified, *compared), reporter)
    by_method = dict(zip(selection.rankings, merges, strict=True))
    pushed = {}
    for method in by_method if full else (Method.sampling,):
        repo = f"sam-hub/{TARGET}-sam-by-{method}"
        reporter.log(f"Pushing {repo}")
        pushed[method] = run_push(context, PushOptions(TARGET, repo, by=Method(method), public=True), quiet)
    _read_back(context, gold, [(by_method[method], push) for method, push in pushed.items()], reporter)
    return DemoOutcome(
        target=TARGET,
        experts=experts,
        rankings=selection.rankings,
        results=results,
        sentences=len(gold),
        pushed=tuple(pushed.values()),
        seconds=time.monotonic() - began,
        home=context.settings.home,
    )


def _gather(context: AppContext, reporter: Reporter, full: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Search, add, and pull; return the unified models (one, unless ``full``) and the experts."""
    models = search_hub(context, SearchOptions("ner-", base=BASE, author="sam-hub"))
    repos = sorted(model.repo for model in models if "merge" not in model.tags)
    run_add(context, AddOptions(tuple(repos)))
    baselines = tuple(repo for repo in repos if get_expert(context.catalog, repo).is_baseline)
    unified, experts = baselines if full else baselines[:1], tuple(repo for repo in repos if repo not in baselines)
    reporter.log(f"Pulling {len(unified) + len(experts)} adapters of {BASE} from the Hub")
    for number, repo in enumerate((*unified, *experts), 1):
        run_pull(context, PullOptions(repo))
        reporter.progress("pull", number, len(unified) + len(experts), "adapters")
    return unified, experts


def _evaluate(
    context: AppContext, target: tables.Target, gold: Sequence[Sentence], experts: Sequence[str], reporter: Reporter
) -> tuple[SystemScore, ...]:
    reporter.log(f"Evaluating on {len(gold)} labeled test sentences")
    catalog = context.catalog
    rows = {repo.removeprefix("sam-hub/ner-"): get_expert(catalog, repo) for repo in experts}
    systems = [
        System("base", (base_model(get_base(catalog, BASE)),)),
        *(System(name, (expert_model(catalog, row),)) for name, row in rows.items()),
        *sam_systems(catalog, target),
    ]
    results = evaluate(catalog, target, gold, systems, settings=context.settings, reporter=reporter)
    return tuple(map(system_score, results))


def _read_back(
    context: AppContext,
    gold: Sequence[Sentence],
    pushed: Sequence[tuple[MergeOutcome, PushOutcome]],
    reporter: Reporter,
) -> None:
    """Pull what was pushed, past all caches, and predict once more: same weights, same entities.

    Raises:
        HubError: what came back is not what was sent.
    """
    home = context.settings.home
    clean_up_scratch(home, SCRATCH)
    for merge, push in pushed:
        reporter.log(f"Downloading {push.repo} from the Hub and predicting again")
        with TemporaryDirectory(dir=home, prefix=scratch_prefix(SCRATCH)) as scratch:
            hub = replace(context.hub, cache_dir=Path(scratch, "cache"))
            folder = pull(hub, plan_pull(hub, push.repo, push.commit, Path(scratch, "models")), reporter)
            _compare(context, get_merge(context.catalog, merge.id), push.repo, folder, gold)


def _compare(context: AppContext, merge: tables.Merge, repo: str, folder: Path, gold: Sequence[Sentence]) -> None:
    def again(folder: Path) -> tuple[tuple[Entity, ...], ...]:
        loaded = load_model(folder, device=context.settings.device, dtype=context.settings.dtype)
        answers = predict(loaded, gold[:READ_BACK], LABELS)
        return tuple(answer.entities for answer in answers)

    if weights_sha256(folder) != merge.weights_sha256:
        raise HubError(f"{repo} has other weights than the merge", "Run it again with --fresh.")
    model = merged_model(context.catalog, merge, repo)
    kept = ask(context.catalog, [model], gold, LABELS, settings=context.settings)[repo]
    before = kept.entities[:READ_BACK]
    # Sums differ in the last bit with the size of a batch: in doubt, the local copy is asked so.
    if before != again(folder) != again(model.folder):
        raise HubError(f"{repo} does not give the same predictions as the merge", "Run it again with --fresh.")


@dataclass
class _WithoutLog(Reporter):
    """Passes progress on, without the log."""

    reporter: Reporter

    def progress(self, what: str, done: int, total: int, unit: str = "") -> None:
        """Pass a step on."""
        self.reporter.progress(what, done, total, unit)
