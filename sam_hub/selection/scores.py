"""Strict entity F1 from counts, and its bootstrap interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from sam_hub.selection.votes import Rows

RESAMPLES = 1000


def counts(gold: Rows, predicted: Rows) -> np.ndarray:
    """Return the number of correct, gold and predicted entities of N sentences, (N, 3)."""
    import numpy as np

    rows = [(set(g), set(p)) for g, p in zip(gold, predicted, strict=True)]
    return np.array([(len(g & p), len(g), len(p)) for g, p in rows], dtype=float).reshape(-1, 3)


def f1_of(gold: Rows, predicted: Rows) -> float:
    """Return strict micro F1; 0 if neither side has an entity."""
    return float(f1_of_sums(counts(gold, predicted).sum(axis=0)[None])[0])


def bootstrap_f1(gold: Rows, predicted: Rows, seed: int = 0) -> tuple[float, float, float]:
    """Return strict micro F1 and its 95% percentile interval over resampled sentences (Efron, 1979)."""
    import numpy as np

    counted = counts(gold, predicted)
    draws = np.random.default_rng(seed).integers(0, len(counted), (RESAMPLES, len(counted)))
    f1 = f1_of_sums(counted.sum(axis=0)[None])[0]
    low, high = np.percentile(f1_of_sums(counted[draws].sum(axis=1)), [2.5, 97.5])
    return float(f1), float(low), float(high)


def f1_of_sums(sums: np.ndarray) -> np.ndarray:
    """Return micro F1 for rows of sums as in `counts`, (N, 3) → (N,); 0 if neither side has an entity."""
    import numpy as np

    both = sums[:, 1] + sums[:, 2]
    return np.divide(2 * sums[:, 0], both, out=np.zeros(len(sums)), where=both > 0)
