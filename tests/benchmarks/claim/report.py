"""Tables from the answers that were kept: every figure is computed from them when the table is written."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from sam_hub.selection.scores import counts, f1_of_sums

RESAMPLES = 1000
LEAST = 0.01  # of a lower mean F1 nothing is a multiple
SEED = re.compile(r", seed \d+$")
OWN = "own"  # an answer with the models' own types
TYPED = "typed"  # and as SaM answers, see `sam_hub.evaluation.entity_typing`
Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """A system on a target; ``counts`` of each sentence: right, to be found, said (N, 3); of the seeds, if any."""

    counts: tuple[np.ndarray, ...]
    parse_failures: float
    seconds: float

    @property
    def scores(self) -> tuple[float, float, float]:
        """Strict precision, recall and F1, micro; the mean over the seeds."""
        return tuple(np.mean([_prf(c.sum(axis=0)) for c in self.counts], axis=0))

    def resampled(self, draws: np.ndarray) -> np.ndarray:
        """F1 on resampled sentences, of shape (resamples,); the mean over the seeds."""
        return np.mean([f1_of_sums(c[draws].sum(axis=1)) for c in self.counts], axis=0)


def _prf(sums: np.ndarray) -> tuple[float, float, float]:
    right, gold, said = sums
    return (right / said if said else 0.0, right / gold if gold else 0.0, float(f1_of_sums(sums[None])[0]))


def counted(gold: Sequence, answers: Sequence) -> np.ndarray:
    """Of each sentence, how many entities are right, are to be found, and were said: shape (N, 3)."""
    return counts([[*map(tuple, row)] for row in gold], [[*map(tuple, row)] for row in answers])


def read_results(folder: Path) -> list[Row]:
    """The kept targets of a suite, by name."""
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]


def could_vote(row: Row) -> bool:
    """Whether experts could be chosen by votes: two of them at least know a label."""
    return all(of["models"] for name, of in row["systems"].items() if name.startswith("sampling only"))


def with_all_unified(rows: Sequence[Row]) -> list[Row]:
    """The targets that have an answer of every unified model that any of them has."""
    asked = [{name for name in row["systems"] if name.startswith("ner-unified")} for row in rows]
    return [row for row, names in zip(rows, asked, strict=True) if names == set().union(*asked)]


def cells_of(row: Row, types: str = OWN) -> dict[str, Cell]:
    """The systems of a target, seeds together, and the mean and the best of the single experts."""
    grouped: dict[str, list[Row]] = {}
    for name, system in row["systems"].items():
        seeded = SEED.search(name)
        grouped.setdefault(f"{SEED.sub('', name)} (3 seeds)" if seeded else name, []).append(system)
    cells = {name: _cell(row["gold"], parts, types) for name, parts in grouped.items()}
    alone = {name: cells[name] for name in row["experts"]}
    best = max(alone, key=lambda name: alone[name].scores[2])
    cells["mean single expert"] = _cell(row["gold"], [row["systems"][name] for name in alone], types)
    cells["best single expert (oracle)"] = alone[best]
    return cells


def _cell(gold: Sequence, parts: Sequence[Row], types: str) -> Cell:
    return Cell(
        tuple(counted(gold, part[types]["entities"]) for part in parts),
        mean(part[types]["parse_failures"] for part in parts),
        mean(part[types]["seconds"] for part in parts),
    )


def draws_for(row: Row) -> np.ndarray:
    """The same resamples of a target's sentences for every system, so that systems can be compared in pairs."""
    size, seed = len(row["gold"]), zlib.crc32(row["target"].encode())
    return np.random.default_rng(seed).integers(0, size, (RESAMPLES, size))


def main_table(rows: Sequence[Row], types: str) -> str:
    """A line a system: F1 and its interval on every target, and the means over the targets."""
    cells = {row["target"]: cells_of(row, types) for row in rows}
    draws = {row["target"]: draws_for(row) for row in rows}
    names = [n for n in _in_order(cells.values()) if all(n in found for found in cells.values())]
    lines = [
        f"| system | {' | '.join(cells)} | mean F1 | mean P | mean R | parse failures | seconds |",
        f"|---|{'---|' * (len(cells) + 5)}",
    ]
    for name in names:
        of = {target: found[name] for target, found in cells.items()}
        shown = [_with_interval(cell, draws[target]) for target, cell in of.items()]
        p, r, f1 = np.mean([cell.scores for cell in of.values()], axis=0)
        failed = mean(cell.parse_failures for cell in of.values())
        spent = sum(cell.seconds for cell in of.values())
        lines.append(f"| {name} | {' | '.join(shown)} | {f1:.3f} | {p:.3f} | {r:.3f} | {failed:.1%} | {spent:.0f} |")
    return "\n".join(lines)


