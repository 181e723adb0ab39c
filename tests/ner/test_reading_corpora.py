"""A person brings text in any of the usual forms, and gets sentences, or one clear message."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_hub.errors import InputError
from sam_hub.ner import Entity, Sentence
from sam_hub.ner.readers import from_tokens, iob_spans, labels_of, read_corpus, read_text, to_jsonl


@pytest.fixture
def write(tmp_path: Path):
    def write_one(name: str, text: str | bytes) -> Path:
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write_one


def found(sentence: Sentence) -> list[tuple[str, str]]:
    return [(e.label, e.text) for e in sentence.entities or ()]


def test_a_text_file_is_a_sentence_a_line_without_labels(write):
    read = read_corpus(write("corpus.txt", "\ufeffOne  sentence.\r\n\r\n  Another one. \n"))
    assert read == [Sentence("One sentence."), Sentence("Another one.")]


def test_running_text_is_cut_where_sentences_end_and_nothing_is_lost():
    text = 'He said "Go." Then J. K. Rowling met Dr. Curie. (It was late.) "Really?" Yes! 3 left.'
    read = [sentence.text for sentence in read_text(text, split=True)]
    assert read == [
        'He said "Go."',
        "Then J. K. Rowling met Dr. Curie.",
        "(It was late.)",
        '"Really?"',
        "Yes!",
        "3 left.",
    ]
    assert " ".join(read) == text


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("IOB1", "I-person I-person B-person O I-place"),
        ("IOB2", "B-person I-person B-person O B-place"),
        ("IOBES", "B-person E-person S-person O S-place"),
    ],
)
def test_the_same_entities_come_from_every_tag_scheme(scheme, tags):
    assert iob_spans(tags.split()) == [(0, 2, "person"), (2, 3, "person"), (4, 5, "place")]


def test_an_entity_ends_where_its_label_changes():
    assert iob_spans(["B-person", "I-place", "O"]) == [(0, 1, "person"), (1, 2, "place")]


def test_conll_columns_with_comments_and_document_marks(write):
    file = write(
        "a.conll",
        "-DOCSTART- -X- O\n\n# id = 1\nMarie NNP B-person\nCurie NNP I-person\n. . O\n\nWe O\nare O\n# O\n1 O\n",
    )
    first, second = read_corpus(file)
    assert (first.text, found(first)) == ("Marie Curie.", [("person", "Marie Curie")])
    assert second.text == "We are #1"


@pytest.mark.parametrize("line", ["Curie", "Curie NNP", "Curie B-"])
def test_a_conll_line_without_a_tag_is_named(write, line):
    with pytest.raises(InputError, match=r"a\.conll, line 2"):
        read_corpus(write("a.conll", f"Marie B-person\n{line}\n"))


def test_json_lines_in_tokens_and_in_characters_say_the_same(write):
    tokens = '{"tokens": ["In", "Paris", ",", "Curie", "worked", "."], "spans": [[1, 2, "place"], [3, 4, "person"]]}'
    chars = (
        '{"text": "In Paris, Curie worked.", "entities": [{"start": 10, "end": 15, "label": "person"}, '
        '{"start": 3, "end": 8, "label": "place"}]}'
    )
    first, second = read_corpus(write("a.jsonl", f"{tokens}\n\n{chars}\n"))
    assert first == second
    assert found(first) == [("place", "Paris"), ("person", "Curie")]


def test_unlabelled_json_lines_are_not_taken_for_sentences_without_entities(write):
    unlabelled, empty = read_corpus(write("a.jsonl", '{"tokens": ["Hello"]}\n{"text": "Hello", "entities": []}\n'))
    assert unlabelled.entities is None
    assert empty.entities == ()


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[1, 2]",
        '{"words": ["a"]}',
        '{"text": 5}',
        '{"tokens": "Paris"}',
        '{"tokens": ["a"], "spans": [[0, 2, "person"]]}',
        '{"tokens": ["a", "b"], "spans": [[1, 1, "person"]]}',
        '{"text": "Paris", "entities": [{"start": 0, "end": 9, "label": "place"}]}',
        '{"text": "Paris", "entities": [{"start": 0, "label": "place"}]}',
        '{"text": "half a pair: \\ud800"}',
    ],
)
def test_a_bad_json_line_is_named(write, line):
    with pytest.raises(InputError, match=r"a\.jsonl, line 2 is not a record"):
        read_corpus(write("a.jsonl", f'{{"text": "fine"}}\n{line}\n'))


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("Obama 's dog did n't bark .", "Obama's dog didn't bark."),
        ("the ( old ) city [ 1 ] , he said", "the (old) city [1], he said"),
        ('" Yes , " she said , " go ! "', '"Yes," she said, "go!"'),
        ("“ Yes ” costs $ 5 or 10 %", "“Yes” costs $5 or 10%"),
        ("# paris and @ curie", "#paris and @curie"),
    ],
)
def test_tokens_are_joined_as_people_write(tokens, text):
    assert from_tokens(tokens.split(), None).text == text


def test_entities_follow_their_tokens_through_joining():
    tokens = ["(", "Curie", "'s", "\u00a0", '"', "Radium", '"', ")"]
    sentence = from_tokens(tokens, [(1, 3, "a"), (3, 6, "b")])
    assert sentence.text == '(Curie\'s "Radium")'
    assert found(sentence) == [("a", "Curie's"), ("b", '"Radium')]
    assert all(sentence.text[e.start : e.end] == e.text for e in sentence.entities)


def test_what_is_written_as_json_lines_is_read_back(write):
    sentences = [
        Sentence("Curie, née Skłodowska 🧪", (Entity(0, 5, "Curie", "person"),)),
        Sentence("no labels known"),
        Sentence('quotes " and \\ and a line\nand \u2028 and \x85 within', ()),
    ]
    assert read_corpus(write("a.jsonl", to_jsonl(sentences))) == sentences


def test_a_folder_is_read_file_by_file_and_other_files_are_left_alone(tmp_path, write):
    write("b.txt", "second")
    write("a.jsonl", '{"text": "first"}')
    write("notes.pdf", b"\xff\xfe")
    assert [s.text for s in read_corpus(tmp_path)] == ["first", "second"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", "\n \n", "has no sentences"),
        ("latin.txt", "Café".encode("latin-1"), r"latin\.txt is not UTF-8 text \(byte 3\)"),
        ("table.csv", "a,b", "has an unknown format"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(write, name, content, message):
    with pytest.raises(InputError, match=message):
        read_corpus(write(name, content))


def test_a_corpus_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match="There is no corpus"):
        read_corpus(tmp_path / "nowhere.txt")


def test_labels_are_listed_by_how_often_they_occur():
    sentences = [Sentence("a b c", tuple(Entity(i, i + 1, "x", la) for i, la in ((0, "z"), (2, "y"), (4, "z"))))]
    assert labels_of([*sentences, Sentence("unlabelled")]) == ("z", "y")
