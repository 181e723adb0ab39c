"""The claim, tested on real data: `python -m tests.benchmarks.result_table --home FOLDER --experts FOLDER`.

Every target of a suite is one that no expert was trained on. Three suites over the data that lies beside the project:

crossner: the five CrossNER domains; ``miscellaneous`` is left out.
crossner-coarse: the same sentences, asked for people, organizations, locations and events.
sources: leave domains out. Each expert's domain is the target once, in the first data set of that expert; all compared
systems are of the domains of a unified model that was trained without it (``ner-unified…-without-…``).

What is compared, with the same base, prompts and test sentences: the untuned base, unified models, every expert alone
(their mean, and the best one: an oracle, which reads the test labels), merges of all and of k random experts, the two
rankings' merges, and SaM. Selecting sees unlabelled texts; the labels of the test split are for the scores. Every
answer is kept twice: with the models' own types, and as SaM answers, which asks the untuned base where a target has
types that none of a system's experts learned (see `sam_hub.evaluation.entity_typing`); every system gets that, not SaM
alone.

It runs in parts: a target that is finished is kept, with every answer, in the results' folder and not computed again;
within a target every answer is kept in the home's catalog. Merged weights are deleted once their answers are kept.
Tables are written from the kept answers, and ``--report`` writes them without computing anything.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sam_hub.catalog.engine import open_catalog
from sam_hub.config import EMBEDDED_HUB, load_settings
from sam_hub.merging.methods import DEFAULT_METHOD
from sam_hub.merging.parameters import parameters
from tests.benchmarks.claim import report
from tests.benchmarks.claim.ablations import ablate
from tests.benchmarks.claim.correlation import correlation_table
from tests.benchmarks.claim.goals import Goal, crossner, crossner_coarse, sources
from tests.benchmarks.claim.report import OWN
from tests.benchmarks.claim.systems import Bench, Target, compact, name_of

RESULTS = Path(__file__).parents[2] / "docs" / "results"
SUITES = ("crossner", "crossner-coarse", "sources")
CHOSEN_ON = ("music", "politics")


def main() -> None:
    """Compute what is missing, and write the tables."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--home", type=Path, help="kept: Hub, catalog, answers")
    parser.add_argument("--experts", type=Path, help="a folder of finished experts")
    parser.add_argument("--results", type=Path, default=RESULTS, help="kept: finished targets; tables")
    parser.add_argument("--suite", choices=SUITES, default="crossner")
    parser.add_argument("--targets", nargs="*", help="only these")
    parser.add_argument("--sentences", type=int, default=0, help="of each test split, at most; 0: all")
    parser.add_argument("--sample", type=int, default=40, help="sentences that the experts vote on")
    parser.add_argument("--k", type=int, default=3)
    parser.add_argument("--method", default=DEFAULT_METHOD, help="by which all is merged")
    parser.add_argument("--set", nargs="*", default=[], help="parameters of the method, such as density=0.5")
    parser.add_argument("--dtype", default="auto", help="float32 or bfloat16")
    parser.add_argument(
        "--ablations", type=int, default=0, metavar="N", help="those of the targets, too, on their first N sentences"
    )
    parser.add_argument("--factors", nargs="*", default=[], help="ablations of these alone, such as k or k=1")
    parser.add_argument("--report", action="store_true", help="write the tables of what is there")
    given = parser.parse_args()
    given.parameters = parameters(given.set)
    if not given.report:
        if not given.home or not given.experts:
            parser.error("--home and --experts say where to compute, and with whom")
        compute(given)
    text = as_text(given.results)
    (given.results / "README.md").write_text(text, encoding="utf-8")
    print(text)


def compute(given: argparse.Namespace) -> None:
    """Ask the systems of every target that is not finished."""
    options = {"endpoint": EMBEDDED_HUB, "token": None, "offline": False, "dtype": given.dtype}
    settings = load_settings(home=given.home.absolute(), **options)
    with open_catalog(settings.catalog_url) as catalog:
        bench = Bench(settings, catalog, given)
        bench.stock()
        for goal in goals(given.suite, bench, given.sentences):
            if not given.targets or goal.name in given.targets:
                finish(bench, goal, given)


def folder(given: argparse.Namespace) -> str:
    """Where a suite's targets are kept, in the results' folder: those of another way to merge have one of their own."""
    usual = given.method == DEFAULT_METHOD and not given.parameters
    return given.suite if usual else "-".join([f"{given.suite}/{given.method}", *given.set])


def goals(suite: str, bench: Bench, most: int) -> Iterator[Goal]:
    """The targets of a suite, with at most so many test sentences each (0: all)."""
    if suite == "sources":
        return sources(bench.experts, most)
    return {"crossner": crossner, "crossner-coarse": crossner_coarse}[suite](most)


