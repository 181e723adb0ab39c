"""Attention within a pack: every example sees the shared prefix and itself, computed block by block.

The pairs of tokens of two examples, which nothing may attend to, are most of all pairs of a pack. So the queries of
the prefix go over the prefix, and those of the examples, side by side as a batch, over the prefix and their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from sam_hub.training.data import EncodedPack

NAME = "pack"  # of this attention among those of transformers


@dataclass(frozen=True)
class Blocks:
    """Where a pack's P prefix tokens and its E examples of at most N tokens lie among its T tokens."""

    prefix: int  # P
    rows: torch.Tensor  # (E, N): the token of each place; where an example is shorter, token 0
    places: torch.Tensor  # (T - P,): the place, counted over (E, N), of each token behind the prefix
    prefix_bias: torch.Tensor  # (P, P), added to the scores: causal
    example_bias: torch.Tensor  # (E, 1, 1, N, P + N): the whole prefix, and causal in its own


def attend_in_blocks(model: Any) -> None:
    """From now on the model takes packs alone, with their `Blocks` as ``blocks=``."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, pack_attention)
    model.set_attn_implementation(NAME)


def blocks_of(encoded: EncodedPack, device: str, dtype: torch.dtype) -> Blocks:
    import torch

    prefix = encoded.owner.count(-1)
    sizes = [encoded.owner.count(number) for number in dict.fromkeys(encoded.owner[prefix:])]
    longest = max(sizes, default=0)
    rows = torch.zeros(len(sizes), longest, dtype=torch.long)
    taken = torch.arange(longest)[None, :] < torch.tensor(sizes, dtype=torch.long)[:, None]
    rows[taken] = torch.arange(prefix, len(encoded.ids))
    own = _causal(longest, dtype).expand(len(sizes), longest, longest)
    bias = torch.cat([torch.zeros(len(sizes), longest, prefix, dtype=dtype), own], dim=-1)
    return Blocks(
        prefix,
        rows.to(device),
        taken.flatten().nonzero().flatten().to(device),
        _causal(prefix, dtype).to(device),
        bias[:, None, None].to(device),
    )


def _causal(length: int, dtype: torch.dtype) -> torch.Tensor:
    import torch

    return torch.full((length, length), torch.finfo(dtype).min, dtype=dtype).triu(1)


def pack_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    *,
    blocks: Blocks,
    scaling: float | None = None,
    **unused: Any,
) -> tuple[torch.Tensor, None]:
    """An attention function of transformers: query (1, H, T, D), key and value (1, G, T, D) to (1, T, H, D)."""
    import torch

    heads, length, size = query.shape[1:]
    groups = key.shape[1]
    scale = 1 / math.sqrt(size) if scaling is None else scaling
    query = (query[0] * scale).view(groups, heads // groups, length, size)
    key, value = key[0], value[0]
    before = blocks.prefix
    shared = _attend(query[:, :, :before], key[:, :before], value[:, :before], blocks.prefix_bias)
    own = _attend(
        _by_example(query, blocks.rows),  # (E, G, H / G, N, D)
        _behind_prefix(key, blocks),
        _behind_prefix(value, blocks),
        blocks.example_bias,
    )
    shared = shared.permute(2, 0, 1, 3).reshape(before, heads, size)
    own = own.permute(0, 3, 1, 2, 4).reshape(-1, heads, size).index_select(0, blocks.places)
    return torch.cat([shared, own])[None], None


def _behind_prefix(all_tokens: torch.Tensor, blocks: Blocks) -> torch.Tensor:
    """(G, T, D) to (E, G, P + N, D): each example's own tokens behind those of the prefix."""
    import torch

    prefix = all_tokens[:, : blocks.prefix].expand(len(blocks.rows), -1, -1, -1)
    return torch.cat([prefix, _by_example(all_tokens, blocks.rows)], dim=2)


def _by_example(all_tokens: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """(..., T, D) to (E, ..., N, D); by `index_select`, whose way back is faster than that of an index."""
    taken = all_tokens.index_select(-2, rows.flatten()).unflatten(-2, rows.shape)
    return taken.movedim(-3, 0)


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Query (..., G, H / G, Q, D) over key and value (..., G, K, D): (..., G, H / G, Q, D)."""
    import torch

    *_, each, queries, size = query.shape
    flat = query.reshape(*query.shape[:-3], each * queries, size)  # all heads of a group share its keys
    scores = (flat @ key.transpose(-1, -2)).view(*query.shape[:-1], -1)
    shares = torch.softmax(scores + bias, dim=-1).to(value.dtype)
    return (shares.view(*flat.shape[:-1], -1) @ value).view(query.shape)
