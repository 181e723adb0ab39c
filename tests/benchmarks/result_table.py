"""The claim, tested on real data: `python -m tests.benchmarks.result_table --home FOLDER --experts FOLDER`.

Every target of a suite is one that no expert was trained on. Two suites over the data that lies beside the project:

crossner: the five CrossNER domains; ``miscellaneous`` is left out.
sources: leave one domain out. Each data set of an expert is the target once; experts of its domain are left out.

What is compared, with the same base, prompts and test sentences: the untuned base, unified models, every expert alone
(their mean, and the best one: an oracle, which reads the test labels), merges of all and of k random experts, the two
rankings' merges, and SaM. Selecting sees the unlabelled dev texts; the labels of the test split are for the scores.

It runs in parts: a target that is finished is kept in FOLDER/results and not computed again, and within a target every
answer is kept in the catalog. Merged weights are deleted once their answers are kept.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sam_hub import catalog as records
from sam_hub.catalog.corpora import define_target
from sam_hub.catalog.registration import pull_base, pull_expert, register
from sam_hub.demo.base import REPO as BASE
from sam_hub.demo.base import make_base
from sam_hub.evaluation.evaluating import System, answers_of, read_gold
from sam_hub.hub.connection import connect
from sam_hub.hub.pushing import plan_push, push
from sam_hub.inference.asking import Model, ask, base_model, expert_model, format_of, merged_model
from sam_hub.merging.merged import merge, plan_for
from sam_hub.ner.readers import labels_of, read_corpus, to_jsonl
from sam_hub.ner.scoring import score
from sam_hub.ner.text import Sentence, restrict
from sam_hub.selection.choosing import best_of
from sam_hub.selection.scores import bootstrap_f1
from sam_hub.selection.selecting import sampling_ranking, similarity_ranking
from sam_hub.selection.votes import Voting
from sam_hub.settings import EMBEDDED_HUB, Settings, load_settings

DATA = Path(__file__).parents[3] / "shared" / "data"
UNIFIED = "ner-unified"  # how the names of unified models begin
SEEDS = (0, 1, 2)
OWNER = "sam-hub"


@dataclass(frozen=True)
class Goal:
    """A target: raw texts to select by, labelled sentences to score on, and the domain whose experts may not help."""

    name: str
    folder: Path
    labels: tuple[str, ...]
    domain: str | None = None


def crossner() -> Iterator[Goal]:
    """The five domains of CrossNER."""
    for folder in sorted((DATA / "targets").iterdir()):
        found = labels_of(read_corpus(folder / "test.jsonl"))
        yield Goal(folder.name, folder, tuple(label for label in found if label != "miscellaneous"))


def sources(experts: Sequence[records.Expert]) -> Iterator[Goal]:
    """Every data set that an expert was trained on and that has texts for both sides."""
    names = sorted({name for expert in experts for name in trained_on(expert)})
    for name in names:
        folder = DATA / "sources" / name
        if all((folder / f"{split}.jsonl").is_file() for split in ("dev", "test")):
            yield Goal(name, folder, labels_of(read_corpus(folder / "test.jsonl")), name.split("__")[0])


def trained_on(expert: records.Expert) -> list[str]:
    """The folders of the data that an expert has seen."""
    recipe = (expert.details or {}).get("recipe", {})
    return [source["folder"] for source in recipe.get("data", [])]


class Table:
    """Computes the rows of one target after another."""

    def __init__(self, settings: Settings, catalog: records.Catalog, given: argparse.Namespace) -> None:
        self.settings, self.catalog, self.given = settings, catalog, given
        self.results = settings.home / "results"

    def stock(self) -> tuple[list[records.Expert], list[records.Expert]]:
        """Publish base and experts to the home's Hub, add and pull them; experts and unified models."""
        hub = connect(self.settings)
        base = make_base(self.settings.home / "base" / "SmolLM2-135M-Instruct", say=print)
        folders = [path.parent for path in sorted(self.given.experts.glob("*/sam_hub.json"))]
        for folder, repo in [(base, BASE), *((folder, f"{OWNER}/{folder.name}") for folder in folders)]:
            push(hub, plan_push(hub, folder, repo, private=False), "Publish")
        pull_base(self.catalog, hub, BASE, self.settings.models)
        pulled = []
        for folder in folders:
            added, _ = register(self.catalog, hub, f"{OWNER}/{folder.name}")
            pulled.append(pull_expert(self.catalog, hub, added.id, self.settings.models))
        unified = [expert for expert in pulled if expert.repo.startswith(f"{OWNER}/{UNIFIED}")]
        return [expert for expert in pulled if expert not in unified], unified

    def row(
        self, goal: Goal, experts: Sequence[records.Expert], unified: Sequence[records.Expert]
    ) -> dict[str, Any]:
        """All systems of one target: ``{"systems": {name: {"f1", "low", "high", …}}, …}``."""
        began = time.monotonic()
        allowed = [e for e in experts if goal.domain not in {name.split("__")[0] for name in trained_on(e)}]
        target, gold = self._target(goal)
        base = records.get_base(self.catalog, BASE)
        systems = [System("base, untuned", (base_model(base),))]
        systems += [
            System(e.repo.removeprefix(f"{OWNER}/"), (expert_model(self.catalog, e),)) for e in unified
        ]
        alone = [
            System(e.repo.removeprefix(f"{OWNER}/ner-"), (expert_model(self.catalog, e),)) for e in allowed
        ]
        values = {system.name: self._scored(target, gold, system) for system in (*systems, *alone)}
        for name, chosen in self._choices(target, allowed).items():
            values[name] = self._scored_merge(target, gold, chosen)
        values |= self._sam(target, gold, allowed)
        f1 = {system.name: values[system.name]["f1"] for system in alone}
        values["mean single expert"] = {"f1": statistics.mean(f1.values())}
        values["best single expert (oracle)"] = dict(values[max(f1, key=f1.__getitem__)])
        for name in f1:
            values[name]["alone"] = True
        return {
            "target": goal.name,
            "labels": list(goal.labels),
            "sentences": len(gold),
            "experts": [expert.ref for expert in allowed],
            "systems": values,
            "seconds": time.monotonic() - began,
        }

    def _target(self, goal: Goal) -> tuple[records.Target, list[Sentence]]:
        folder = self.settings.home / "texts" / goal.name
        folder.mkdir(parents=True, exist_ok=True)
        texts = [Sentence(sentence.text) for sentence in read_corpus(goal.folder / "dev.jsonl")]
        (folder / "corpus.jsonl").write_text(to_jsonl(texts), encoding="utf-8")
        gold = [restrict(sentence, goal.labels) for sentence in read_corpus(goal.folder / "test.jsonl")]
        if self.given.sentences and len(gold) > self.given.sentences:
            gold = random.Random(0).sample(gold, self.given.sentences)
        (folder / "test.jsonl").write_text(to_jsonl(gold), encoding="utf-8")
        target = define_target(
            self.catalog,
            goal.name,
            folder / "corpus.jsonl",
            goal.labels,
            gold=folder / "test.jsonl",
            replace=True,
        )
        return target, read_gold(folder / "test.jsonl", goal.labels)

    def _choices(
        self, target: records.Target, experts: Sequence[records.Expert]
    ) -> dict[str, tuple[records.Expert, ...]]:
        """Who is merged without a look at the target."""
        choices = {"merge of all": tuple(experts)}
        for seed in SEEDS:
            chance = random.Random(f"{target.name}:{seed}")
            chosen = chance.sample(list(experts), min(self.given.k, len(experts)))
            choices[f"merge of {self.given.k} random, seed {seed}"] = tuple(chosen)
        return choices

    def _sam(
        self, target: records.Target, gold: Sequence[Sentence], experts: Sequence[records.Expert]
    ) -> dict[str, dict[str, Any]]:
        """The two rankings' merges and their union, for each seed of the sample."""
        near = similarity_ranking(self.catalog, target, experts, settings=self.settings)
        named = {expert.repo: expert for expert in experts}
        values = {}
        for seed in SEEDS:
            began = time.monotonic()
            voted = sampling_ranking(
                self.catalog,
                target,
                experts,
                settings=self.settings,
                size=self.given.sample,
                voting=Voting(seed=seed),
            )
            spent = time.monotonic() - began
            chosen = best_of([near, voted], self.given.k, allow_blind=True)
            picked = {method: tuple(named[repo] for repo in repos) for method, repos in chosen.items()}
            values["similarity only"] = self._scored_merge(target, gold, picked["similarity"])
            values[f"sampling only, seed {seed}"] = self._scored_merge(target, gold, picked["sampling"])
            union = self._scored_merge(target, gold, picked["similarity"], picked["sampling"])
            values[f"SaM (union), seed {seed}"] = {**union, "probe_seconds": spent}
        return values

    def _scored_merge(
        self, target: records.Target, gold: Sequence[Sentence], *choices: tuple[records.Expert, ...]
    ) -> dict[str, Any]:
        """A merge's scores, or those of two integrated; the weights are made only if an answer is missing."""
        distinct = {tuple(sorted(expert.repo for expert in chosen)): chosen for chosen in choices}
        models = tuple(self._merged(chosen) for chosen in distinct.values())
        return {**self._scored(target, gold, System("merge", models)), "merged": list(map(list, distinct))}

    def _merged(self, experts: Sequence[records.Expert]) -> Model:
        plan = plan_for(self.catalog, experts, self.settings.merges)
        row = merge(self.catalog, plan)
        return merged_model(row, str(row.id), format_of(self.catalog, row))

    def _scored(self, target: records.Target, gold: Sequence[Sentence], system: System) -> dict[str, Any]:
        answers = ask(
            self.catalog,
            system.models,
            gold,
            target.labels,
            settings=self.settings,
            target_id=target.id,
            on_progress=_bar(f"{target.name}: {system.name}"),
        )
        entities, rows = answers_of(system, answers)
        found = score(gold, entities)
        f1, low, high = bootstrap_f1([s.entities or () for s in gold], entities)
        assert abs(f1 - found.f1) < 1e-9
        return {
            "precision": found.precision,
            "recall": found.recall,
            "f1": f1,
            "low": low,
            "high": high,
            "parse_failures": sum(row.parse_failures for row in rows) / (len(gold) * len(rows)),
            "seconds": sum(row.seconds for row in rows),
            "predictions": [row.id for row in rows],
        }

    def free(self) -> None:
        """Delete merged weights: their answers are kept, and the recipe makes them again."""
        for folder in self.settings.merges.glob("*"):
            shutil.rmtree(folder, ignore_errors=True)


