"""The text of a data set's files, as others wrote them, without labels: enough of it to describe a domain.

`sam_hub.ner.readers` reads what a person gives, and refuses what it can't read whole. Here columns and rows that
are not known are passed over, and no more is read than was asked for.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sam_hub.errors import InputError
from sam_hub.ner.readers import TAG, from_tokens, read_text
from sam_hub.ner.text import Sentence

COLUMNS = ("tokens", "text", "sentence")  # where data sets for named entities have their sentences
LONG = 1000  # characters: what is longer is no sentence, and an embedder reads no further
_LOOKED_AT = 200  # lines that show whether a text file holds columns
# A row group that says it unpacks to more is not opened; and few rows at a time, since a dictionary of values
# can name a large one in each of them.
_MOST_UNPACKED = 128 * 1024 * 1024
_ROWS_AT_A_TIME = 16


def read_texts(file: Path, most: int) -> list[Sentence]:
    """At most ``most`` sentences from the start of a file, without labels.

    Raises:
        InputError: it is of no known kind, can't be read, or holds no text where it is looked for.
    """
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise InputError(f"{file.name} is of no known kind", f"Known endings: {', '.join(READERS)}.")
    try:
        found = list(islice((piece for value in reader(file) for piece in _sentences(value)), most))
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise InputError(
            f"{file.name} can't be read: {' '.join(str(error).split())[:120]}", "Give a corpus instead."
        ) from error
    if not found:
        raise InputError(
            f"{file.name} holds no text in {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}",
            "Give a corpus instead.",
        )
    return found


def _sentences(value: object) -> Iterator[Sentence]:
    """The text of a cell: words to be joined, or a text; what is too long for a sentence is cut."""
    if isinstance(value, list):
        text = from_tokens([word for word in value if isinstance(word, str)], None).text
    else:
        text = value if isinstance(value, str) else ""
    text = text.encode("utf-8", "ignore").decode()  # half of a surrogate pair can't be hashed
    if len(text) > LONG:
        for piece in read_text(text, split=True):
            yield Sentence(piece.text[:LONG])
    elif text.strip():
        yield Sentence(text)


def _cell(record: object) -> object:
    """What a row has in the first of `COLUMNS` that it knows."""
    row = record if isinstance(record, dict) else {}
    return next((row[name] for name in COLUMNS if isinstance(row.get(name), list | str)), None)


def _json_lines(file: Path) -> Iterator[object]:
    for line in _lines(file):
        try:
            yield _cell(json.loads(line))
        except ValueError:
            continue


def _json(file: Path) -> Iterator[object]:
    """A list of rows, by itself or under "train" or "data"; many a .json holds JSON lines."""
    try:
        whole = json.loads(file.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError:
        yield from _json_lines(file)
        return
    if isinstance(whole, dict):
        whole = whole.get("train", whole.get("data"))
    yield from map(_cell, whole if isinstance(whole, list) else ())


def _table(file: Path) -> Iterator[object]:
    """Tab-separated values under a head with a known column; else columns as CoNLL has them."""
    head = [name.strip().lower() for name in next(_lines(file), "").split("\t")]
    column = next((head.index(name) for name in ("text", "sentence") if name in head), None)
    if column is None:
        yield from _columns(file)
        return
    rows = csv.reader(_lines(file), delimiter="\t", quoting=csv.QUOTE_NONE)
    yield from (row[column] for row in islice(rows, 1, None) if len(row) > column)


def _text(file: Path) -> Iterator[object]:
    """A sentence a line, unless most lines have a tag: CoNLL's columns often come as .txt."""
    sample = list(islice((line for line in _lines(file) if line.strip()), _LOOKED_AT))
    if 2 * max(_tagged(sample, 0), _tagged(sample, -1)) > len(sample):
        yield from _columns(file)
    else:
        yield from (" ".join(line.split()) for line in _lines(file))


def _columns(file: Path) -> Iterator[object]:
    """The words of CoNLL's columns, a list a sentence. The word stands first, or last where the tag is first."""
    sample = list(islice((line for line in _lines(file) if line.strip()), _LOOKED_AT))
    at = -1 if _tagged(sample, 0) > _tagged(sample, -1) else 0
    words: list[str] = []
    for line in _lines(file):
        if line.strip() and not line.startswith(("-DOCSTART-", "# ")):
            words.append(line.split()[at])
        elif not line.strip() and words:
            yield words
            words = []
    yield words


def _tagged(lines: Iterable[str], at: int) -> int:
    """How many of the lines have an IOB tag in this column."""
    split = (line.split() for line in lines)
    return sum(len(row) > 1 and TAG.fullmatch(row[at]) is not None for row in split)


def _parquet(file: Path) -> Iterator[object]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise InputError(
            f"{file.name} can't be read without pyarrow", "Run `pip install pyarrow`."
        ) from error
    try:
        with ParquetFile(file) as opened:
            yield from _parquet_column(opened)
    except ArrowException as error:
        raise ValueError(error) from error


def _parquet_column(opened: Any) -> Iterator[object]:
    name = next((name for name in COLUMNS if name in opened.schema_arrow.names), None)
    if name is None:
        return
    for number in range(opened.num_row_groups):
        group = opened.metadata.row_group(number)
        chunks = (group.column(at) for at in range(group.num_columns))
        size = sum(c.total_uncompressed_size for c in chunks if c.path_in_schema.split(".")[0] == name)
        if size > _MOST_UNPACKED:
            raise ValueError(f"{size / 1e6:,.0f} MB of text lie in one piece")
        for batch in opened.iter_batches(_ROWS_AT_A_TIME, row_groups=[number], columns=[name]):
            yield from batch.column(0).to_pylist()


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8-sig") as opened:
        for line in opened:
            yield line.rstrip("\n")


# By ending; those that stand first are preferred where a split lies there in several.
READERS: dict[str, Callable[[Path], Iterator[object]]] = {
    ".parquet": _parquet,
    ".jsonl": _json_lines,
    ".json": _json,
    ".conll": _columns,
    ".bio": _columns,
    ".iob": _columns,
    ".iob2": _columns,
    ".tsv": _table,
    ".txt": _text,
}
