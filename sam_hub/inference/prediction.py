"""Sentences in, entities out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sam_hub.inference.decoding import decode
from sam_hub.inference.grammar import AnswerGrammar, Path
from sam_hub.inference.models import LoadedModel
from sam_hub.ner.alignment import align
from sam_hub.ner.formats import PromptFormat, get_format
from sam_hub.ner.text import Entity, Sentence

# What can be wrong with a mention, as `sam_hub.ner.alignment` defines it.
MISALIGNED = ("out_of_order", "repeated", "invented", "unknown_label")


@dataclass(frozen=True)
class SentenceAnswer:
    """The entities of one sentence, and what was wrong with the answer.

    ``parse_failed``: it broke the format or was cut at the length limit; the counts are those of `Prediction`.
    """

    entities: tuple[Entity, ...]
    parse_failed: bool
    out_of_order: int = 0
    repeated: int = 0
    invented: int = 0
    unknown_label: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Prediction:
    """The entities of N sentences by one model, and what was wrong with its answers.

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
        """Return plain values for JSON; `from_dict` is the inverse."""
        values = asdict(self)
        values["entities"] = [[[e.start, e.end, e.text, e.label] for e in row] for row in self.entities]
        return values

    @classmethod
    def of(cls, answers: Sequence[SentenceAnswer]) -> Prediction:
        """Combine the answers, in the order of the sentences."""
        counts = (*MISALIGNED, "seconds")
        return cls(
            entities=tuple(answer.entities for answer in answers),
            parse_failures=sum(answer.parse_failed for answer in answers),
            **{name: sum(getattr(answer, name) for answer in answers) for name in counts},
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Prediction:
        """Return a prediction from plain values."""
        rows = tuple(tuple(Entity(*entity) for entity in row) for row in values["entities"])
        return cls(**{**values, "entities": rows})


def predict(
    loaded: LoadedModel,
    sentences: Sequence[Sentence],
    labels: Sequence[str],
    *,
    prompt_format: str = "b2ner",
    free: bool = False,
    on_answer: Callable[[int, SentenceAnswer], None] = lambda number, answer: None,
) -> Prediction:
    """Ask the model for the entities of each sentence, greedily.

    Args:
        sentences: N sentences; gold entities are ignored.
        labels: the label set, in the order in which the prompt names it.
        free: decode without the grammar.
        on_answer: called with the number of a sentence and its answer as soon as it is complete. Its seconds are those
            since the previous answer.
    """
    form = get_format(prompt_format)
    answers: dict[int, SentenceAnswer] = {}
    last = time.monotonic()

    def finished(number: int, tokens: list[int], path: Path | None) -> None:
        nonlocal last
        answer = read_answer(sentences[number], tokens, path, labels, form, loaded.tokenizer)
        now = time.monotonic()
        answers[number], last = replace(answer, seconds=now - last), now
        on_answer(number, answers[number])

    answer_tokens(loaded, sentences, labels, prompt_format=prompt_format, free=free, on_finished=finished)
    return Prediction.of([answers[number] for number in range(len(sentences))])


def answer_tokens(
    loaded: LoadedModel,
    sentences: Sequence[Sentence],
    labels: Sequence[str],
    *,
    prompt_format: str = "b2ner",
    free: bool = False,
    longest: int | None = None,
    on_finished: Callable[[int, list[int], Path | None], None] = lambda number, tokens, path: None,
) -> list[list[int]]:
    """Return the tokens of each answer.

    Args:
        longest: the maximum number of tokens of an answer; by default, as many as its sentence can need.
        on_finished: called with the number of a sentence, the tokens of its answer, and their path through the grammar
            (None if ``free``) as soon as the answer is complete.
    """
    form, tokenizer = get_format(prompt_format), loaded.tokenizer
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False)  # noqa: E731
    questions = [encode(form.question(sentence.text)) for sentence in sentences]
    limits = [longest] * len(questions) if longest else answer_limits(form, labels, questions, encode)
    grammar = None if free else AnswerGrammar(form, labels, tokenizer)
    paths = [grammar.begin(sentence.without_labels()) for sentence in sentences] if grammar else None
    return decode(
        loaded,
        encode(form.shared(labels)),
        questions,
        paths,
        limits,
        lambda number, tokens: on_finished(number, tokens, paths[number] if paths else None),
    )


def answer_limits(
    form: PromptFormat, labels: Sequence[str], questions: Sequence[Sequence[int]], encode: Callable[[str], list[int]]
) -> list[int]:
    """Return the maximum number of tokens of each answer: room for a label around each token of the text."""
    frame = max((len(encode(form.separator + form.before(x) + form.after)) for x in labels), default=0)
    return [max(3, frame) * len(question) + 32 for question in questions]


def read_answer(
    sentence: Sentence,
    tokens: Sequence[int],
    path: Path | None,
    labels: Sequence[str],
    form: PromptFormat,
    tokenizer: Any,
) -> SentenceAnswer:
    """Return the answer to one sentence.

    Args:
        path: the path through the grammar, which holds the entities. If None, the tokens are parsed.
    """
    if path is not None:
        return SentenceAnswer(path.entities, parse_failed=not path.finished)
    parsed = form.parse(tokenizer.decode(tokens, clean_up_tokenization_spaces=False))
    placed = align(sentence, parsed.mentions, labels)
    return SentenceAnswer(
        placed.entities,
        parse_failed=not parsed.well_formed,
        out_of_order=placed.out_of_order,
        repeated=placed.repeated,
        invented=placed.invented,
        unknown_label=placed.unknown_label,
    )
