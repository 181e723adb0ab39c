"""Score the labels of mentions by the untuned base, which completes a sentence on each mention.

An expert was trained on a few types, and calls every writer a person. Its base still knows the names of other types:
after "… In this text, Ada Lovelace is the name of", it finds "a mathematician" more likely than "a drink". So that
common words don't win everywhere, the prior of each label is subtracted. The prior is measured on the mentions of the
target's texts (batch calibration, Zhou et al., ICLR 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

    from sam_hub.inference.models import LoadedModel

VERSION = 1  # raise it when scores of the same mention change
# The continuation of the text. Two ways to name a label give fewer errors than one.
OPENING, SUBJECT = "\nIn this text,", " {mention} is"
WAYS = ((" a kind of", " {label}."), (" the name of", " {article} {label}"))
AT_ONCE = 128  # endings in a batch

Mention = tuple[str, str]
"""A sentence's text, and the mention in it."""


def score_labels(
    loaded: LoadedModel,
    mentions: Sequence[Mention],
    labels: Sequence[str],
    on_scored: Callable[[Sequence[Mention], np.ndarray], None] = lambda mentions, scores: None,
) -> np.ndarray:
    """Return log probabilities of each label for each of M mentions.

    Args:
        labels: L labels.
        on_scored: called with some mentions and their scores as soon as they are computed.

    Returns:
        Log probabilities over the labels, (M, L), float32: the mean over `WAYS`, not calibrated.
    """
    if not mentions:
        return np.zeros((0, len(labels)), np.float32)
    numbered = sorted(range(len(mentions)), key=lambda i: (len(mentions[i][0]), mentions[i][0]))
    found = np.zeros((len(mentions), len(labels)), np.float32)
    for text, numbers in groupby(numbered, key=lambda i: mentions[i][0]):
        own = list(numbers)
        found[own] = _of_one_text(loaded, text, [mentions[i][1] for i in own], labels)
        on_scored([mentions[i] for i in own], found[own])
    return found


def log_shares(scores: np.ndarray) -> np.ndarray:
    """Return log probabilities, normalized over the last axis."""
    return scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True)


def rounded(scores: np.ndarray) -> list[float]:
    """Scores as they are stored and compared: four decimals, more than they are exact to."""
    return [round(float(score), 4) for score in scores]


def prior_of(scores: np.ndarray) -> np.ndarray:
    """Return the logarithm of each label's mean probability over M mentions, (M, L) → (L,).

    To them is counted one of which all labels are equally likely, so that few mentions, or none, say little.
    """
    even = np.full((1, scores.shape[1]), -np.log(scores.shape[1]))
    return np.logaddexp.reduce(np.concatenate([scores, even]), axis=0) - np.log(len(scores) + 1)


def choose(scores: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Return the index of each mention's likeliest label relative to the prior, (M,)."""
    return np.argmax(scores - prior, axis=1)


def _of_one_text(loaded: LoadedModel, text: str, mentions: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """Return the scores of mentions of one text, (M, L); their common prefix is computed once."""
    import torch

    encode = loaded.encode
    ways = [encode(way) for way, _ in WAYS]
    endings = [encode(end.format(label=label, article=_article(label))) for _, end in WAYS for label in labels]
    subjects = [encode(SUBJECT.format(mention=mention)) for mention in mentions]
    size = max(1, AT_ONCE // len(endings))
    with torch.inference_mode():
        read = _Read.start(loaded, encode(text) + encode(OPENING))
        some = (subjects[i : i + size] for i in range(0, len(subjects), size))
        found = np.concatenate([_log_likelihoods(read, part, ways, endings) for part in some])
    each_way = found.reshape(len(mentions), len(WAYS), len(labels))
    return log_shares(log_shares(each_way).mean(axis=1))


def _article(label: str) -> str:
    return "an" if label[:1].lower() in "aeiou" else "a"


def _log_likelihoods(
    read: _Read, subjects: Sequence[Sequence[int]], ways: Sequence[Sequence[int]], endings: Sequence[Sequence[int]]
) -> np.ndarray:
    """Return log P(ending | text, subject, way) of M subjects and E endings, the same number for each way: (M, E)."""
    import torch

    named = read.times(len(subjects))
    named.go_on(subjects)
    asked = named.times(len(ways))
    before = asked.go_on(list(ways) * len(subjects))[:, -1:]
    each = len(endings) // len(ways)
    answered = asked.times(each)
    said = list(endings) * len(subjects)
    after = answered.go_on([ending[:-1] for ending in said], left=False)
    states = torch.cat([before.repeat_interleave(each, 0), after], 1)
    tokens, there = _padded(said, left=False)
    rows, places = there.nonzero(as_tuple=True)
    logs = answered.head(states[rows, places]).float().log_softmax(-1)
    likely = logs[torch.arange(len(rows)), tokens[rows, places]].cpu()
    sums = torch.zeros(len(said)).index_add_(0, rows, likely)
    return sums.reshape(len(subjects), len(endings)).numpy()


class _Read:
    """Token rows that a model has read: their KV cache, and which tokens are no padding."""

    def __init__(self, loaded: LoadedModel, memory: Any, there: torch.Tensor) -> None:
        self._loaded, self._memory, self._there = loaded, memory, there
        self.head = loaded.model.get_output_embeddings()

    @classmethod
    def start(cls, loaded: LoadedModel, tokens: Sequence[int]) -> _Read:
        """Read one row of at least one token."""
        import torch
        from transformers import DynamicCache

        read = cls(loaded, DynamicCache(config=loaded.model.config), torch.zeros(1, 0, dtype=torch.long))
        read.go_on([tokens])
        return read

    def times(self, count: int) -> _Read:
        """Return a copy with each row repeated, so that every copy can be continued by itself."""
        memory = deepcopy(self._memory)
        memory.batch_repeat_interleave(count)
        return _Read(self._loaded, memory, self._there.repeat_interleave(count, 0))

    def go_on(self, rows: Sequence[Sequence[int]], left: bool = True) -> torch.Tensor:
        """Read further tokens, and return their last hidden states, (rows, longest, size).

        Args:
            left: pad before the tokens, else after them.
        """
        import torch

        ids, real = _padded(rows, left)
        if not ids.shape[1]:
            return self.head.weight.new_zeros(len(rows), 0, self.head.in_features)
        places = (self._there.sum(1, keepdim=True) + real.cumsum(1) - 1).clamp(min=0)
        self._there = torch.cat([self._there, real], 1)
        ids, places, there = (part.to(self._loaded.device) for part in (ids, places, self._there))
        return self._loaded.model.base_model(
            input_ids=ids, attention_mask=there, position_ids=places, past_key_values=self._memory, use_cache=True
        ).last_hidden_state


def _padded(rows: Sequence[Sequence[int]], left: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows as one padded tensor, and 1 where a token is no padding, both (rows, longest)."""
    import torch

    width = max(map(len, rows))
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    there = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(len(row))
        ids[number, place], there[number, place] = torch.tensor(row, dtype=torch.long), 1
    return ids, there
