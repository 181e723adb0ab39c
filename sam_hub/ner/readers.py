"""Read corpora: plain text, CoNLL columns, JSON lines.

Tokenised data is joined to natural text ("Obama 's" becomes "Obama's"), since a target's text comes
untokenised; entities follow their tokens to character offsets.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from sam_hub.errors import InputError
from sam_hub.ner.text import Entity, Sentence

CLOSING = re.compile(r"""[,.;:!?)\]}%”’]+["'”]?|'(?:s|S|re|ve|ll|d|m)|n't|N'T""")
OPENING = re.compile(r"[(\[{$#@“]+")
# A stop (with the quotes and brackets that close after it), then space, then what may begin a sentence. An
# initial ("J. K. Rowling") or a title ("Dr. Curie") is no stop.
SENTENCE_END = re.compile(
    r"""(?<!\b[A-Z]\.)(?<!\b(?:Mr|Ms|Dr|St|vs)\.)(?<!\b(?:Mrs|Rev|Gen|Sen)\.)(?<!\bProf\.)"""
    r"""(?:(?<=[.!?])|(?<=[.!?]["'”)\]])|(?<=[.!?]["'”)\]]{2}))\s+(?=["'“(\[]*[A-Z0-9])"""
)
TAG = re.compile(r"O|[BIES]-.+")


def labelled_within(corpus: Path, gold: Path | None) -> list[Path]:
    """Return the files of a corpus folder that belong to ``gold``, a file or a folder, and are not read as corpus.

    None where the two are the same, or the corpus is but a part of them: then a person wants just these sentences.
    """
    if gold is None or not corpus.is_dir() or corpus.resolve().is_relative_to(gold.resolve()):
        return []
    return [file for file in _files(corpus) if file.resolve().is_relative_to(gold.resolve())]


def left_out_in_words(files: Sequence[Path]) -> str:
    """Return a sentence on the files of `labelled_within`; empty if there are none."""
    names = ", ".join(file.name for file in files)
    what = "is the labeled file" if len(files) == 1 else "are the labeled files"
    return f"{names} {what}: not read as corpus" if files else ""


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)


def read_corpus(path: Path, *, split: bool = False, without: Collection[Path] = ()) -> list[Sentence]:
    """Read a file, or every readable file of a folder in the order of names.

    Args:
        path: ``.txt`` (a sentence a line, or running text with ``split``), ``.conll``/``.bio`` or ``.jsonl``.
        split: cut the lines of text files into sentences.
        without: files of the folder that are not read, see `labelled_within`.
    """
    check_exists(path)
    files = [path] if path.is_file() else [file for file in _files(path) if file not in without]
    sentences = [sentence for file in files for sentence in read_file(file, split)]
    if not sentences:
        raise InputError(
            f"The corpus {path} has no sentences{' other than the labeled ones' if without else ''}",
            "Give .txt files with one sentence per line, .conll files, or .jsonl files.",
        )
    return sentences


def check_exists(corpus: Path) -> None:
    """Refuse the path of a corpus where there is none."""
    if not corpus.exists():
        raise InputError(f"There is no corpus at {corpus}", "Give a .txt, .conll, or .jsonl file, or a folder of them.")


def read_file(file: Path, split: bool = False, where: Mapping[str, str] | None = None) -> Iterator[Sentence]:
    """Yield the sentences of one file, whose ending says what it is.

    Args:
        where: of JSON lines, read only those whose fields have these values.
    """
    reader = SUFFIXES.get(file.suffix.lower())
    if reader is None:
        raise InputError(f"{file} has an unknown format", f"Known endings: {', '.join(SUFFIXES)}.")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text (byte {error.start})", "Convert it to UTF-8.") from error
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}", "Check its permissions.") from error
    if reader is _read_jsonl:
        return _read_jsonl(text, file, where)
    return read_text(text, split=split) if reader is read_text else reader(text, file)


def read_text(text: str, *, split: bool = False) -> Iterator[Sentence]:
    """Yield the sentences of plain text, one a line, or cut at sentence ends if ``split``."""
    for line in text.splitlines():
        for piece in SENTENCE_END.split(line) if split else [line]:
            if piece := " ".join(piece.split()):
                yield Sentence(piece)


def _read_conll(text: str, source: Path) -> Iterator[Sentence]:
    """Yield the sentences of CoNLL columns: the first is the token, the last its tag (IOB1, IOB2, IOBES)."""
    rows: list[tuple[str, str]] = []
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if not line.strip():
            if rows:
                yield from_tokens([token for token, _ in rows], iob_spans([tag for _, tag in rows]))
            rows = []
            continue
        columns = line.split()
        tagged = len(columns) > 1 and TAG.fullmatch(columns[-1])
        if line.startswith("-DOCSTART-") or (line.startswith("# ") and not tagged):
            continue
        if not tagged:
            raise InputError(
                f"{source}, line {number}: no token with an IOB tag", "Write one 'token tag' pair per line."
            )
        rows.append((columns[0], columns[-1]))


