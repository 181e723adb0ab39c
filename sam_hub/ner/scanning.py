"""Scan a corpus before a target is created from it: what it contains, and which files can't be read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sam_hub.errors import InputError
from sam_hub.ner.readers import SUFFIXES, check_exists, labelled_within, left_out_in_words, read_file
from sam_hub.progress import SILENT, Reporter

EXAMPLES = 3


@dataclass(frozen=True)
class Scan:
    """The contents of a corpus.

    Attributes:
        labelled: the number of sentences with gold labels.
        shortest: length of the shortest sentence in characters, like ``longest``.
        unreadable: (path, reason) of files that can't be read.
        skipped: files of an unknown format.
        left_out: a sentence on files of the gold data, which are not read as corpus; empty if there are none.
    """

    files: int
    sentences: int
    characters: int
    labelled: int
    shortest: int
    longest: int
    examples: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...]
    skipped: tuple[str, ...]
    left_out: str = ""


def scan_corpus(path: Path, *, gold: Path | None = None, split: bool = False, reporter: Reporter = SILENT) -> Scan:
    """Scan a file, or every file of a folder. Files that can't be read are listed in the result.

    Args:
        gold: file or folder with the labeled sentences of the new target, if there is one.
    """
    check_exists(path)
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    labelled_files = labelled_within(path, gold)
    files = [file for file in files if file not in labelled_files]
    known = [file for file in files if path.is_file() or file.suffix.lower() in SUFFIXES]
    unreadable, lengths, labelled = [], [], 0
    examples: list[str] = []
    for number, file in enumerate(known):
        reporter.progress("read files", number, len(known), "files")
        try:
            sentences = list(read_file(file, split))
        except InputError as error:
            unreadable.append((str(file), str(error)))
            continue
        lengths += [len(sentence.text) for sentence in sentences]
        labelled += sum(sentence.entities is not None for sentence in sentences)
        examples += [sentence.text for sentence in sentences[: EXAMPLES - len(examples)]]
    reporter.progress("read files", len(known), len(known), "files")
    return Scan(
        files=len(known),
        sentences=len(lengths),
        characters=sum(lengths),
        labelled=labelled,
        shortest=min(lengths, default=0),
        longest=max(lengths, default=0),
        examples=tuple(examples),
        unreadable=tuple(unreadable),
        skipped=tuple(str(file) for file in files if file not in set(known)),
        left_out=left_out_in_words(labelled_files),
    )