def _bar(what: str) -> Callable[[str, int, int], None]:
    def show(name: str, done: int, total: int) -> None:
        if done == total:
            print(f"  {what} {name}", flush=True)

    return show


def main() -> None:
    """Compute what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--home", type=Path, required=True, help="kept: Hub, catalog, answers, results")
    parser.add_argument("--experts", type=Path, required=True, help="a folder of finished experts")
    parser.add_argument("--suite", choices=("crossner", "sources"), default="crossner")
    parser.add_argument("--targets", nargs="*", help="only these")
    parser.add_argument("--sentences", type=int, default=0, help="of each test split, at most; 0: all")
    parser.add_argument("--sample", type=int, default=40, help="sentences that the experts vote on")
    parser.add_argument("--k", type=int, default=3)
    parser.add_argument("--write", type=Path, help="where to write the table, in Markdown")
    given = parser.parse_args()
    options = {"endpoint": EMBEDDED_HUB, "token": None, "offline": False}
    settings = load_settings(home=given.home.absolute(), **options)
    with records.open_catalog(settings.catalog_url) as catalog:
        table = Table(settings, catalog, given)
        experts, unified = table.stock()
        goals = list(crossner() if given.suite == "crossner" else sources(experts))
        rows = []
        for goal in goals:
            if given.targets and goal.name not in given.targets:
                continue
            file = table.results / given.suite / f"{goal.name}.json"
            if not file.exists():
                row = table.row(goal, experts, unified)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps(row, indent=1), encoding="utf-8")
                table.free()
            rows.append(json.loads(file.read_text(encoding="utf-8")))
    text = as_text(rows, given)
    print(text)
    if given.write:
        given.write.write_text(text, encoding="utf-8")


def as_text(rows: Sequence[dict[str, Any]], given: argparse.Namespace) -> str:
    """The table: a line a system, a column a target, and the mean over the targets."""
    names = list(dict.fromkeys(name for row in rows for name in row["systems"]))
    heads = [row["target"].partition("__")[0] for row in rows]
    lines = [
        f"Strict F1, {given.suite}, {datetime.now(UTC):%Y-%m-%d}, commit {_commit()}, {platform.machine()}, "
        f"k = {given.k}, sample = {given.sample}.",
        "",
        f"| system | {' | '.join(heads)} | mean | parse failures | seconds |",
        f"|---|{'---|' * (len(heads) + 3)}",
    ]
    for name in names:
        cells = [row["systems"].get(name) for row in rows]
        there = [cell for cell in cells if cell]
        shown = [_cell(cell) for cell in cells]
        mean = f"{statistics.mean(cell['f1'] for cell in there):.3f}" if len(there) == len(rows) else ""
        failures = [cell["parse_failures"] for cell in there if "parse_failures" in cell]
        failed = f"{statistics.mean(failures):.1%}" if failures else ""
        seconds = sum(cell.get("seconds", 0) for cell in there)
        lines.append(f"| {name} | {' | '.join(shown)} | {mean} | {failed} | {seconds:.0f} |")
    return "\n".join(lines) + "\n"


def _cell(cell: dict[str, Any] | None) -> str:
    if not cell:
        return ""
    interval = f" ({cell['low']:.2f} to {cell['high']:.2f})" if "low" in cell else ""
    return f"{cell['f1']:.3f}{interval}"


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
