"""Descriptors other than a corpus's mean, to compare: the centres of its clusters, or of each label's sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from sklearn.cluster import KMeans

from sam_hub.catalog import tables
from sam_hub.inference.embedding import embed, spread
from sam_hub.ner.text import Sentence
from sam_hub.selection.ranking import Ranking
from sam_hub.training.data import read_sets
from tests.benchmarks.claim.goals import DATA, recipe_of

MEAN, CLUSTERS, LABELS = "mean", "clusters", "labels"
DESCRIPTORS = (MEAN, CLUSTERS, LABELS)
MOST = 1000
CENTRES = 8


def nearest(corpus: tuple[Sentence, ...], experts: Sequence[tables.Expert], kind: str) -> dict[str, float]:
    """How near each expert's text lies: the mean, over the corpus's sentences, of the cosine to the nearest centre."""
    target = _vectors(corpus)
    return {e.repo: float((target @ _centres(e, kind).T).max(axis=1).mean()) for e in experts}


def by_centres(ranking: Ranking, scores: Mapping[str, float]) -> Ranking:
    """The ranking's experts anew, the nearest first; ties by name."""
    order = sorted(ranking.rows, key=lambda row: (-scores[row.expert], row.expert))
    return replace(ranking, rows=tuple(replace(row, score=scores[row.expert]) for row in order))


@lru_cache(maxsize=8)
def _vectors(sentences: tuple[Sentence, ...]) -> np.ndarray:
    return np.concatenate(list(embed(spread(sentences, MOST), "all-MiniLM-L6-v2")))


_KNOWN: dict[tuple[str, str], np.ndarray] = {}


def _centres(expert: tables.Expert, kind: str) -> np.ndarray:
    """The centres of an expert's training text, of unit length: shape (number of centres, 384)."""
    key = (expert.ref, kind)
    if key not in _KNOWN:
        _KNOWN[key] = _of_clusters(expert) if kind == CLUSTERS else _of_labels(expert)
    return _KNOWN[key]


def _texts(expert: tables.Expert) -> tuple[Sentence, ...]:
    return tuple(s for part in read_sets(recipe_of(expert), DATA / "sources") for s in part.sentences)


def _of_clusters(expert: tables.Expert) -> np.ndarray:
    found = KMeans(CENTRES, n_init=3, random_state=0).fit(_vectors(_texts(expert)))
    return _unit(found.cluster_centers_)


def _of_labels(expert: tables.Expert) -> np.ndarray:
    sentences = spread(_texts(expert), MOST)
    vectors = _vectors(_texts(expert))
    labels = sorted({e.label for s in sentences for e in s.entities or ()})
    having = [[any(e.label == label for e in s.entities or ()) for s in sentences] for label in labels]
    return _unit(np.array([vectors[np.array(rows)].mean(axis=0) for rows in having]))


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
