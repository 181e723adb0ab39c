"""A preallocated cache for the keys and values of many answers, and attention over it.

A pass runs the next tokens of several rows (questions and their answers) as one flat sequence, so that no layer
computes on padding. Only attention knows rows: a token sees the prefix, which is stored once for all rows, and the
tokens of its own row up to itself. The model is that of transformers, which calls this module by its attention
interface.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from sam_hub.errors import UnusableModel
from sam_hub.inference.fast_linear import MULTIPLE

if TYPE_CHECKING:
    import torch

NAME = "sam_hub_rows"
ROOM = 64  # tokens of an answer for which memory is allocated; longer answers get as many more


@contextmanager
def attending(model: Any) -> Iterator[None]:
    """Let a model attend through the `PrefixKVCache` that it is given in each call (``memory=``)."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _attend)
    own = model.config._attn_implementation
    try:
        model.set_attn_implementation(NAME)
    except (ValueError, ImportError) as error:
        raise UnusableModel(
            f"Models of the class {type(model).__name__} are not supported", "Choose experts of another base."
        ) from error
    try:
        yield
    finally:
        model.set_attn_implementation(own)


def _attend(layer, query, key, value, attention_mask, *, memory: PrefixKVCache, scaling=None, **options):
    """transformers' attention interface: query (1, heads, N, size) → (1, N, heads, size)."""
    scale = layer.head_dim**-0.5 if scaling is None else scaling
    rules = _Rules(scale, options.get("softcap"), options.get("sliding_window"))
    return memory.attend(layer.layer_idx, query[0], key[0], value[0], rules)[None], None


