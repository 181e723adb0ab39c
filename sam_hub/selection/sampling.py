"""Selection by sampling: experts predict on sampled sentences, and are scored against each other's votes.

By default, an expert is scored against the votes of the others (leave-self-out). Otherwise, each expert would partly
score itself, and the majority would always win.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise

from sam_hub.errors import UsageError
from sam_hub.ner.text import Sentence
from sam_hub.selection.agreement import disagreements, pairwise_f1
from sam_hub.selection.ranking import UNINFORMED, Ranked, Ranking, missing_labels
from sam_hub.selection.scores import bootstrap_f1, counts
from sam_hub.selection.votes import Votes

SMALLEST, USUAL, LARGEST = 20, 40, 500  # sentences in a sample
UNREADABLE = "none of its answers could be read"


def check_size(size: int) -> None:
    """Check that a sample is large enough to be meaningful, and small enough to be quick.

    Raises:
        UsageError: it does not have 20 to 500 sentences.
    """
    if not SMALLEST <= size <= LARGEST:
        raise UsageError(
            f"A sample of {size} sentences is too {'small' if size < SMALLEST else 'large'}",
            f"Give {SMALLEST} to {LARGEST}. A corpus with fewer sentences is used completely.",
        )


def draw_sample(sentences: Sequence[Sentence], size: int, seed: int = 0) -> list[Sentence]:
    """Return a seeded sample without replacement, stratified by length, without duplicates and without labels.

    The corpus is sorted by length and cut into ``size`` strata, and one sentence is drawn from each. A corpus with
    fewer sentences is used completely.

    Raises:
        UsageError: ``size`` is not positive.
    """
    if size < 1:
        raise UsageError(f"The sample can't have {size} sentences", "Use 1 or more.")
    unique = sorted({s.text for s in sentences}, key=lambda text: (len(text), text))
    chance = random.Random(seed)
    if len(unique) > size:
        bounds = [round(i * len(unique) / size) for i in range(size + 1)]
        unique = [unique[chance.randrange(a, b)] for a, b in pairwise(bounds)]
    chance.shuffle(unique)
    return [Sentence(text) for text in unique]


def rank_by_sampling(votes: Votes) -> Ranking:
    """Rank experts by strict F1 against the votes, with a 95% bootstrap interval over sentences.

    The parameters of the ranking hold the vote options, "pseudo_entities" (how many each expert is scored against) and
    "agreement" (strict F1 between each two experts, see `sam_hub.selection.agreement`).
    """
    readable = {name: rows for name, rows in votes.predictions.items() if name not in votes.unreadable}
    agreement, rows, sizes = pairwise_f1(readable, votes.covered), [], {}
    for name, prediction in votes.predictions.items():
        pseudo_labels, compared = votes.score_against(prediction, votes.left_out(name))
        sizes[name] = sum(map(len, pseudo_labels))
        f1, low, high = bootstrap_f1(pseudo_labels, compared, votes.voting.seed)
        hits, _, answered = (int(count) for count in counts(pseudo_labels, compared).sum(axis=0))
        pairs = agreement.get(name, {}).values()
        row = Ranked(
            name,
            f1,
            low,
            high,
            votes.covered[name],
            _note(votes, name, sizes[name]),
            hits / max(1, answered),
            hits / max(1, sizes[name]),
            missing=missing_labels(votes.labels, votes.covered[name]),
            unfit=UNREADABLE if name in votes.unreadable else "",
            agreement=sum(pairs) / len(pairs) if pairs else None,
            disagreements=disagreements(votes.sentences, compared, pseudo_labels),
        )
        rows.append(row)
    rows.sort(key=lambda row: (-(row.score or 0.0), row.expert))
    parameters = {
        **asdict(votes.voting),
        "sentences": len(votes.sentences),
        "pseudo_entities": sizes,
        "agreement": agreement,
    }
    return Ranking("sampling", tuple(rows), parameters)


def _note(votes: Votes, name: str, pseudo_count: int) -> str:
    failures, covered = votes.parse_failures.get(name, 0), votes.covered[name]
    readable = name not in votes.unreadable
    notes = [] if covered else [UNINFORMED]
    if not pseudo_count:
        notes.append("the others agree on nothing")
    if not readable:
        notes.append(UNREADABLE)
    elif failures:
        notes.append(f"{failures} {'answer' if failures == 1 else 'answers'} broke the format")
    if covered and readable and name not in votes.vote_counts.voters:
        notes.append("its votes have no weight: it has no similar text")
    return "; ".join(notes)
