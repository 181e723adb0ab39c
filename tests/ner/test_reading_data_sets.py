"""A data set's files come in many forms; what can be read of them is read, and no more than asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sam_hub.errors import InputError
from sam_hub.ner.dataset_text import LONG, read_texts

TWO = ["The court's ruling stands.", "She was sued."]
WORDS = [["The", "court", "'s", "ruling", "stands", "."], ["She", "was", "sued", "."]]
IOB = "-DOCSTART- O\n\nThe O\ncourt B-court\n's O\nruling O\nstands O\n. O\n\nShe O\nwas O\nsued O\n. O\n"
TAG_FIRST = "O\tThe\nB-court\tcourt\nO\t's\nO\truling\nO\tstands\nO\t.\n\nO\tShe\nO\twas\nO\tsued\nO\t.\n"


def texts(path: Path, most: int = 100) -> list[str]:
    return [sentence.text for sentence in read_texts(path, most)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.jsonl", "".join(json.dumps({"tokens": w, "ner_tags": [0]}) + "\n" for w in WORDS)),
        ("train.jsonl", "".join(json.dumps({"sentence": t, "label": 1}) + "\n" for t in TWO)),
        ("train.json", json.dumps([{"text": t} for t in TWO])),
        ("train.json", json.dumps({"version": 1, "data": [{"tokens": w} for w in WORDS]})),
        ("train.json", "".join(json.dumps({"id": 7, "text": t}) + "\n" for t in TWO)),
        ("train.conll", IOB),
        ("train.txt", IOB),
        ("train.tsv", IOB.replace(" ", "\t")),
        ("train.bio", TAG_FIRST),
        ("train.txt", "\n".join(TWO)),
        ("train.tsv", "id\ttext\n" + "".join(f'{n}\t{t}\n' for n, t in enumerate(TWO))),
    ],
)  # fmt: skip
def test_sentences_are_found_whatever_the_form(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert texts(tmp_path / name) == TWO


@pytest.mark.parametrize(("column", "values"), [("tokens", WORDS), ("text", TWO)])
def test_parquet_is_read_by_its_column(tmp_path: Path, column: str, values: list) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"id": [1, 2], column: values, "ner_tags": [[0], [1]]})
    parquet.write_table(table, tmp_path / "train.parquet")
    assert texts(tmp_path / "train.parquet") == TWO


def test_no_more_is_read_than_asked_for(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": "A dog barks."}\n' * 3 + '{"text": "half of a l')  # a file cut off
    assert texts(tmp_path / "train.jsonl", 2) == ["A dog barks."] * 2
    assert len(texts(tmp_path / "train.jsonl")) == 3


def test_a_document_is_cut_in_sentences(tmp_path: Path) -> None:
    whole = " ".join(f"Sentence number {n} is here." for n in range(100))
    (tmp_path / "train.jsonl").write_text(json.dumps({"text": whole}) + "\n" + json.dumps({"text": "x" * 5000}))
    found = texts(tmp_path / "train.jsonl", 1000)
    assert found[:2] == ["Sentence number 0 is here.", "Sentence number 1 is here."]
    assert (len(found), len(found[-1])) == (101, LONG)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("train.jsonl", '{"question": "?"}\n', "holds no text in tokens, text or sentence"),
        ("train.json", "[" * 100_000, "can't be read"),
        ("train.conll", "\udcff".encode("utf-8", "surrogateescape"), "can't be read"),
        ("train.parquet", b"PAR1 and nothing", "can't be read"),
        ("train.py", "import os", "has an unknown format"),
    ],
)
def test_what_holds_no_text_is_refused_by_name(tmp_path: Path, name: str, content, why: str) -> None:
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=rf"{name} .*{why}|{name} is {why}"):
        read_texts(tmp_path / name, 10)


def test_a_parquet_file_that_unpacks_to_too_much_is_not_opened(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    big = pyarrow.table({"text": ["x" * 40_000_000 + str(n) for n in range(4)]})
    parquet.write_table(big, tmp_path / "train.parquet", compression="zstd")
    assert (tmp_path / "train.parquet").stat().st_size < 1_000_000
    with pytest.raises(InputError, match="160 MB of text lie in one piece"):
        read_texts(tmp_path / "train.parquet", 10)
