"""Sentences, entities and words, all in character offsets of the sentence's own text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

# A word is a run of letters, digits and underscores, or one other visible character. Entities of any data set start
# and end at such words, since tokenizers don't cut inside of them (readers check it).
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
    """One sentence of a corpus; ``entities`` is None if it has no gold labels."""

    text: str
    entities: tuple[Entity, ...] | None = field(default=None)

    @cached_property
    def words(self) -> tuple[tuple[int, int], ...]:
        """Return the character offsets (start, end) of the words, in order."""
        return tuple(match.span() for match in WORD.finditer(self.text))

    def entity(self, start: int, end: int, label: str) -> Entity:
        """Return the entity at these character offsets."""
        return Entity(start, end, self.text[start:end], label)

    def without_labels(self) -> Sentence:
        """Return the sentence without its gold labels."""
        return Sentence(self.text)


def restrict(sentence: Sentence, labels: Iterable[str]) -> Sentence:
    """Return the sentence with only the gold entities of these labels."""
    if sentence.entities is None:
        return sentence
    wanted = set(labels)
    return Sentence(sentence.text, tuple(e for e in sentence.entities if e.label in wanted))


def corpus_hash(sentences: Sequence[Sentence]) -> str:
    """Return the SHA-256 (hex) of the texts in order, which identifies a sample or a corpus."""
    digest = hashlib.sha256()
    for sentence in sentences:
        digest.update(sentence.text.encode())
        digest.update(b"\n")
    return digest.hexdigest()
