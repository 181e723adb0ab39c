"""Compute the descriptors of targets and experts once, and store them in the catalog.

An expert's descriptor comes from its repository, or else from the data sets that its card names, or else from the text
of its card, which is a weak source. A corpus given by the user replaces any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sam_hub.catalog import tables
from sam_hub.catalog.descriptor_sources import CARD, CORPUS, DATASET, Origin
from sam_hub.catalog.descriptors import (
    DescribedOtherwise,
    descriptors_of,
    get_descriptor,
    pack,
    put_descriptor,
    read_descriptor,
    unpack,
)
from sam_hub.catalog.engine import Catalog
from sam_hub.config import Settings
from sam_hub.errors import CatalogError, InputError, SamHubError
from sam_hub.hub.card_text import LIMIT, named_datasets, prose
from sam_hub.hub.client import Hub
from sam_hub.hub.datasets import read_dataset
from sam_hub.hub.inspection import DESCRIPTOR
from sam_hub.hub.repo_snapshot import RepoSnapshot, take_snapshot
from sam_hub.inference.embedding import Descriptor, describe, embedder_folder, embedder_revision
from sam_hub.ner.readers import read_corpus
from sam_hub.ner.text import Sentence
from sam_hub.progress import SILENT, Reporter

MOST_DATASETS = 5  # of those that a card names


@dataclass(frozen=True)
class Described:
    """An expert's descriptor, None if no source had one, and why better sources could not be used."""

    row: tables.Descriptor | None
    notes: tuple[str, ...] = ()


def _revision(settings: Settings) -> str:
    return embedder_revision(embedder_folder(settings.embedder))


def target_descriptor(catalog: Catalog, target: tables.Target, settings: Settings) -> Descriptor:
    """Return the descriptor of a target's corpus, computed once."""
    row = get_descriptor(catalog, settings.embedder, _revision(settings), target_id=target.id)
    if row is None:
        made = describe(read_corpus(Path(target.corpus_path)), settings.embedder)
        row = put_descriptor(catalog, _row(made, Origin(CORPUS), target_id=target.id))
    return _value(row)


def expert_descriptor(
    catalog: Catalog, expert: tables.Expert, settings: Settings, corpus: Sequence[Sentence] | None = None
) -> Descriptor:
    """Return the descriptor of an expert: of the given corpus, or else the stored one.

    Raises:
        InputError: there is none.
        CatalogError: the only one is by another embedder.
    """
    if corpus is not None:
        made = describe(corpus, settings.embedder)
        return _value(put_descriptor(catalog, _row(made, Origin(CORPUS), expert_id=expert.id)))
    if row := known_descriptor(catalog, expert, settings):
        return _value(row)
    if other := _described_otherwise(catalog, expert, settings):
        raise other
    raise InputError(
        f"{expert.repo} has no descriptor of its training text by {settings.embedder} at {_revision(settings)}",
        f"Run `sam-hub describe {expert.repo}`, or add --corpus FILE with text of its domain.",
    )


def known_descriptor(catalog: Catalog, expert: tables.Expert, settings: Settings) -> tables.Descriptor | None:
    """Return the stored descriptor of an expert by the settings' embedder, if there is one.

    Raises:
        InputError: there is no such embedder.
    """
    return get_descriptor(catalog, settings.embedder, _revision(settings), expert_id=expert.id)


def describe_expert(
    catalog: Catalog,
    hub: Hub,
    expert: tables.Expert,
    settings: Settings,
    reporter: Reporter = SILENT,
    *,
    again: bool = False,
    snapshot: RepoSnapshot | None = None,
) -> Described:
    """Describe an expert by its best source that can be read, unless it has a descriptor.

    Args:
        again: replace its descriptor, starting from its repository.
        snapshot: of its repository at its commit, if it was fetched before.

    Raises:
        InputError: there is no such embedder.
    """
    known = known_descriptor(catalog, expert, settings)
    if known is not None and not again:
        return Described(known)
    notes: list[str] = []
    fetch = cache(lambda: snapshot or take_snapshot(hub, expert.repo, expert.commit))
    if again and (row := _of_repository(fetch, expert, settings, notes)):
        return Described(put_descriptor(catalog, row), tuple(notes))
    if other := _described_otherwise(catalog, expert, settings):
        notes.append(other.title)
    card = _card(fetch, expert, notes)
    origin, sentences = _of_datasets(hub, named_datasets(card), notes, reporter)
    if not sentences:
        origin, sentences = Origin(CARD), prose(card)
    if not sentences:
        return Described(None, (*notes, "its card has too little text to describe it"))
    step = f"describe {expert.repo}"
    reporter.progress(step, 0, len(sentences), "sentences")
    made = describe(sentences, settings.embedder, reporter=reporter, what=step)
    row = put_descriptor(catalog, _row(made, origin, expert_id=expert.id))
    return Described(row, tuple(notes))


def _of_repository(
    fetch: Callable[[], RepoSnapshot], expert: tables.Expert, settings: Settings, notes: list[str]
) -> tables.Descriptor | None:
    """Return the descriptor in the repository, if it is by the settings' embedder."""
    try:
        content = fetch().read_json(DESCRIPTOR)
        row = read_descriptor(content) if content is not None else None
    except SamHubError as error:
        notes.append(f"its {DESCRIPTOR}: {error.title}")
        return None
    except ValueError as error:
        notes.append(f"its {DESCRIPTOR} can't be used: {error}")
        return None
    if row is None or (row.embedder, row.revision) != (settings.embedder, _revision(settings)):
        return None
    row.expert_id = expert.id
    return row


def _card(fetch: Callable[[], RepoSnapshot], expert: tables.Expert, notes: list[str]) -> str:
    """Return the expert's card from disk, or else from the Hub."""
    local = Path(expert.path or "/nowhere") / "README.md"
    if local.is_file():
        with local.open(encoding="utf-8", errors="replace") as file:
            return file.read(LIMIT)
    try:
        return fetch().card
    except SamHubError as error:
        notes.append(f"its card: {error.title}")
        return ""


def _of_datasets(hub: Hub, names: Sequence[str], notes: list[str], reporter: Reporter) -> tuple[Origin, list[Sentence]]:
    """Return the data sets that can be read, and their text."""
    if len(names) > MOST_DATASETS:
        notes.append(f"its card names {len(names)} data sets. Only {MOST_DATASETS} were read")
    texts = []
    for name in names[:MOST_DATASETS]:
        try:
            texts.append(read_dataset(hub, name, reporter))
        except SamHubError as error:
            notes.append(f"data set {name}: {error.title}")
    origin = Origin(DATASET, tuple(text.ref for text in texts))
    return origin, [sentence for text in texts for sentence in text.sentences]


def _described_otherwise(catalog: Catalog, expert: tables.Expert, settings: Settings) -> CatalogError | None:
    """Return why an expert's descriptor can't be compared with the settings' embedder; None if it has none."""
    if not (rows := descriptors_of(catalog, expert.id)):
        return None
    other = DescribedOtherwise(expert.repo, rows[0].embedder, rows[0].revision)
    return other.against(settings.embedder, _revision(settings))


def _row(made: Descriptor, origin: Origin, **owner: Any) -> tables.Descriptor:
    values = {**vars(made), "vector": pack(made.vector), "origin": str(origin)}
    return tables.Descriptor(**values, **owner)


def _value(row: tables.Descriptor) -> Descriptor:
    vector, weak = tuple(map(float, unpack(row))), Origin.parse(row.origin).weak
    return Descriptor(row.embedder, row.revision, row.count, row.sentences_sha256, vector, weak)