def finish(bench: Bench, goal: Goal, given: argparse.Namespace) -> None:
    """Compute what the target's file lacks: its systems, and its ablations if they are wanted.

    A unified model that came later is asked alone; with other experts the target is another one, and begins anew.
    """
    file = given.results / folder(given) / f"{goal.name}.json"
    row = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    target = bench.target(goal)
    plain = described(bench, target)
    if any(row.get(name) != value for name, value in plain.items()):
        row = {**plain, **systems(bench, target)}
        _write(file, row)
    late = [expert for expert in target.unified if name_of(expert) not in row["systems"]]
    if late:
        row["systems"] |= bench.alone(target, late)
        _write(file, row)
    if given.ablations:
        part = replace(target, goal=replace(goal, gold=goal.gold[: given.ablations]))
        kept = row.setdefault("ablations", [])
        if any(len(variant[OWN]["entities"]) != len(part.gold) for variant in kept):
            kept.clear()  # they are of another number of sentences
        for variant in ablate(bench, part, tuple(kept), given.factors):
            kept.append(variant)
            _write(file, row)
    bench.free()


def described(bench: Bench, target: Target) -> dict[str, Any]:
    """What decides the answers: a target's file with anything else is of another experiment."""
    return {
        "target": target.goal.name,
        "setup": {**asdict(bench.setup), "dtype": bench.given.dtype},
        "labels": list(target.goal.labels),
        "experts": [name_of(expert) for expert in target.experts],
        "gold": [compact(s.entities or (), target.goal.labels) for s in target.gold],
        "texts": [s.text for s in target.gold],
    }


def systems(bench: Bench, target: Target) -> dict[str, Any]:
    """Everything of METHOD's list on one target, and how it was got."""
    began = time.monotonic()
    answered = {
        **bench.untuned(target),
        **bench.alone(target, (*target.unified, *target.experts)),
        **bench.blind_merges(target),
        **bench.sam(target),
    }
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": _commit(),
        "machine": _machine(),
        "systems": answered,
        "hours": round((time.monotonic() - began) / 3600, 2),
    }


def _write(file: Path, row: dict[str, Any]) -> None:
    """A line for every system, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    plain = {key: value for key, value in row.items() if key not in ("systems", "ablations")}
    parts = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in plain.items()]
    systems = [f"{json.dumps(name)}: {json.dumps(system)}" for name, system in row["systems"].items()]
    parts.append('"systems": {\n' + ",\n".join(systems) + "\n}")
    if row.get("ablations"):
        parts.append('"ablations": [\n' + ",\n".join(map(json.dumps, row["ablations"])) + "\n]")
    scratch = file.with_suffix(".new")
    scratch.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    scratch.replace(file)


def as_text(results: Path) -> str:
    """The tables of the suites, as far as they are there."""
    parts = [(results / "HEAD.md").read_text(encoding="utf-8").rstrip()] if (results / "HEAD.md").exists() else []
    for suite in SUITES:
        others = sorted(path for path in (results / suite).glob("*") if path.is_dir())
        for path in (results / suite, *others):
            if rows := report.read_results(path):
                parts += section(suite if path.name == suite else f"{suite}, merged by {path.name}", rows)
    return "\n\n".join(parts) + "\n"


def section(title: str, rows: list[report.Row]) -> list[str]:
    """How the rows of a suite were made, and their tables."""
    runs = sorted({(r["date"], r["commit"], r["machine"], r["setup"]["dtype"]) for r in rows})
    made = "; ".join(f"{date}, commit {commit}, {machine}, {dtype}" for date, commit, machine, dtype in runs)
    setup = rows[0]["setup"]
    how = f"Merged by {setup['method']}, k = {setup['k']}, sample = {setup['sample']}"
    sizes = ", ".join(f"{row['target']} {len(row['gold'])}" for row in rows)
    parts = [f"## Suite {title}", f"{made}. {how}. Sentences: {sizes}."]
    parts += ["### Own types", report.main_table(rows, report.OWN)]
    parts += ["### SaM's types", report.main_table(rows, report.TYPED)]
    parts += ["### SaM compared with the others", report.claim_table(rows)]
    if title in SUITES:
        parts += ["### Vote F1 and gold F1", correlation_table(rows)]
    confirming = [row for row in rows if row["target"] not in CHOSEN_ON]
    subsets = {
        "on which no setting was chosen": confirming,
        "with a label that two or more experts cover": [row for row in rows if report.could_vote(row)],
        "on which every unified model was evaluated": report.with_all_unified(rows),
    }
    for where, some in subsets.items():
        if 0 < len(some) < len(rows):
            names = ", ".join(row["target"] for row in some)
            parts += [f"Only targets {where} ({names}):", report.claim_table(some)]
    if any(row.get("ablations") for row in rows):
        parts += [f"### Ablations, {title}", report.ablation_table(rows, CHOSEN_ON)]
    return parts


def _machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores"


def _commit() -> str:
    """What the code is: a commit, "-dirty" where it was changed since."""
    asked = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
