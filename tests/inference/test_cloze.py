"""A base says what kind of thing a mention is, by how it goes on after a cloze."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sam_hub.inference.label_scores import OPENING, SUBJECT, WAYS, choose, log_shares, prior_of, score_labels
from sam_hub.inference.models import LoadedModel, load_model

LABELS = ("person", "academic journal", "event", "university")
MENTIONS = (
    ("Marie Curie worked in Paris at the University of Paris .", "Marie Curie"),
    ("Zoë 🧪🧪 visited Łódź", "Łódź"),
    ("Marie Curie worked in Paris at the University of Paris .", "University of Paris"),
    ("One", "One"),
    ("Marie Curie worked in Paris at the University of Paris .", "Paris"),
)


@pytest.fixture(scope="module")
def loaded(base: Path) -> LoadedModel:
    return load_model(base, device="cpu", dtype="float32")


def one_by_one(loaded: LoadedModel, text: str, mention: str) -> np.ndarray:
    """Every label in every way by a pass of its own, by transformers alone."""
    encode = lambda words: loaded.tokenizer.encode(words, add_special_tokens=False)  # noqa: E731
    each = []
    for way, after in WAYS:
        sums = []
        for label in LABELS:
            prompt = encode(text) + encode(OPENING + SUBJECT.format(mention=mention) + way)
            said = encode(after.format(label=label, article="an" if label[0] in "aeiou" else "a"))
            with torch.no_grad():
                logits = loaded.model(torch.tensor([prompt + said])).logits[0, len(prompt) - 1 : -1]
            sums.append(float(logits.log_softmax(-1)[range(len(said)), said].sum()))
        each.append(log_shares(np.array(sums)))
    return log_shares(np.mean(each, axis=0))


def test_the_scores_are_those_of_asking_one_by_one(loaded):
    found = score_labels(loaded, MENTIONS, LABELS)
    assert np.allclose(found, [one_by_one(loaded, *mention) for mention in MENTIONS], atol=1e-4)


def test_a_mention_is_scored_alike_whatever_else_is_asked(loaded):
    together = score_labels(loaded, MENTIONS, LABELS)
    alone = [score_labels(loaded, [mention], LABELS)[0] for mention in MENTIONS]
    assert np.allclose(together, alone, atol=1e-4)


def test_scores_are_passed_on_as_they_come(loaded):
    told = {}
    found = score_labels(loaded, MENTIONS, LABELS, lambda some, rows: told.update(zip(some, rows, strict=True)))
    assert np.array_equal(found, [told[mention] for mention in MENTIONS])


def test_no_mention_is_no_work(loaded):
    assert score_labels(loaded, [], LABELS).shape == (0, len(LABELS))


def test_a_label_that_is_likely_everywhere_does_not_win_everywhere():
    """Everything is rather a "thing"; for the second mention, "river" is far likelier than it is usually."""
    scores = np.log([[0.9, 0.1], [0.6, 0.4], [0.9, 0.1]])
    assert scores.argmax(1).tolist() == [0, 0, 0]
    assert choose(scores, prior_of(scores)).tolist() == [0, 1, 0]


def test_a_single_mention_is_not_calibrated_away():
    """By itself it would be as likely as it is usually, whatever it is."""
    scores = np.log([[0.01, 0.95, 0.04]])
    assert choose(scores, prior_of(scores)).tolist() == [1]
    assert choose(scores, prior_of(scores[:0])).tolist() == [1]
