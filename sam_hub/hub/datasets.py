"""The text of a data set on the Hub: of its train split, at one commit, a bounded amount, and no code is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from humanize import naturalsize

from sam_hub.errors import InputError
from sam_hub.hub.client import Hub
from sam_hub.hub.errors import explained
from sam_hub.hub.file_rules import RemoteFile, name_problem
from sam_hub.hub.repo_snapshot import take_snapshot
from sam_hub.ner.dataset_text import READERS, read_texts
from sam_hub.ner.text import Sentence
from sam_hub.progress import SILENT, Reporter

MOST_BYTES = 32 * 1024 * 1024  # of files that are fetched to describe a data set
MOST_SENTENCES = 20_000  # read of it: ten times what a descriptor is made of
_NO_DATA = ("readme", "licen", "requirements", "dataset_info", "labels", "config", ".")
_INSTEAD = "Give a corpus instead."


@dataclass(frozen=True)
class DatasetText:
    """Sentences of a data set, without labels; ``ref`` is ``repo@commit``."""

    ref: str
    sentences: tuple[Sentence, ...]


def read_dataset(hub: Hub, repo: str, reporter: Reporter = SILENT) -> DatasetText:
    """Return the text of a data set's train split, as the Hub has it now.

    Raises:
        NotFoundOnHub: no such data set, or no access to its files.
        HubError: the network or the Hub failed, or it is offline.
        InputError: no repository can have this name, or no split can be read.
        UnusableModel: the Hub sends other bytes than it lists.
    """
    snapshot = take_snapshot(hub, repo, repo_type="dataset")
    files = train_files(snapshot.files)
    size, done = sum(file.size for file in files), 0
    sentences: list[Sentence] = []
    with explained(hub, snapshot.repo):
        for file in files:
            reporter.progress(f"data set {repo}", done, size, "B")
            sentences += read_texts(snapshot.fetch(file), MOST_SENTENCES - len(sentences))
            done += file.size
            if len(sentences) >= MOST_SENTENCES:
                break
    return DatasetText(f"{snapshot.repo}@{snapshot.commit}", tuple(sentences))


def train_files(files: Sequence[RemoteFile]) -> tuple[RemoteFile, ...]:
    """Return the files of a data set that hold its train split, by name; the only data file if there is one.

    Raises:
        InputError: there is none, several fit, or it is too large.
    """
    data = [file for file in files if _is_data(file.path)]
    named = [file for file in data if "train" in _last_two(file.path)] or (data if len(data) == 1 else [])
    if not named:
        raise InputError("no file can be read" if not data else "no file is named as its train split", _INSTEAD)
    folders = sorted({str(PurePosixPath(file.path).parent) for file in named})
    if len(folders) > 1 and folders[0] != ".":
        raise InputError(f"it has several train splits ({', '.join(folders[:3])} …)", _INSTEAD)
    here = [file for file in named if str(PurePosixPath(file.path).parent) == folders[0]]
    kind = min((_kind(file.path) for file in here), key=list(READERS).index)
    chosen, size = [], 0
    for file in here:
        if _kind(file.path) == kind and size + file.size <= MOST_BYTES:
            chosen.append(file)
            size += file.size
    if not chosen:
        raise InputError(f"its train split is larger than {naturalsize(MOST_BYTES)}", _INSTEAD)
    return tuple(chosen)


def _is_data(path: str) -> bool:
    name = PurePosixPath(path).name.lower()
    return _kind(path) in READERS and not name_problem(path) and not name.startswith(_NO_DATA)


def _kind(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _last_two(path: str) -> str:
    """The name and its folder: the Hub's own conversions are called ``train/0000.parquet``."""
    return "/".join(path.lower().split("/")[-2:])
