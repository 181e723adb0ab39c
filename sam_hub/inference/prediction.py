"""Sentences in, entities out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from sam_hub.inference.decoding import decode
from sam_hub.inference.grammar import AnswerGrammar, Path
from sam_hub.inference.models import LoadedModel
from sam_hub.ner.alignment import align
from sam_hub.ner.formats import PromptFormat, get_format
from sam_hub.ner.text import Entity, Sentence


@dataclass(frozen=True)
class Prediction:
    """One model's entities over N sentences, and how the answers came out.

    ``parse_failures`` counts answers that broke the format or were cut at the length limit; the next four
    count mentions, as `sam_hub.ner.alignment` defines them.
    """

    entities: tuple[tuple[Entity, ...], ...]
    parse_failures: int
    out_of_order: int
    repeated: int
    invented: int
    unknown_label: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; `from_dict` is the inverse."""
        values = asdict(self)
        values["entities"] = [[[e.start, e.end, e.text, e.label] for e in row] for row in self.entities]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Prediction:
        """Read plain values."""
        rows = tuple(tuple(Entity(*entity) for entity in row) for row in values["entities"])
        return cls(**{**values, "entities": rows})


def predict(
    loaded: LoadedModel,
    sentences: Sequence[Sentence],
    labels: Sequence[str],
    *,
    prompt_format: str = "b2ner",
    free: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Prediction:
    """Ask the model for the entities of each sentence, greedily.

    Args:
        sentences: N sentences; gold entities are not looked at.
        labels: the label set, in the order in which the prompt names it.
        free: decode without the grammar.
        on_progress: is told (sentences done, N).
    """
    began = time.monotonic()
    form = get_format(prompt_format)
    told = count(1)
    said, paths = answer_tokens(
        loaded,
        sentences,
        labels,
        prompt_format=prompt_format,
        free=free,
        on_finished=lambda number, answer: on_progress(next(told), len(sentences)),
    )
    if free:
        texts = [loaded.tokenizer.decode(answer, clean_up_tokenization_spaces=False) for answer in said]
        return _aligned(sentences, texts, labels, form, began)
    cut = sum(not path.finished for path in paths)
    return Prediction(tuple(p.entities for p in paths), cut, 0, 0, 0, 0, time.monotonic() - began)


def answer_tokens(
    loaded: LoadedModel,
    sentences: Sequence[Sentence],
    labels: Sequence[str],
    *,
    prompt_format: str = "b2ner",
    free: bool = False,
    longest: int | None = None,
    on_finished: Callable[[int, list[int]], None] = lambda number, answer: None,
) -> tuple[list[list[int]], list[Path]]:
    """The tokens of each answer, N lists, and the N grammars that they went through (none if ``free``).

    Args:
        longest: at most so many tokens for each answer; else as many as its sentence may need.
    """
    form, tokenizer = get_format(prompt_format), loaded.tokenizer
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False)  # noqa: E731
    questions = [encode(form.question(sentence.text)) for sentence in sentences]
    limits = [longest] * len(questions) if longest else answer_limits(form, labels, questions, encode)
    grammar = None if free else AnswerGrammar(form, labels, tokenizer)
    paths = [grammar.begin(sentence.without_labels()) for sentence in sentences] if grammar else []
    prefix = encode(form.shared(labels))
    return decode(loaded, prefix, questions, paths or None, limits, on_finished), paths


def answer_limits(
    form: PromptFormat,
    labels: Sequence[str],
    questions: Sequence[Sequence[int]],
    encode: Callable[[str], list[int]],
) -> list[int]:
    """How many tokens each answer may have: for each token of the text, what stands around a mention."""
    frame = max((len(encode(form.separator + form.before(x) + form.after)) for x in labels), default=0)
    return [max(3, frame) * len(question) + 32 for question in questions]


def _aligned(
    sentences: Sequence[Sentence], answers: Sequence[str], labels: Sequence[str], form: Any, began: float
) -> Prediction:
    parsed = [form.parse(answer) for answer in answers]
    rows = [align(s, p.mentions, labels) for s, p in zip(sentences, parsed, strict=True)]
    return Prediction(
        tuple(row.entities for row in rows),
        sum(not p.well_formed for p in parsed),
        sum(row.out_of_order for row in rows),
        sum(row.repeated for row in rows),
        sum(row.invented for row in rows),
        sum(row.unknown_label for row in rows),
        time.monotonic() - began,
    )
