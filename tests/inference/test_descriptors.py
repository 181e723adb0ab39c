"""A corpus is described by the centre of its sentences, in one embedder's space."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from sam_hub.catalog.descriptors import read_descriptor, unpack
from sam_hub.errors import InputError
from sam_hub.inference.embedding import Descriptor, cosine, describe
from sam_hub.ner import Sentence
from tests.support.reporters import Recorder

COURT = [Sentence("The court dismissed the appeal."), Sentence("The judge heard both lawyers.")]
CELLS = [Sentence("The protein binds to its receptor."), Sentence("Mutations of this gene cause cancer.")]


@pytest.fixture(scope="session")
def court() -> Descriptor:
    return describe(COURT)


def test_a_descriptor_has_unit_length_and_lies_near_its_own_domain(court):
    cells, again = describe(CELLS), describe(COURT[::-1])
    assert math.isclose(math.hypot(*court.vector), 1, abs_tol=1e-5)
    assert (len(court.vector), court.count) == (384, 2)
    assert cosine(court, again) == pytest.approx(1, abs=1e-5)
    assert cosine(court, describe(COURT)) == pytest.approx(1, abs=1e-6)
    assert cosine(court, cells) < 0.5


def test_a_descriptor_survives_its_file(court):
    back = read_descriptor(court.as_dict())
    assert back.revision == court.revision
    assert unpack(back) @ court.vector == pytest.approx(1, abs=1e-4)


def test_descriptors_of_different_embedders_are_never_compared():
    ours = Descriptor("all-MiniLM-L6-v2", "aaa", 1, "0", (1.0, 0.0))
    theirs = replace(ours, embedder="e5-small", revision="bbb")
    with pytest.raises(InputError, match="all-MiniLM-L6-v2@aaa and e5-small@bbb"):
        cosine(ours, theirs)
    with pytest.raises(InputError, match="all-MiniLM-L6-v2@aaa and all-MiniLM-L6-v2@ccc"):
        cosine(ours, replace(ours, revision="ccc"))


def test_descriptors_of_different_lengths_are_refused_by_both_lengths():
    ours = Descriptor("all-MiniLM-L6-v2", "aaa", 1, "0", (1.0, 0.0))
    with pytest.raises(InputError, match="all-MiniLM-L6-v2@aaa have 2 and 3 numbers"):
        cosine(ours, replace(ours, vector=(1.0, 0.0, 0.0)))


def test_progress_counts_the_sentences_embedded():
    recorder = Recorder()
    describe([Sentence(f"Case {n}.") for n in range(300)], reporter=recorder)
    assert [(step.done, step.total) for step in recorder.steps] == [(256, 300), (300, 300)]


def test_an_empty_corpus_and_an_unknown_embedder_are_refused():
    with pytest.raises(InputError, match="empty corpus"):
        describe([])
    with pytest.raises(InputError, match="no embedder 'word2vec'"):
        describe(COURT, "word2vec")
