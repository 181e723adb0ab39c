"""Prompt formats: how a sentence becomes a prompt, and how an answer is written and parsed.

A prompt is ``shared(labels) + question(sentence)``. The shared part (instruction and label set) comes first, so that
its keys and values are computed once for a whole corpus. An answer is a sequence of segments. Training, grammar and
parser use the same segments and tokenize each by itself, so the grammar allows exactly the tokens that training taught.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sam_hub.errors import UsageError
from sam_hub.ner.text import Entity


@dataclass(frozen=True)
class ParsedAnswer:
    """The (label, mention) pairs of an answer, in order.

    If the answer breaks the format, ``well_formed`` is False, and the pairs are those that could be parsed.
    """

    mentions: tuple[tuple[str, str], ...]
    well_formed: bool


class PromptFormat(ABC):
    """A way to ask for entities and to write the answer.

    An answer without entities is ``nothing``. Any other answer is ``opening``, the entities in the order of the text,
    each as ``before(label)``, ``mention(text)``, ``after``, with ``separator`` between them, and ``closing``.
    """

    name: str
    instruction: str
    nothing: str
    opening = ""
    after = ""
    separator: str
    closing = ""

    def shared(self, labels: Sequence[str]) -> str:
        """Return the part of the prompt that comes before the text."""
        return f"{self.instruction}\nLabel set: {', '.join(labels)}\nText:"

    def question(self, text: str) -> str:
        """Return the part of the prompt with the text."""
        return f" {text}\nAnswer:"

    @abstractmethod
    def before(self, label: str) -> str:
        """Return what stands before a mention."""

    @abstractmethod
    def mention(self, text: str) -> str:
        """Return a mention as answers write it."""

    @abstractmethod
    def parse(self, answer: str) -> ParsedAnswer:
        """Parse an answer."""


class B2NER(PromptFormat):
    """The published answer form of B2NER (Yang et al., COLING 2025): "label: mention; label: mention".

    It has no quoting, so `parse` splits a mention that contains "; ". Decoding with the grammar is not affected,
    because its entities are not parsed.
    """

    name = "b2ner"
    instruction = (
        "Given the label set of entities, recognize all the entities in the text. "
        'The answer format is "entity label: entity; entity label: entity".'
    )
    nothing = " None"
    separator = ";"

    def before(self, label: str) -> str:
        return f" {label}:"

    def mention(self, text: str) -> str:
        return f" {text}"

    def parse(self, answer: str) -> ParsedAnswer:
        answer = answer.strip()
        if answer == "None":
            return ParsedAnswer((), True)
        found, clean = [], bool(answer)
        for piece in answer.split("; "):
            label, colon, mention = piece.partition(": ")
            if colon and label.strip() and mention.strip():
                found.append((label.strip(), mention.strip()))
            else:
                clean = False
        return ParsedAnswer(tuple(found), clean)


class Json(PromptFormat):
    """A JSON list of {"label", "mention"} objects."""

    name = "json"
    instruction = (
        "Recognize all the entities in the text, with labels of the label set. "
        'The answer is a JSON list: [{"label": "…", "mention": "…"}].'
    )
    nothing = " []"
    opening = " ["
    after = "}"
    separator = ", "
    closing = "]"

    def before(self, label: str) -> str:
        return f'{{"label": {json.dumps(label, ensure_ascii=False)}, "mention":'

    def mention(self, text: str) -> str:
        return f" {json.dumps(text, ensure_ascii=False)}"

    def parse(self, answer: str) -> ParsedAnswer:
        try:
            rows = json.loads(answer)
        except (ValueError, RecursionError):  # free decoding can open brackets endlessly
            return ParsedAnswer((), False)
        if not isinstance(rows, list):
            return ParsedAnswer((), False)
        keys = ("label", "mention")
        pairs = [tuple(row.get(key) for key in keys) for row in rows if isinstance(row, dict)]
        good: Any = tuple(pair for pair in pairs if all(isinstance(value, str) and value for value in pair))
        return ParsedAnswer(good, len(good) == len(rows))


FORMATS: dict[str, PromptFormat] = {"b2ner": B2NER(), "json": Json()}


def get_format(name: str) -> PromptFormat:
    """Return the prompt format of that name."""
    if name not in FORMATS:
        raise UsageError(f"There is no prompt format '{name}'", f"Use one of: {', '.join(FORMATS)}.")
    return FORMATS[name]


def answer_segments(prompt_format: PromptFormat, entities: Iterable[Entity]) -> list[str]:
    """Return the segments of the answer that names these entities, without empty ones."""
    ordered = sorted(entities)
    if not ordered:
        return [prompt_format.nothing]
    segments = [prompt_format.opening]
    for i, entity in enumerate(ordered):
        if i:
            segments.append(prompt_format.separator)
        segments += [prompt_format.before(entity.label), prompt_format.mention(entity.text), prompt_format.after]
    return [segment for segment in [*segments, prompt_format.closing] if segment]
