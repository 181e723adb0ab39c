"""Exact greedy decoding of many questions after one shared prefix, with as few passes as possible.

The prefix is computed once. Questions are answered in batches, longest first, and a finished row makes room for the
next question. Tokens that the grammar forces need no pass. Other tokens are guessed where an answer is likely to repeat
earlier text (prompt lookup, Saxena 2023). Guesses run together with the token before them and count only as far as the
model agrees, so the answer equals that of decoding token by token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from sam_hub.inference.fast_linear import MULTIPLE, by_columns
from sam_hub.inference.prefix_kv_cache import ROOM, PrefixKVCache, attending

if TYPE_CHECKING:
    import torch

    from sam_hub.inference.grammar import Path
    from sam_hub.inference.models import LoadedModel

SLOTS = 48  # rows in a batch
FRESH = 512  # tokens of new questions in one pass
TOKENS = 48  # of a step, with guesses; on two cores, the time per token hardly falls beyond this number
GUESS = 15  # the most of one row; with the token before them, they fill a pass
MATCH = 3  # tokens of the longest run by which a guess is looked up


class _Row:
    """A question with its answer so far."""

    def __init__(self, number: int, question: Sequence[int], constraint: Path | None, limit: int, end: int) -> None:
        self.number, self.question, self.constraint, self.limit = number, question, constraint, limit
        self.said: list[int] = []
        self.ended = False
        self.known = 0  # tokens of question and answer whose keys and values are in the cache
        self._end = end
        self._text: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}  # the last tokens, up to three → where they ended before
        self._read(question)

    def take(self, token: int) -> None:
        """Append a token and all tokens that the grammar forces after it."""
        self._say(token)
        while self.constraint and not self.ended and len(allowed := self.constraint.allowed()) == 1:
            self._say(allowed[0])

    def _say(self, token: int) -> None:
        if self.constraint:
            self.constraint.advance(token)
        self.ended = token == self._end or bool(self.constraint and self.constraint.finished)
        if not self.ended:
            self.said.append(token)
            self._read([token])
            self.ended = len(self.said) >= self.limit

    def _read(self, tokens: Iterable[int]) -> None:
        """Append to the text, and index where each run of one to three tokens ends that another token follows."""
        for token in tokens:
            for size in range(1, min(MATCH, len(self._text)) + 1):
                self._after[tuple(self._text[-size:])] = len(self._text)
            self._text.append(token)

    def fresh(self) -> list[int]:
        """Return the tokens that are not in the KV cache yet."""
        return self._text[self.known :]

    def guess(self, most: int) -> list[int]:
        """Guess the next tokens: those that followed the last tokens earlier in question or answer.

        The longest match counts, and among equals the latest. A match that reaches the end of the text is repeated.
        """
        for size in range(min(MATCH, len(self._text)), 0, -1):
            if (place := self._after.get(tuple(self._text[-size:]))) is not None:
                again = self._text[place : place + most]
                return [again[i % len(again)] for i in range(most)]
        return []


def decode(
    loaded: LoadedModel,
    prefix: Sequence[int],
    questions: Sequence[Sequence[int]],
    constraints: Sequence[Path] | None,
    limits: Sequence[int],
    on_finished: Callable[[int, list[int]], None] = lambda number, answer: None,
) -> list[list[int]]:
    """Answer questions greedily.

    Args:
        prefix: at least one token, shared by all questions.
        questions: N token lists, none empty.
        constraints: N paths through a grammar, or None for free decoding. An answer ends when its path is finished.
        limits: the maximum number of tokens of each answer.
        on_finished: called with the number of a question and its answer as soon as it is complete.

    Returns:
        N token lists without the end-of-sequence token.
    """
    import torch

    end = loaded.tokenizer.eos_token_id
    waiting = [_Row(i, q, constraints[i] if constraints else None, limits[i], end) for i, q in enumerate(questions)]
    waiting.sort(key=lambda row: len(row.question))  # the longest is taken first, from the end
    answers: list[list[int]] = [[] for _ in questions]
    if not waiting:
        return answers
    with torch.inference_mode(), attending(loaded.model), by_columns(loaded.model):
        batch = _Batch(loaded, prefix, min(SLOTS, len(waiting)), len(waiting[-1].question) + ROOM)
        while waiting or batch.rows:
            if waiting and len(batch.rows) < batch.memory.slots:
                batch.admit(_some(waiting, batch.memory.slots - len(batch.rows)))
            else:
                if not waiting:
                    batch.memory.slots = len(batch.rows)  # no other row will come
                batch.step()
            for row in batch.release():
                answers[row.number] = row.said
                on_finished(row.number, row.said)
    return answers


def _some(waiting: list[_Row], most: int) -> list[_Row]:
    """Return the next rows, as many as one pass should begin with."""
    taken = [waiting.pop()]
    tokens = len(taken[0].question)
    while waiting and len(taken) < most and tokens + len(waiting[-1].question) <= FRESH:
        taken.append(waiting.pop())
        tokens += len(taken[-1].question)
    return taken


class _Batch:
    """The rows that are being answered, numbered as in the KV cache."""

    def __init__(self, loaded: LoadedModel, prefix: Sequence[int], slots: int, width: int) -> None:
        self._loaded = loaded
        self.rows: list[_Row] = []
        self.memory = PrefixKVCache(slots, width)
        self._head = loaded.model.get_output_embeddings()
        self._run(prefix, ())

    def admit(self, rows: list[_Row]) -> None:
        """Run new questions to the first token of each answer."""
        first, self.rows = len(self.rows), [*self.rows, *rows]
        self._pass(first, rows, [[] for _ in rows])

    def step(self) -> None:
        """Run the tokens of every row since the last pass, and the guessed ones after them."""
        fresh = sum(len(row.fresh()) for row in self.rows)
        room = max(TOKENS, fresh + -fresh % MULTIPLE) - fresh
        most = min(GUESS, max(1, room // len(self.rows)))
        guesses = []
        for row in self.rows:
            guesses.append(row.guess(min(most, room)))
            room -= len(guesses[-1])
        self._pass(0, self.rows, guesses)

    def release(self) -> list[_Row]:
        """Take out the rows that are done; the last ones move to where they were."""
        done = []
        for number in reversed(range(len(self.rows))):
            if self.rows[number].ended:
                done.append(self.rows[number])
                last = self.rows.pop()
                if number < len(self.rows):
                    self.memory.move(len(self.rows), number, last.known)
                    self.rows[number] = last
        return done

    def _pass(self, first: int, rows: Sequence[_Row], guesses: Sequence[list[int]]) -> None:
        fresh = [row.fresh() for row in rows]
        runs = [[*f, *g] for f, g in zip(fresh, guesses, strict=True)]
        known, counts = [row.known for row in rows], list(map(len, runs))
        padding = self.memory.begin(first, known, counts, self._loaded.device)
        asked: list[int] = []  # the flat places after which a token is to be chosen
        start = 0
        for f, run in zip(fresh, runs, strict=True):
            asked += range(start + len(f) - 1, start + len(run))
            start += len(run)
        states = self._run([token for run in runs for token in run] + [0] * padding, asked)
        free = [] if rows[0].constraint else self._head(states).argmax(-1).tolist()
        place = 0
        for row, f, guess in zip(rows, fresh, guesses, strict=True):
            own = slice(place, place + 1 + len(guess))
            row.known += len(f) + _accept(row, guess, free[own], states[own], self._head)
            place = own.stop

    def _run(self, tokens: Sequence[int], asked: Sequence[int]) -> torch.Tensor:
        """Return the last hidden states of the ``asked`` tokens, (asked, size)."""
        import torch

        places = self.memory.positions(len(tokens))
        states = self._loaded.model.base_model(
            input_ids=torch.tensor([list(tokens)], device=self._loaded.device),
            position_ids=places[None].to(self._loaded.device),
            use_cache=False,
            memory=self.memory,
        ).last_hidden_state
        return states[0, list(asked)]


def _accept(row: _Row, guess: Sequence[int], free: Sequence[int], states: torch.Tensor, head: torch.nn.Linear) -> int:
    """Append the tokens that the model chooses to a row: those that the guess foresaw, and one more.

    Args:
        guess: G tokens.
        free: for a row without a grammar, the likeliest token after the last known one and after each guess.
        states: the last hidden states at these positions, (1 + G, size).

    Returns:
        The number of correct guesses.
    """
    import torch

    before, right = len(row.said), 0
    while True:
        if row.constraint is None:
            row.take(free[right])
        else:  # only the head's rows of the allowed tokens, about a thousandth of it
            allowed = row.constraint.allowed()
            bias = None if head.bias is None else head.bias[allowed]
            logits = torch.nn.functional.linear(states[right], head.weight[allowed], bias)
            row.take(allowed[int(logits.argmax())])
        said = row.said[before:]
        while right < min(len(guess), len(said)) and guess[right] == said[right]:
            right += 1
        if row.ended or right < len(said):
            return right