def iob_spans(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Return the spans (start, end exclusive, label) of IOB1, IOB2 or IOBES tags."""
    spans: list[tuple[int, int, str]] = []
    start, label = 0, ""
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        inside = prefix in ("I", "E") and name == label
        if label and not inside:
            spans.append((start, i, label))
            label = ""
        if prefix != "O" and not inside:
            start, label = i, name
    return spans


def _read_jsonl(text: str, source: Path | str, where: Mapping[str, str] | None = None) -> Iterator[Sentence]:
    """Sentences of ``{"tokens": […], "spans": [[start, end exclusive, label], …]}``, or of
    ``{"text": …, "entities": [{"start", "end", "label"}, …]}``; labels may be absent in both."""
    for number, line in enumerate(text.split("\n"), 1):  # a text may hold what splitlines() takes for an end
        if line.strip():
            try:
                record = json.loads(line)
                if all(record.get(name) == value for name, value in (where or {}).items()):
                    yield _from_record(record)
            except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
                raise InputError(
                    f"{source}, line {number} is not a record of a corpus ({type(error).__name__}: {error})",
                    'A line is {"tokens": [...], "spans": [[start, end, "label"], ...]} or {"text": "..."}.',
                ) from error


def read_records(records: Iterable[Mapping]) -> list[Sentence]:
    """Return the sentences of records as a line of JSONL holds them."""
    return list(_read_jsonl("\n".join(map(json.dumps, records)), "the records"))


def _from_record(record: dict) -> Sentence:
    if "tokens" in record:
        if not isinstance(record["tokens"], list):
            raise TypeError("the tokens are not a list")
        sentence = from_tokens(record["tokens"], record.get("spans"))
    else:
        sentence = Sentence(record["text"])
        if record.get("entities") is not None:
            found = (sentence.entity(e["start"], e["end"], e["label"]) for e in record["entities"])
            sentence = Sentence(sentence.text, tuple(sorted(found)))
    sentence.text.encode()  # fails if it is no text, or has half of a surrogate pair, which can't be written or hashed
    for entity in sentence.entities or ():
        if not (0 <= entity.start < entity.end <= len(sentence.text) and isinstance(entity.label, str)):
            raise ValueError(f"no entity from {entity.start} to {entity.end} with the label {entity.label!r}")
    return sentence


def from_tokens(tokens: Sequence[str], spans: Iterable[Sequence] | None) -> Sentence:
    """Join tokens to natural text and carry the spans over.

    Args:
        tokens: the words as the data set has them.
        spans: (start, end exclusive, label) in tokens; None where no labels are known.
    """
    text, offsets, glue, quoted = "", [], True, False
    for token in tokens:
        token = token.strip()
        if not token:  # a token of invisible characters
            offsets.append((len(text), len(text)))
            continue
        quote = token in ('"', "``", "''")
        before = glue or bool(CLOSING.fullmatch(token)) or (quote and quoted)
        start = len(text) + (0 if before else 1)
        text += token if before else f" {token}"
        offsets.append((start, len(text)))
        quoted = quoted != quote
        glue = bool(OPENING.fullmatch(token)) or (quote and quoted)
    if spans is None:
        return Sentence(text)
    found = []
    for first, last, label in spans:
        if not 0 <= first < last <= len(offsets):
            raise IndexError(f"no tokens {first} to {last}")
        start, end = offsets[first][0], offsets[last - 1][1]
        start += len(text[start:end]) - len(text[start:end].lstrip())
        found.append(Entity(start, end, text[start:end], label))
    return Sentence(text, tuple(sorted(found)))


def labels_of(sentences: Iterable[Sentence]) -> tuple[str, ...]:
    """Return the labels that occur, most frequent first."""
    counts = Counter(entity.label for sentence in sentences for entity in sentence.entities or ())
    return tuple(sorted(counts, key=lambda label: (-counts[label], label)))


def to_jsonl(sentences: Iterable[Sentence]) -> str:
    """Return JSON lines with character offsets, as `read_file` can read them."""
    lines = []
    for sentence in sentences:
        record: dict = {"text": sentence.text}
        if sentence.entities is not None:
            record["entities"] = [{"start": e.start, "end": e.end, "label": e.label} for e in sentence.entities]
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    return "".join(lines)


SUFFIXES: dict[str, Callable[..., Iterator[Sentence]]] = {
    ".txt": read_text,
    **dict.fromkeys((".conll", ".bio", ".iob", ".iob2"), _read_conll),
    ".jsonl": _read_jsonl,
}
