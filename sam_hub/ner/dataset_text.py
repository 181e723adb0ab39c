"""Read sentences without labels from the files of published data sets, enough to describe a domain.

In contrast to `sam_hub.ner.readers`, which rejects files that it can't read completely, unknown columns and rows are
skipped, and no more is read than needed.
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
LONG = 1000  # characters of a sentence; embedders read no further
_LOOKED_AT = 200  # lines that show whether a text file holds columns
# A larger row group is not opened. Rows are read in small batches, since each row can refer to a large value of the
# dictionary.
_MOST_UNPACKED = 128 * 1024 * 1024
_ROWS_AT_A_TIME = 16


def read_texts(file: Path, most: int) -> list[Sentence]:
    """Return at most ``most`` sentences from the start of a file, without labels."""
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise InputError(f"{file.name} has an unknown format", f"Known endings: {', '.join(READERS)}.")
    try:
        found = list(islice((piece for value in reader(file) for piece in _sentences(value)), most))
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise InputError(
            f"{file.name} can't be read: {' '.join(str(error).split())[:120]}", "Give a corpus instead."
        ) from error
    if not found:
        raise InputError(
            f"{file.name} holds no text in {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}", "Give a corpus instead."
        )
    return found


def _sentences(value: object) -> Iterator[Sentence]:
    """Yield the sentences of a cell, a text or a list of words. A text that is too long is cut."""
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
    """Return the value of a row in the first of `COLUMNS` that it has."""
    row = record if isinstance(record, dict) else {}
    return next((row[name] for name in COLUMNS if isinstance(row.get(name), list | str)), None)


def _json_lines(file: Path) -> Iterator[object]:
    for line in _lines(file):
        try:
            yield _cell(json.loads(line))
        except ValueError:
            continue


def _json(file: Path) -> Iterator[object]:
    """Yield cells of a list of rows, at the top or under "train" or "data", or of JSON lines in a .json file."""
    try:
        whole = json.loads(file.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError:
        yield from _json_lines(file)
        return
    if isinstance(whole, dict):
        whole = whole.get("train", whole.get("data"))
    yield from map(_cell, whole if isinstance(whole, list) else ())


def _table(file: Path) -> Iterator[object]:
    """Yield cells of tab-separated values with a known column head, or else of CoNLL columns."""
    head = [name.strip().lower() for name in next(_lines(file), "").split("\t")]
    column = next((head.index(name) for name in ("text", "sentence") if name in head), None)
    if column is None:
        yield from _columns(file)
        return
    rows = csv.reader(_lines(file), delimiter="\t", quoting=csv.QUOTE_NONE)
    yield from (row[column] for row in islice(rows, 1, None) if len(row) > column)


def _text(file: Path) -> Iterator[object]:
    """Yield one sentence a line. If most lines have a tag, read the file as CoNLL columns."""
    sample = list(islice((line for line in _lines(file) if line.strip()), _LOOKED_AT))
    if 2 * max(_tagged(sample, 0), _tagged(sample, -1)) > len(sample):
        yield from _columns(file)
    else:
        yield from (" ".join(line.split()) for line in _lines(file))


def _columns(file: Path) -> Iterator[object]:
    """Yield the words of CoNLL columns, a list a sentence. The word is last if the tag is first, else first."""
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
    """Return how many of the lines have an IOB tag in this column."""
    split = (line.split() for line in lines)
    return sum(len(row) > 1 and TAG.fullmatch(row[at]) is not None for row in split)


def _parquet(file: Path) -> Iterator[object]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise InputError(f"{file.name} can't be read without pyarrow", "Run `pip install pyarrow`.") from error
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


# By suffix. If a split exists in several formats, the first one here is preferred.
READERS: dict[str, Callable[[Path], Iterator[object]]] = {
    ".parquet": _parquet,
    ".jsonl": _json_lines,
    ".json": _json,
    **dict.fromkeys((".conll", ".bio", ".iob", ".iob2"), _columns),
    ".tsv": _table,
    ".txt": _text,
}
