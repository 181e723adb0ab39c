"""Whatever a model prefers, an answer held to the grammar names words of the sentence, in order."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from sam_hub.inference.grammar import MAX_WORDS, AnswerGrammar
from sam_hub.ner import Sentence
from sam_hub.ner.alignment import align
from sam_hub.ner.formats import FORMATS, answer_segments, get_format
from tests.inference.conftest import LABELS, NASTY

TRIES = 100
LONGEST = 5000  # tokens; a path that is longer would have no end


def wander(path, chance: random.Random) -> list[int]:
    """Take allowed tokens at random until the answer ends."""
    said = []
    while not path.finished and len(said) < LONGEST:
        allowed = path.allowed()
        assert allowed, f"a dead end after {len(said)} tokens"
        said.append(chance.choice(allowed))
        path.advance(said[-1])
    return said


def check(sentence: Sentence, entities, labels) -> None:
    starts, ends = zip(*sentence.words, strict=True) if sentence.words else ((), ())
    for entity in entities:
        assert entity.text == sentence.text[entity.start : entity.end]
        assert entity.start in starts
        assert entity.end in ends
        assert entity.label in labels
    assert all(a.end <= b.start for a, b in pairwise(entities))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("number", range(len(NASTY)))
def test_every_path_ends_in_an_answer_that_reads_back_as_its_entities(tokenizer, form, number):
    sentence, chance = NASTY[number], random.Random(number)
    grammar = AnswerGrammar(get_format(form), LABELS, tokenizer)
    longest = 0
    for _ in range(TRIES):
        path = grammar.begin(sentence)
        said = wander(path, chance)
        assert path.finished
        assert said[-1] == tokenizer.eos_token_id
        check(sentence, path.entities, LABELS)
        longest = max(longest, len(path.entities))
        unquoted = form == "b2ner" and any("; " in e.text for e in path.entities)
        if not unquoted:  # the one thing that b2ner's text can't say
            answer = tokenizer.decode(said[:-1], clean_up_tokenization_spaces=False)
            parsed = get_format(form).parse(answer)
            assert parsed.well_formed, answer
            entities, misaligned = align(sentence, parsed.mentions, LABELS)
            assert entities == path.entities, answer
            assert not any(misaligned.values())
    assert longest > 1 or len(sentence.words) < 2


@pytest.mark.parametrize("form", FORMATS)
def test_what_training_teaches_the_grammar_allows(tokenizer, form):
    """Gold entities at the first occurrence after the one before: the rule by which mentions are placed."""
    grammar, chance = AnswerGrammar(get_format(form), LABELS, tokenizer), random.Random(0)
    for sentence in NASTY * 5:
        gold, _ = align(sentence, mentions_of(sentence, chance), LABELS)
        taught = answer_segments(get_format(form), gold)
        tokens = [t for part in taught for t in tokenizer.encode(part, add_special_tokens=False)]
        path = grammar.begin(sentence)
        for token in [*tokens, tokenizer.eos_token_id]:
            assert token in path.allowed(), (gold, tokenizer.decode(tokens))
            path.advance(token)
        assert path.finished
        assert path.entities == leftmost(sentence, gold)


def mentions_of(sentence: Sentence, chance: random.Random) -> list[tuple[str, str]]:
    """Runs of words at random, in the order of the text, apart from each other."""
    mentions, i = [], 0
    while i < len(sentence.words):
        j = min(len(sentence.words) - 1, i + chance.randrange(3))
        text = sentence.text[sentence.words[i][0] : sentence.words[j][1]]
        if chance.random() < 0.5 and "; " not in text:
            mentions.append((chance.choice(LABELS), text))
        i = j + 1
    return mentions


def leftmost(sentence: Sentence, entities):
    return align(sentence, [(e.label, e.text) for e in entities], LABELS)[0]


def test_tokens_that_read_in_two_ways_are_read_as_the_parser_does(tokenizer):
    sentence = Sentence("x; person: y")
    path = AnswerGrammar(get_format("b2ner"), ("person",), tokenizer).begin(sentence)
    parts = (" person:", " x", ";", " person:", " y")
    for token in [t for part in parts for t in tokenizer.encode(part, add_special_tokens=False)]:
        path.advance(token)
    path.advance(tokenizer.eos_token_id)
    assert [e.text for e in path.entities] == ["x", "y"]


def test_a_text_full_of_separators_does_not_multiply_the_readings(tokenizer):
    sentence = Sentence("; ".join(["person: x"] * 12))
    path = AnswerGrammar(get_format("b2ner"), ("person", "person"), tokenizer).begin(sentence)
    parts = [" person:", " x", *[";", " person:", " x"] * 11]
    for token in [t for part in parts for t in tokenizer.encode(part, add_special_tokens=False)]:
        path.advance(token)
        assert len(path._threads) <= 3 * len(sentence.words)
    path.advance(tokenizer.eos_token_id)
    assert path.finished
    assert len(path.entities) == 12


def test_without_labels_the_only_answer_is_nothing(tokenizer):
    path = AnswerGrammar(get_format("b2ner"), (), tokenizer).begin(NASTY[0])
    said = wander(path, random.Random(0))
    assert (tokenizer.decode(said[:-1]), path.entities) == (" None", ())


def test_a_mention_has_an_end(tokenizer):
    sentence = Sentence(" ".join(f"w{i}" for i in range(2 * MAX_WORDS)))
    grammar = AnswerGrammar(get_format("b2ner"), ("person",), tokenizer)
    for seed in range(10):
        path = grammar.begin(sentence)
        wander(path, random.Random(seed))
        assert all(len(e.text.split()) <= MAX_WORDS for e in path.entities)


def test_an_answer_that_was_cut_keeps_the_mentions_it_has(tokenizer):
    path = AnswerGrammar(get_format("json"), LABELS, tokenizer).begin(NASTY[0])
    gold = [NASTY[0].entity(0, 11, "person"), NASTY[0].entity(22, 27, "location")]
    written = "".join(answer_segments(get_format("json"), gold)[:-1])
    segments = answer_segments(get_format("json"), gold)[:-2]  # neither the last bracket nor the last brace
    assert written.endswith("}")
    for token in [t for part in segments for t in tokenizer.encode(part, add_special_tokens=False)]:
        path.advance(token)
    assert not path.finished
    assert list(path.entities) == gold
