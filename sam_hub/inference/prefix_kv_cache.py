"""A preallocated cache for the keys and values of many answers, and attention over it.

A pass runs the next tokens of several rows (questions and their answers) as one flat sequence, so that no layer
computes on padding. Only attention knows rows: a token sees the prefix, which is computed once and copied to every row,
and the tokens of its own row up to itself. The model is that of transformers, which calls this module by its attention
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
    """How a layer attends."""

    scale: float
    softcap: float | None
    window: int | None

    def attention(self, query, keys, values, bias) -> torch.Tensor:
        """Attend over keys and values; a bias of minus infinity hides a place.

        In bfloat16 on a CPU, `scaled_dot_product_attention` takes half the time of separate products and a softmax.
        """
        import torch

        if not self.softcap:
            attend = torch.nn.functional.scaled_dot_product_attention
            return attend(query, keys, values, attn_mask=bias, scale=self.scale)
        scores = torch.tanh(query @ keys.transpose(-1, -2) * self.scale / self.softcap) * self.softcap
        return (scores + bias).softmax(-1, dtype=torch.float32).to(query.dtype) @ values


class PrefixKVCache:
    """The keys and values of at most ``slots`` rows: a shared prefix (P tokens), and ``width`` tokens of their own.

    ``slots`` can be lowered when fewer rows are needed.
    """

    def __init__(self, slots: int, width: int) -> None:
        self.slots, self.width = slots, width
        self._prefix: list[tuple[torch.Tensor, torch.Tensor]] = []  # of each layer, both (heads, P, size)
        self._rows: torch.Tensor | None = None  # (layers, 2, slots, heads, P + width, size)
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
        """Copy a row's first ``length`` own tokens to another number."""
        assert self._rows is not None
        own = slice(self.prefix_length, self.prefix_length + length)
        self._rows[:, :, destination, :, own] = self._rows[:, :, source, :, own]

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
            length = self.prefix_length
            self._rows = _zeros((len(self._prefix), 2, self.slots, heads, length + self.width, size), key)
            for rows, prefix in zip(self._rows, self._prefix, strict=True):
                for part, kept in zip(rows, prefix, strict=True):
                    part[:, :, :length] = kept
        return self.current.attend(self._rows[number], query, key, value, rules)


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
    bias = _bias(places[:, None] - places, rules.window, query.dtype)
    grouped = query.view(heads, -1, length, size)
    return rules.attention(grouped, key[:, None], value[:, None], bias).flatten(0, 1).transpose(0, 1)


def _bias(distance: torch.Tensor, window: int | None, dtype: torch.dtype) -> torch.Tensor:
    """Return minus infinity for the places after a token, and for those further before it than a window, else 0."""
    import torch

    hidden = distance < 0 if window is None else (distance < 0) | (distance >= window)
    return torch.zeros(distance.shape, dtype=dtype, device=distance.device).masked_fill(hidden, -torch.inf)


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
    _biases: dict[int | None, torch.Tensor] = field(default_factory=dict)

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

    def bias(self, window: int | None, group: int, dtype: torch.dtype) -> torch.Tensor:
        """Return what hides places of prefix and row from the tokens of a group of heads, (R, 1, G * T, P + width)."""
        import torch

        if window not in self._biases:
            places = torch.arange(-self.prefix, self.width, device=self.device)
            self._biases[window] = _bias(self.seen[:, :, None] - places, window, dtype)[:, None].repeat(1, 1, group, 1)
        return self._biases[window]

    def attend(self, memory, query, key, value, rules: _Rules) -> torch.Tensor:
        """Write the new keys and values, and attend; see `PrefixKVCache.attend`."""
        heads, _, size = key.shape
        rows, most = self.grid.shape
        places = self.places + self.prefix
        memory[0][self.rows, :, places] = key[:, : len(places)].transpose(0, 1)
        memory[1][self.rows, :, places] = value[:, : len(places)].transpose(0, 1)
        keys, values = memory[:, self.row : self.row + rows, :, : self.prefix + self.width]
        # Queries that share a head of keys are grouped, so that keys are not copied.
        asked = query[:, self.grid].view(heads, -1, rows, most, size).permute(2, 0, 1, 3, 4)
        group = asked.shape[2]
        bias = self.bias(rules.window, group, query.dtype)
        output = rules.attention(asked.reshape(rows, heads, group * most, size), keys, values, bias)
        return output.view(rows, heads * group, most, size).transpose(1, 2).flatten(0, 1)[self.back]
