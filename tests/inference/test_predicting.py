"""Sentences in, entities out: the same ones, however they are batched and computed."""

from __future__ import annotations

import pytest
import torch

from sam_hub.inference.decoding import decode
from sam_hub.inference.grammar import AnswerGrammar
from sam_hub.inference.models import LoadedModel
from sam_hub.inference.prediction import SentenceAnswer, answer_limits, predict
from sam_hub.ner import Sentence
from sam_hub.ner.alignment import align
from sam_hub.ner.formats import answer_segments, get_format
from tests.inference.conftest import LABELS, NASTY

FORM = get_format("b2ner")


def encode(loaded: LoadedModel, text: str) -> list[int]:
    return loaded.tokenizer.encode(text, add_special_tokens=False)


def answers(loaded, sentences, *, held: bool, batch: int, limit: int = 16) -> list[list[int]]:
    grammar = AnswerGrammar(FORM, LABELS, loaded.tokenizer)
    prefix = encode(loaded, FORM.shared(LABELS))
    said = []
    for first in range(0, len(sentences), batch):
        some = sentences[first : first + batch]
        paths = [grammar.begin(s) for s in some] if held else None
        questions = [encode(loaded, FORM.question(s.text)) for s in some]
        said += decode(loaded, prefix, questions, paths, [limit] * len(some))
    return said


@pytest.mark.parametrize("held", [True, False], ids=["grammar", "free"])
def test_a_batch_answers_as_each_sentence_alone(loaded, held):
    together = answers(loaded, NASTY, held=held, batch=len(NASTY))
    alone = answers(loaded, NASTY, held=held, batch=1)
    assert together == alone
    assert len({len(a) for a in together}) > 1 or not held  # rows did leave the batch at different times


def test_the_shared_prefix_changes_nothing(loaded):
    """transformers' own greedy search over the whole prompt, without our cache, mask and positions."""
    some = NASTY[:5]
    said = answers(loaded, some, held=False, batch=4, limit=10)
    for sentence, answer in zip(some, said, strict=True):
        prompt = encode(loaded, FORM.shared(LABELS)) + encode(loaded, FORM.question(sentence.text))
        whole = loaded.model.generate(
            torch.tensor([prompt]), max_new_tokens=10, do_sample=False, attention_mask=torch.ones(1, len(prompt))
        )[0, len(prompt) :].tolist()
        eos = loaded.tokenizer.eos_token_id
        assert answer == (whole[: whole.index(eos)] if eos in whole else whole)


@pytest.mark.parametrize("form", ["b2ner", "json"])
def test_held_to_the_grammar_every_answer_names_words_of_its_sentence(loaded, form):
    found = predict(loaded, NASTY, LABELS, prompt_format=form)
    assert len(found) == len(NASTY)
    for sentence, answer in zip(NASTY, found, strict=True):
        assert align(sentence, [(e.label, e.text) for e in answer.entities], LABELS)[0] == answer.entities


@pytest.mark.parametrize("free", [False, True], ids=["grammar", "free"])
def test_each_answer_is_told_as_soon_as_it_is_there_and_the_whole_is_made_of_them(loaded, free):
    told: dict[int, SentenceAnswer] = {}
    some = NASTY[:4]
    found = predict(loaded, some, LABELS, free=free, on_answer=lambda number, answer: told.update({number: answer}))
    assert [told[number] for number in range(len(some))] == found
    assert all(answer.seconds > 0 for answer in told.values())


def test_gold_entities_are_not_looked_at(loaded):
    gold = Sentence(NASTY[0].text, (NASTY[0].entity(0, 11, "person"),))
    (answer,), (blind,) = predict(loaded, [gold], LABELS), predict(loaded, [NASTY[0]], LABELS)
    assert answer.entities == blind.entities


def test_an_untrained_model_that_answers_freely_breaks_the_form_and_that_is_counted(loaded):
    (answer,) = predict(loaded, [Sentence("Hi")], ("a",), free=True)
    assert (answer.parse_failed, answer.entities) == (True, ())


@pytest.mark.parametrize("name", ["b2ner", "json"])
def test_an_answer_may_name_every_word_of_a_list_of_names(loaded, name):
    form, sentence = get_format(name), Sentence(" ".join(f"name{i}" for i in range(30)))
    everything = [sentence.entity(start, end, "person") for start, end in sentence.words]
    longest = sum(len(encode(loaded, part)) for part in answer_segments(form, everything))
    questions = [encode(loaded, form.question(sentence.text))]
    assert answer_limits(form, LABELS, questions, lambda text: encode(loaded, text))[0] > longest


def test_no_sentences_are_no_work(loaded):
    assert predict(loaded, [], LABELS) == []
