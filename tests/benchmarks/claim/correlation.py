"""How well an expert's F1 against the votes predicts its F1 against the gold labels, by the weights of the votes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache

import numpy as np

from sam_hub.demo.setup import expert_folders
from sam_hub.inference.embedding import Descriptor, cosine, describe
from sam_hub.ner.text import Entity, Sentence
from sam_hub.selection.label_matching import match_labels
from sam_hub.selection.sampling import rank_by_sampling
from sam_hub.selection.scores import f1_of
from sam_hub.selection.votes import WEIGHTS, VoteOptions, collect_votes
from tests.benchmarks.claim.report import OWN, Row

FEWEST = 4  # experts that cover a label: fewer have no correlation worth a figure


@cache
def shipped() -> dict[str, tuple[tuple[str, ...], Descriptor]]:
    """Return the labels and the descriptor of each shipped expert, by name."""
    files = {
        folder.name: [json.loads((folder / f).read_text(encoding="utf-8")) for f in ("sam_hub.json", "descriptor.json")]
        for folder in expert_folders()
    }
    return {name: (tuple(about["labels"]), Descriptor(**text)) for name, (about, text) in files.items()}


def correlations(row: Row) -> dict[str, tuple[float, float]] | None:
    """Return Spearman's and Pearson's correlation over the experts that cover a label, by weights.

    None if they are too few; not a number if all have the same score.

    They vote on the target's test sentences, without their labels.
    """
    from scipy.stats import pearsonr, spearmanr

    sentences = [Sentence(text) for text in row["texts"]]

    def entities(rows: Sequence) -> list[tuple[Entity, ...]]:
        return [tuple(s.entity(a, b, row["labels"][n]) for a, b, n in r) for s, r in zip(sentences, rows, strict=True)]

    covered = {name: tuple(m.label for m in match_labels(row["labels"], shipped()[name][0])) for name in row["experts"]}
    informed = [name for name in row["experts"] if covered[name]]
    answers = {name: entities(row["systems"][name][OWN]["entities"]) for name in informed}
    gold = entities(row["gold"])
    truth = [f1_of(gold, answers[name]) for name in informed]
    if len(informed) < FEWEST:
        return None
    text = describe(sentences)
    cosines = {name: cosine(text, shipped()[name][1]) for name in informed}
    found = {}
    for weights in WEIGHTS:
        votes = collect_votes(sentences, answers, row["labels"], covered, VoteOptions(weights=weights), cosines=cosines)
        by_votes = {ranked.expert: ranked.score for ranked in rank_by_sampling(votes).rows}
        scores = [by_votes[name] for name in informed]
        found[weights] = (float(spearmanr(scores, truth)[0]), float(pearsonr(scores, truth)[0]))
    return found


def correlation_table(rows: Sequence[Row]) -> str:
    """Return a line a target: the correlation of vote F1 with gold F1, Spearman's and Pearson's, by weights."""
    by_target = {row["target"]: found for row in rows if (found := correlations(row))}
    heads = [f"{weights}, {kind}" for weights in WEIGHTS for kind in ("Spearman", "Pearson")]
    lines = [f"| target | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    values = {target: [value for w in WEIGHTS for value in found[w]] for target, found in by_target.items()}
    if len(values) > 1:
        values["mean"] = list(np.nanmean(list(values.values()), axis=0))
    lines += [
        f"| {target} | {' | '.join('–' if np.isnan(value) else f'{value:.2f}' for value in line)} |"
        for target, line in values.items()
    ]
    return "\n".join(lines)
