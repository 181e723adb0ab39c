"""Sentences, entities and words, all in character offsets of the sentence's own text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

# A word is a run of letters, digits and underscores, or one other visible character. Entities of any data
# set can be written in these units, since tokenisers never cut inside such a run (readers check it).
WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, order=True, slots=True)
class Entity:
    """A mention: ``text == sentence.text[start:end]``, offsets in characters, ``end`` exclusive."""

    start: int
    end: int
    text: str
    label: str


@dataclass(frozen=True)
class Sentence:
    """One sentence of a corpus; ``entities`` is None where no gold labels are known."""

    text: str
    entities: tuple[Entity, ...] | None = field(default=None)

    @cached_property
    def words(self) -> tuple[tuple[int, int], ...]:
        """Character offsets (start, end) of the words, in order."""
        return tuple(match.span() for match in WORD.finditer(self.text))

    def entity(self, start: int, end: int, label: str) -> Entity:
        """The entity of these character offsets."""
        return Entity(start, end, self.text[start:end], label)

    def without_labels(self) -> Sentence:
        """The same sentence as a target's corpus has it."""
        return Sentence(self.text)


def restrict(sentence: Sentence, labels: Iterable[str]) -> Sentence:
    """Keep the gold entities of these labels alone."""
    if sentence.entities is None:
        return sentence
    wanted = set(labels)
    return Sentence(sentence.text, tuple(e for e in sentence.entities if e.label in wanted))


def corpus_hash(sentences: Sequence[Sentence]) -> str:
    """SHA-256 (hex) of the texts in their order: the identity of a sample or a corpus."""
    digest = hashlib.sha256()
    for sentence in sentences:
        digest.update(sentence.text.encode())
        digest.update(b"\n")
    return digest.hexdigest()