@dataclass(frozen=True)
class _Rules:
    """How a layer turns the products of queries and keys into weights."""

    scale: float
    softcap: float | None
    window: int | None

    def weights(self, products: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Softmax over the last dimension, in float32; ``hidden`` places get no weight."""
        import torch

        scores = products * self.scale
        if self.softcap:
            scores = torch.tanh(scores / self.softcap) * self.softcap
        scores = scores.masked_fill(hidden, torch.finfo(scores.dtype).min)
        return scores.softmax(-1, dtype=torch.float32).to(products.dtype)


class PrefixKVCache:
    """The keys and values of one shared prefix (P tokens) and of at most ``slots`` rows of ``width`` tokens.

    ``slots`` can be lowered when fewer rows are needed.
    """

    def __init__(self, slots: int, width: int) -> None:
        self.slots, self.width = slots, width
        self._prefix: list[tuple[torch.Tensor, torch.Tensor]] = []  # of each layer, both (heads, P, size)
        self._rows: torch.Tensor | None = None  # (layers, 2, slots, heads, width, size)
        self.current: Pass | None = None

    @property
    def prefix_length(self) -> int:
        """Return P, the length of the prefix; 0 before the prefix was run."""
        return self._prefix[0][0].shape[1] if self._prefix else 0

    def begin(self, row: int, lengths: Sequence[int], counts: Sequence[int], device: str) -> int:
        """Begin a pass over rows, and return the number of padding tokens to append.

        Args:
            row: number of the first row.
            lengths: how many tokens of each row are in the cache.
            counts: how many tokens of each row follow in this pass, at least one.
        """
        wanted = max(known + more for known, more in zip(lengths, counts, strict=True))
        if wanted > self.width:
            self._widen(max(wanted, self.width + ROOM))
        padding = -sum(counts) % MULTIPLE
        self.current = Pass(row, tuple(lengths), tuple(counts), device, self.prefix_length, padding)
        return padding

    def positions(self, count: int) -> torch.Tensor:
        """Return the positions of this pass's tokens in their texts, (count,), prefix included."""
        import torch

        if self.current is None:
            return torch.arange(count)
        places = self.current.places + self.prefix_length
        return torch.nn.functional.pad(places, (0, count - len(places)))

    def _widen(self, width: int) -> None:
        """Enlarge the rows that are left. This is rare, since few answers are much longer than expected."""
        import torch

        if self._rows is not None:
            left = self._rows[:, :, : self.slots]
            self._rows = torch.nn.functional.pad(left, (0, 0, 0, width - self.width))
        self.width = width

    def move(self, source: int, destination: int, length: int) -> None:
        """Copy a row's first ``length`` tokens to another number."""
        assert self._rows is not None
        self._rows[:, :, destination, :, :length] = self._rows[:, :, source, :, :length]

    def attend(self, number: int, query, key, value, rules: _Rules) -> torch.Tensor:
        """Compute the attention of a layer; without `begin`, the tokens are the prefix.

        Args:
            number: of the layer.
            query: (heads, N, size).
            key: (fewer heads, N, size), like ``value``.

        Returns:
            (N, heads, size).
        """
        if self.current is None:
            self._prefix.append((key, value))
            return _over_prefix(query, key, value, rules)
        if self._rows is None:
            heads, _, size = key.shape
            self._rows = _zeros((len(self._prefix), 2, self.slots, heads, self.width, size), key)
        return self.current.attend(self._rows[number], self._prefix[number], query, key, value, rules)


def _zeros(shape: Sequence[int], like: torch.Tensor) -> torch.Tensor:
    """Return zeros. Uninitialized memory could hold NaN, and a weight of 0 times NaN is NaN.

    On a CPU, numpy's zeros come untouched from the system, so parts that no row reaches take no memory. torch would
    write all of them.
    """
    import numpy
    import torch

    if like.device.type != "cpu":
        return like.new_zeros(shape)
    return torch.from_numpy(numpy.zeros(math.prod(shape) * like.itemsize, numpy.uint8)).view(like.dtype).view(*shape)


def _over_prefix(query, key, value, rules: _Rules) -> torch.Tensor:
    import torch

    heads, length, size = key.shape
    places = torch.arange(length, device=key.device)
    distance = places[:, None] - places
    hidden = distance < 0 if rules.window is None else (distance < 0) | (distance >= rules.window)
    grouped = query.view(heads, -1, length, size)
    weights = rules.weights(grouped @ key[:, None].transpose(-1, -2), hidden)
    return (weights @ value[:, None]).flatten(0, 1).transpose(0, 1)


@dataclass
class Pass:
    """The layout of a pass of N tokens: R rows from ``row`` on, each padded to T places for attention only.

    The last ``padding`` tokens belong to no row.
    """

    row: int
    lengths: tuple[int, ...]
    counts: tuple[int, ...]
    device: str
    prefix: int
    padding: int
    _hidden: dict[int | None, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        import torch

        rows, most = len(self.counts), max(self.counts)
        starts = [0, *accumulate(self.counts)]
        own = [(r, t) for r in range(rows) for t in range(self.counts[r])]
        on = lambda values: torch.tensor(values, device=self.device)  # noqa: E731
        self.rows = on([self.row + r for r, _ in own])
        self.places = on([self.lengths[r] + t for r, t in own])
        self.back = on([r * most + t for r, t in own] + [0] * self.padding)  # flat token → place in the grid
        last = [count - 1 for count in self.counts]
        self.grid = on([[starts[r] + min(t, last[r]) for t in range(most)] for r in range(rows)])  # and back
        self.width = max(known + more for known, more in zip(self.lengths, self.counts, strict=True))
        self.seen = on([[self.lengths[r] + min(t, last[r]) for t in range(most)] for r in range(rows)])

    def hidden(self, window: int | None) -> torch.Tensor:
        """Return which positions of prefix and row each token must not see, (R, 1, 1, T, P + width)."""
        import torch

        if window not in self._hidden:
            every = torch.arange(-self.prefix, self.width, device=self.device)
            distance = self.seen[:, :, None] - every
            after = (distance < 0) & (every >= 0)
            far = after if window is None else after | (distance >= window)
            self._hidden[window] = far[:, None, None]
        return self._hidden[window]

    def attend(self, memory, prefix, query, key, value, rules: _Rules) -> torch.Tensor:
        """Write the new keys and values, and attend; see `PrefixKVCache.attend`."""
        import torch

        heads, _, size = key.shape
        rows, most = self.grid.shape
        memory[0][self.rows, :, self.places] = key[:, : len(self.places)].transpose(0, 1)
        memory[1][self.rows, :, self.places] = value[:, : len(self.places)].transpose(0, 1)
        keys, values = memory[:, self.row : self.row + rows, :, : self.width]
        # Queries that share a head of keys are grouped, so that keys are not copied.
        asked = query[:, self.grid].view(heads, -1, rows, most, size)
        group = asked.shape[1]
        by_head = asked.permute(0, 2, 1, 3, 4).reshape(heads, rows * group * most, size)
        by_row = by_head.view(heads, rows, group * most, size).transpose(0, 1)
        shared = (by_head @ prefix[0].transpose(-1, -2)).view(heads, rows, group, most, -1).transpose(0, 1)
        own = (by_row @ keys.transpose(-1, -2)).view(rows, heads, group, most, -1)
        weights = rules.weights(torch.cat([shared, own], -1), self.hidden(rules.window))
        over_prefix, over_row = weights.flatten(2, 3).split([self.prefix, self.width], -1)
        over_prefix = over_prefix.transpose(0, 1).reshape(heads, -1, self.prefix)
        output = (over_prefix @ prefix[1]).view(heads, rows, group * most, size).transpose(0, 1)
        output = output + over_row @ values
        output = output.reshape(rows, heads * group, most, size).transpose(1, 2).flatten(0, 1)
        return output[self.back]
