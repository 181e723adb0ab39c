"""Predictions are scored strictly: offsets and label, or nothing."""

from __future__ import annotations

import pytest

from sam_hub.errors import InputError
from sam_hub.ner import Sentence
from sam_hub.ner.scoring import iob2, score, score_tags
from sam_hub.ner.text import corpus_hash, restrict

TEXT = "Marie Curie worked in Paris."
PLAIN = Sentence(TEXT)
CURIE, PARIS = PLAIN.entity(0, 11, "person"), PLAIN.entity(22, 27, "place")
GOLD = Sentence(TEXT, (CURIE, PARIS))


def test_all_found_is_one():
    found = score([GOLD], [(PARIS, CURIE)])
    assert (found.precision, found.recall, found.f1, found.support) == (1.0, 1.0, 1.0, 2)


@pytest.mark.parametrize(
    "wrong",
    [PLAIN.entity(0, 11, "place"), PLAIN.entity(6, 11, "person"), PLAIN.entity(0, 18, "person")],
    ids=["label", "start", "end"],
)
def test_a_wrong_label_or_boundary_is_a_miss_and_a_false_alarm(wrong):
    found = score([GOLD], [(wrong, PARIS)])
    assert (found.precision, found.recall, found.f1) == (0.5, 0.5, 0.5)


def test_an_inside_tag_without_a_beginning_is_no_entity():
    gold = [["B-person", "I-person", "O"]]
    assert score_tags(gold, [["I-person", "I-person", "O"]]).f1 == 0.0
    assert score_tags(gold, [["B-person", "B-person", "O"]]).f1 == 0.0


def test_the_total_counts_entities_and_the_report_counts_per_type():
    found = score([GOLD, Sentence("Bob", (Sentence("Bob").entity(0, 3, "person"),))], [(CURIE, PARIS), ()])
    assert found.recall == pytest.approx(2 / 3)
    assert (found.per_type["person"].recall, found.per_type["person"].support) == (0.5, 2)
    assert found.per_type["place"].f1 == 1.0


def test_nothing_to_find_and_nothing_found_is_no_success():
    found = score([Sentence("Hello", ())], [()])
    assert (found.f1, found.support, found.per_type) == (0.0, 0, {})


def test_a_label_of_several_words_is_scored_as_one():
    art = PLAIN.entity(0, 11, "work-of art")
    assert list(score([Sentence(TEXT, (art,))], [(art,)]).per_type) == ["work-of art"]


def test_offsets_that_cut_a_word_are_refused():
    with pytest.raises(InputError, match="'Cur' splits a word"):
        iob2(PLAIN, [PLAIN.entity(6, 9, "person")])


def test_overlapping_entities_are_refused():
    with pytest.raises(InputError, match="overlap at 'Curie'"):
        iob2(PLAIN, [CURIE, PLAIN.entity(6, 11, "person")])


def test_unlabelled_sentences_cannot_be_scored():
    with pytest.raises(InputError, match="no labels"):
        score([PLAIN], [()])


def test_predictions_of_other_sentences_cannot_be_scored():
    with pytest.raises(InputError, match="2 predictions for 1 sentences"):
        score([GOLD], [(), ()])


def test_gold_is_restricted_to_the_labels_asked_for():
    assert restrict(GOLD, ["place"]).entities == (PARIS,)
    assert restrict(PLAIN, ["place"]).entities is None


def test_a_corpus_is_known_by_its_texts_and_their_order_not_by_its_labels():
    other = Sentence("Another.")
    assert corpus_hash([GOLD, other]) == corpus_hash([PLAIN, other]) != corpus_hash([other, PLAIN])
