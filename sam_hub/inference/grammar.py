"""The grammar of answers over tokens: which token may come next.

An answer is empty, or a sequence of pairs (label of the set, run of words of the sentence). Mentions are in the order
of the text and don't overlap. So an answer can't be malformed, endless, or contain invented mentions, and its entities
are taken from the path through the grammar instead of being parsed. A mention is its first occurrence at or after the
end of the previous mention, as in `sam_hub.ner.alignment`. If the same tokens can be read in two ways (the sentence
itself contains "; person: x"), the reading with more mentions counts, as in the parser.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from sam_hub.ner.formats import PromptFormat
from sam_hub.ner.text import Entity, Sentence

MAX_WORDS = 20  # of one mention, including punctuation


@dataclass(slots=True)
class Node:
    """A trie of token sequences.

    Attributes:
        ends: the meanings of the sequences that end here: label numbers, or (first word, last word) runs.
        reach: the largest first word of the runs below.
    """

    next: dict[int, Node] = field(default_factory=dict)
    ends: list[Any] = field(default_factory=list)
    reach: int = -1

    def add(self, tokens: Iterable[int], end: Any, reach: int = -1) -> None:
        """Add one sequence."""
        node = self
        node.reach = max(node.reach, reach)
        for token in tokens:
            node = node.next.setdefault(token, Node())
            node.reach = max(node.reach, reach)
        node.ends.append(end)


DONE = -1  # what ends in the tries between mentions where no label does


class AnswerGrammar:
    """The part of the grammar that all sentences share. Each segment is tokenized by itself, as in training."""

    def __init__(self, prompt_format: PromptFormat, labels: Sequence[str], tokenizer: Any) -> None:
        self.labels = tuple(dict.fromkeys(labels))
        self.eos = tokenizer.eos_token_id
        self._format, self._tokenizer = prompt_format, tokenizer
        self.start, self.between = Node(), Node()
        self.start.add([*self._ids(prompt_format.nothing), self.eos], DONE)
        ending = [*self._ids(prompt_format.after), *self._ids(prompt_format.closing), self.eos]
        self.between.add(ending, DONE)
        for number, label in enumerate(self.labels):
            named = self._ids(prompt_format.before(label))
            self.start.add([*self._ids(prompt_format.opening), *named], number)
            chain = [*self._ids(prompt_format.after), *self._ids(prompt_format.separator), *named]
            self.between.add(chain, number)

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False) if text else []

    def begin(self, sentence: Sentence) -> Path:
        """Return an empty answer for this sentence."""
        return Path(self, sentence, _mention_trie(sentence, self._format, self._tokenizer))


@lru_cache(maxsize=512)  # about .2 MB each
def _mention_trie(sentence: Sentence, prompt_format: PromptFormat, tokenizer: Any) -> Node:
    words = sentence.words
    runs = [(i, j) for i in range(len(words)) for j in range(i, min(len(words), i + MAX_WORDS))]
    root = Node()
    if runs:
        texts = [prompt_format.mention(sentence.text[words[i][0] : words[j][1]]) for i, j in runs]
        for run, ids in zip(runs, _encode_all(texts, tokenizer), strict=True):
            root.add(ids, run, reach=run[0])
    return root


def _encode_all(texts: list[str], tokenizer: Any) -> list[list[int]]:
    if backend := getattr(tokenizer, "backend_tokenizer", None):  # half the time, without masks and offsets
        return [encoding.ids for encoding in backend.encode_batch_fast(texts, add_special_tokens=False)]
    return tokenizer(texts, add_special_tokens=False)["input_ids"]


@dataclass(frozen=True, slots=True)
class _Thread:
    """One reading of the tokens so far. Several can be possible, because a word may look like a separator."""

    node: Node
    in_mention: bool
    label: int
    cursor: int
    entities: tuple[Entity, ...]


class Path:
    """An answer during decoding: `allowed` returns what may come next, `advance` takes a token."""

    def __init__(self, grammar: AnswerGrammar, sentence: Sentence, mentions: Node) -> None:
        self._grammar, self._sentence, self._mentions = grammar, sentence, mentions
        self._threads = [_Thread(grammar.start, False, -1, 0, ())]
        self.finished = False
        self.entities: tuple[Entity, ...] = ()

    def allowed(self) -> list[int]:
        """Return the token IDs that may come next; never empty before the answer is finished."""
        tokens: dict[int, None] = {}
        for thread in self._threads:
            for token, node in thread.node.next.items():
                if self._open(thread, node):
                    tokens[token] = None
        return list(tokens)

    def _open(self, thread: _Thread, node: Node) -> bool:
        """Return whether a thread can continue: runs start at or after the cursor, and labels need a word after it."""
        if thread.in_mention:
            return node.reach >= thread.cursor
        return thread.cursor < len(self._sentence.words) or _ends_answer(node)

    def advance(self, token: int) -> None:
        """Take the next token, which must be allowed."""
        reached: list[_Thread] = []
        for thread in self._threads:
            node = thread.node.next.get(token)
            if node is not None and self._open(thread, node):
                reached += self._enter(thread, node)
        # Threads at the same place continue equally, so only the one with most mentions is kept.
        best: dict[tuple, _Thread] = {}
        for thread in sorted(reached, key=lambda t: -len(t.entities)):
            best.setdefault((id(thread.node), thread.label, thread.cursor), thread)
        self._threads = list(best.values())
        self.entities = self._threads[0].entities
        self.finished = any(not thread.node.next for thread in self._threads)

    def _enter(self, thread: _Thread, node: Node) -> list[_Thread]:
        reached = [replace(thread, node=node)] if node.next else []
        if thread.in_mention:
            run = next((run for run in node.ends if run[0] >= thread.cursor), None)  # runs are in text order
            if run is not None:
                words, name = self._sentence.words, self._grammar.labels[thread.label]
                entity = self._sentence.entity(words[run[0]][0], words[run[1]][1], name)
                entities = (*thread.entities, entity)
                reached.append(_Thread(self._grammar.between, False, -1, run[1] + 1, entities))
            return reached
        for end in node.ends:
            if end == DONE:
                reached.append(replace(thread, node=node, label=-1))
            else:
                reached.append(replace(thread, node=self._mentions, in_mention=True, label=end))
        return reached


def _ends_answer(node: Node) -> bool:
    return DONE in node.ends or any(_ends_answer(n) for n in node.next.values())
