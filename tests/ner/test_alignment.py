"""Mentions of an answer are found in the sentence by a stated rule; what does not fit is counted."""

from __future__ import annotations

from sam_hub.ner import Sentence
from sam_hub.ner.alignment import align

PARIS = Sentence("Paris Hilton left Paris for New Paris.")
LABELS = ("person", "place")


def spans(aligned):
    return [(e.start, e.text, e.label) for e in aligned[0]]


def test_repeated_mentions_go_to_one_occurrence_after_the_other():
    aligned = align(PARIS, [("place", "Paris"), ("place", "Paris"), ("place", "Paris")], LABELS)
    assert [start for start, _, _ in spans(aligned)] == [0, 18, 32]
    assert aligned[1]["repeated"] == 0


def test_the_mention_before_moves_the_search_onwards():
    aligned = align(PARIS, [("person", "Paris Hilton"), ("place", "Paris")], LABELS)
    assert spans(aligned) == [(0, "Paris Hilton", "person"), (18, "Paris", "place")]


def test_a_mention_named_too_late_is_found_and_counted():
    aligned = align(PARIS, [("place", "New Paris"), ("person", "Paris Hilton")], LABELS)
    assert spans(aligned) == [(0, "Paris Hilton", "person"), (28, "New Paris", "place")]
    assert aligned[1]["out_of_order"] == 1


def test_a_mention_whose_places_are_all_taken_is_repeated():
    aligned = align(PARIS, [("person", "Paris Hilton"), ("person", "Hilton"), ("place", "New Paris")], LABELS)
    assert (len(aligned[0]), aligned[1]["repeated"], aligned[1]["invented"]) == (2, 1, 0)


def test_what_the_sentence_does_not_say_is_invented():
    mentions = [("place", "Berlin"), ("place", "paris"), ("place", "")]
    aligned = align(PARIS, mentions, LABELS)
    assert (aligned[0], aligned[1]["invented"]) == ((), 3)


def test_a_label_that_was_not_asked_for_is_dropped():
    aligned = align(PARIS, [("city", "Paris"), ("place", "Paris")], LABELS)
    assert (spans(aligned), aligned[1]["unknown_label"]) == ([(0, "Paris", "place")], 1)


def test_mentions_stand_on_word_boundaries():
    sentence = Sentence("Parisian cafés, in Paris-Nord; café")
    assert spans(align(sentence, [("place", "Paris")], LABELS)) == [(19, "Paris", "place")]
    assert spans(align(sentence, [("place", "café")], LABELS)) == [(31, "café", "place")]
    assert align(sentence, [("place", "aris")], LABELS)[1]["invented"] == 1
