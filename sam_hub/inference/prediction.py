"""Sentences in, entities out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sam_hub.inference.decoding import decode
from sam_hub.inference.grammar import AnswerGrammar, Path
from sam_hub.inference.models import LoadedModel
from sam_hub.ner.alignment import MISALIGNED, align
from sam_hub.ner.formats import PromptFormat, get_format
from sam_hub.ner.text import Entity, Sentence


@dataclass(frozen=True)
class SentenceAnswer:
    """The entities of one sentence by one model, and what was wrong with its answer.

    ``parse_failed``: it broke the format or was cut at the length limit. ``misaligned``: the number of mentions of each
    problem that `sam_hub.ner.alignment` defines. ``seconds``: since the model's previous answer.
    """

    entities: tuple[Entity, ...]
    parse_failed: bool
    misaligned: Mapping[str, int]
    seconds: float


def predict(
    loaded: LoadedModel,
    sentences: Sequence[Sentence],
    labels: Sequence[str],
    *,
    prompt_format: str = "b2ner",
    free: bool = False,
    on_answer: Callable[[int, SentenceAnswer], None] = lambda number, answer: None,
) -> list[SentenceAnswer]:
    """Ask the model for the entities of each sentence, greedily.

    Args:
        sentences: N sentences; gold entities are ignored.
        labels: the label set, in the order in which the prompt names it.
        free: decode without the grammar.
        on_answer: called with the number of a sentence and its answer as soon as it is complete.
    """
    form = get_format(prompt_format)
    answers: dict[int, SentenceAnswer] = {}
    last = time.monotonic()

    def finished(number: int, tokens: list[int], path: Path | None) -> None:
        nonlocal last
        if path is not None:  # it holds the entities
            entities, misaligned, failed = path.entities, dict.fromkeys(MISALIGNED, 0), not path.finished
        else:
            parsed = form.parse(loaded.tokenizer.decode(tokens, clean_up_tokenization_spaces=False))
            entities, misaligned = align(sentences[number], parsed.mentions, labels)
            failed = not parsed.well_formed
        before, last = last, time.monotonic()
        answers[number] = SentenceAnswer(entities, failed, misaligned, last - before)
        on_answer(number, answers[number])

    answer_tokens(loaded, sentences, labels, prompt_format=prompt_format, free=free, on_finished=finished)
    return [answers[number] for number in range(len(sentences))]


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
    form, encode = get_format(prompt_format), loaded.encode
    questions = [encode(form.question(sentence.text)) for sentence in sentences]
    limits = [longest] * len(questions) if longest else answer_limits(form, labels, questions, encode)
    grammar = None if free else AnswerGrammar(form, labels, loaded.tokenizer)
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
