"""Greedy decoding of many prompts in one batch, behind one shared prefix."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

    from sam_hub.inference.models import LoadedModel


class Constraint(Protocol):
    """What may be said next; `sam_hub.inference.grammar.Path` is one."""

    finished: bool

    def allowed(self) -> list[int]: ...

    def advance(self, token: int) -> None: ...


@dataclass(frozen=True)
class Prefix:
    """The keys and values of the shared part of the prompts, and its length in tokens."""

    cache: Any
    length: int


def compute_prefix(loaded: LoadedModel, ids: Sequence[int]) -> Prefix:
    """Run the shared part once."""
    import torch

    with torch.inference_mode():
        tokens = torch.tensor([list(ids)], device=loaded.device)
        return Prefix(loaded.model.model(input_ids=tokens, use_cache=True).past_key_values, len(ids))


@dataclass
class _Row:
    number: int
    constraint: Constraint | None
    said: list[int]
    limit: int


def decode(
    loaded: LoadedModel,
    prefix: Prefix,
    questions: Sequence[Sequence[int]],
    constraints: Sequence[Constraint] | None,
    limits: Sequence[int],
    on_finished: Callable[[int], None] = lambda number: None,
) -> list[list[int]]:
    """Answer a batch of questions greedily; rows that are done leave the batch.

    Args:
        questions: B token lists, none empty; they are padded on the left.
        constraints: B grammars, or None for free decoding; a finished one ends its row.
        limits: at most so many tokens for each answer.

    Returns:
        B token lists without the end-of-sequence token.
    """
    import torch

    eos = loaded.tokenizer.eos_token_id
    rows = [_Row(i, constraints[i] if constraints else None, [], limits[i]) for i in range(len(questions))]
    answers = [row.said for row in rows]
    with torch.inference_mode():
        batch = _Batch(loaded, prefix, questions)
        while rows:
            chosen = _choose(batch.logits, rows)
            going = []
            for place, (row, token) in enumerate(zip(rows, chosen, strict=True)):
                if row.constraint:
                    row.constraint.advance(token)
                ended = token == eos or bool(row.constraint and row.constraint.finished)
                if not ended:
                    row.said.append(token)
                if ended or len(row.said) >= row.limit:
                    on_finished(row.number)
                else:
                    going.append(place)
            if len(going) < len(rows):
                rows = [rows[place] for place in going]
                batch.keep(going)
            if rows:
                batch.step([row.said[-1] for row in rows])
    return answers


def _choose(logits: torch.Tensor, rows: Sequence[_Row]) -> list[int]:
    """The likeliest allowed token of each row."""
    tokens = logits.argmax(-1).tolist()
    for place, row in enumerate(rows):
        if row.constraint:
            allowed = row.constraint.allowed()
            if tokens[place] not in allowed:
                tokens[place] = allowed[int(logits[place, allowed].argmax())]
    return tokens


class _Batch:
    """The model's side of a batch: cache, mask and positions."""

    def __init__(self, loaded: LoadedModel, prefix: Prefix, questions: Sequence[Sequence[int]]) -> None:
        import torch

        self.loaded = loaded
        self.cache = copy.deepcopy(prefix.cache)
        self.cache.batch_repeat_interleave(len(questions))
        width = max(len(q) for q in questions)
        pads = [width - len(q) for q in questions]
        ids = torch.tensor([[0] * pad + list(q) for pad, q in zip(pads, questions, strict=True)])
        seen = torch.tensor([[1] * prefix.length + [0] * pad + [1] * (width - pad) for pad in pads])
        offset = torch.arange(width) - torch.tensor(pads)[:, None]
        self.mask = seen.to(loaded.device)
        self.position = (prefix.length + offset.clamp(min=0)).to(loaded.device)
        self._run(ids.to(loaded.device))

    def _run(self, ids: torch.Tensor) -> None:
        hidden = self.loaded.model.model(
            input_ids=ids,
            attention_mask=self.mask,
            position_ids=self.position,
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        self.logits = self.loaded.model.lm_head(hidden[:, -1]).float()

    def keep(self, places: list[int]) -> None:
        """Drop the other rows."""
        import torch

        if places:
            index = torch.tensor(places, device=self.loaded.device)
            self.cache.batch_select_indices(index)
            self.mask, self.position = self.mask[index], self.position[index]

    def step(self, tokens: list[int]) -> None:
        """Run one token of each row."""
        import torch

        self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=1)
        self.position = self.position[:, -1:] + 1
        self._run(torch.tensor(tokens, device=self.loaded.device)[:, None])


def batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Indices in batches of like length, the longest first (if memory runs out, it does so at once)."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    for first in range(0, len(order), size):
        yield order[first : first + size]