def _in_order(tables: Iterable[Mapping[str, Cell]]) -> list[str]:
    """First what METHOD lists, then every expert alone."""
    names = list(dict.fromkeys(name for table in tables for name in table))
    experts = [n for n in names if n.startswith("ner-") and not n.startswith("ner-unified")]
    heads = ("base", "ner-unified", "mean single", "best single", "merge", "similarity", "sampling", "SaM")
    rank = {n: next((i for i, head in enumerate(heads) if n.startswith(head)), 99) for n in names}
    return [*sorted((n for n in names if n not in experts), key=rank.__getitem__), *experts]


def _with_interval(cell: Cell, draws: np.ndarray) -> str:
    low, high = np.percentile(cell.resampled(draws), [2.5, 97.5])
    return f"{cell.scores[2]:.3f} ({low:.2f}–{high:.2f})"


def claim_table(rows: Sequence[Row]) -> str:
    """SaM's mean F1 over that of what it is compared with, with the interval of the ratio (paired bootstrap).

    The interval is of the sentences; what other targets would give is not in it.
    """
    draws = [draws_for(row) for row in rows]
    cells = {types: [cells_of(row, types) for row in rows] for types in (OWN, TYPED)}
    sam = next(name for name in cells[OWN][0] if name.startswith("SaM"))
    pairs = ((OWN, OWN), (TYPED, OWN), (TYPED, TYPED))
    lines = [
        f"| {sam} compared with | own types, both | SaM's types, others own types | SaM's types, both | goal |",
        "|---|---|---|---|---|",
    ]
    bounds = {"ner-unified": 1.10, "mean single": 1.15, "best single": 0.95, "base": None, "merge": None}
    for name in _in_order(cells[OWN]):
        head = next((head for head in bounds if name.startswith(head)), None)
        if head is None or not all(name in found for found in cells[OWN]):
            continue
        ours_theirs = [([c[sam] for c in cells[ours]], [c[name] for c in cells[theirs]]) for ours, theirs in pairs]
        shown = " | ".join(_ratio(*both, draws) for both in ours_theirs)
        lines.append(f"| {name} | {shown} | {f'{bounds[head]:.2f}' if bounds[head] else ''} |")
    return "\n".join(lines)


def _ratio(ours: Sequence[Cell], theirs: Sequence[Cell], draws: Sequence[np.ndarray]) -> str:
    """The ratio of the mean F1s, and its 95% interval; empty where the lower one is next to nothing."""
    other = mean(cell.scores[2] for cell in theirs)
    if other < LEAST:
        return ""
    above, below = (
        np.mean([cell.resampled(d) for cell, d in zip(cells, draws, strict=True)], axis=0) for cells in (ours, theirs)
    )
    low, high = np.percentile(above / np.maximum(below, LEAST), [2.5, 97.5])
    return f"{mean(cell.scores[2] for cell in ours) / other:.2f} ({low:.2f}–{high:.2f})"


def ablation_table(rows: Sequence[Row], chosen_on: Sequence[str]) -> str:
    """A line a variant: SaM's mean F1 on the targets it may be chosen on, and on those that confirm it."""
    rows = [row for row in rows if row.get("ablations")]
    chosen, others = (
        ", ".join(row["target"] for row in rows if (row["target"] in chosen_on) == where) or "none yet"
        for where in (True, False)
    )
    lines = [
        f"| factor | value | {chosen}, own types | {others}, own types "
        f"| {chosen}, SaM's types | {others}, SaM's types | parse failures | seconds |",
        f"|{'---|' * 8}",
    ]
    found = [{(part["factor"], part["value"]): part for part in row["ablations"]} for row in rows]
    everywhere = [key for key in found[0] if all(key in of for of in found)]
    for key in everywhere:
        variant, parts = found[0][key], [of[key] for of in found]
        means = []
        for types, where in product((OWN, TYPED), (True, False)):
            f1 = [
                _cell(row["gold"][: len(part[types]["entities"])], [part], types).scores[2]
                for row, part in zip(rows, parts, strict=True)
                if (row["target"] in chosen_on) == where
            ]
            means.append(f"{mean(f1):.3f}" if f1 else "")
        failed, spent = (sum(p[TYPED][key] for p in parts) for key in ("parse_failures", "seconds"))
        value = f"**{variant['value']}**" if variant["default"] else variant["value"]
        lines.append(
            f"| {variant['factor']} | {value} | {' | '.join(means)} | {failed / len(parts):.1%} | {spent:.0f} |"
        )
    return "\n".join(lines)
