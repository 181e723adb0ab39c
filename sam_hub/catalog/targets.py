"""Targets: a corpus without labels, by name. Its texts are read once and kept beside the catalog."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import delete
from sqlmodel import col, select

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.names import resolve
from sam_hub.catalog.tables import Descriptor, Evaluation, Selection, Similarity, Target
from sam_hub.errors import CatalogError, InputError
from sam_hub.files import write_atomic
from sam_hub.ner.readers import SUFFIXES, labelled_within, read_corpus, to_jsonl
from sam_hub.ner.text import corpus_hash

LISTING = "sam-hub target list"
NAMES = "Use at most 100 characters, no / \\ @, and no . or - first."
_NAME = re.compile(r"[^./\\@\0-][^/\\@\0]{0,99}")


def faults_of(name: str, corpus: str, labels: Sequence[str], gold: str = "") -> dict[str, str]:
    """Return what stands against a target, by field ("name", "corpus", "labels", "gold"). No text is read."""
    named = "A target can't have this name." if name else "Give it a name."
    faults = {
        "name": "" if _NAME.fullmatch(name) else f"{named} {NAMES}",
        "corpus": _fault_of_path(corpus),
        "labels": _fault_of_labels(labels),
        "gold": _fault_of_path(gold) if gold else "",
    }
    return {field: fault for field, fault in faults.items() if fault}


def _fault_of_labels(labels: Sequence[str]) -> str:
    if not any(labels):
        return "Name at least one, such as person, organization."
    seen: dict[str, str] = {}
    for label in labels:
        if seen.setdefault(label.casefold(), label) != label:
            return f"{seen[label.casefold()]} and {label} are one type to an expert: name it once."
    return ""


def _fault_of_path(path: str) -> str:
    suffixes = ", ".join(SUFFIXES)
    if not path:
        return f"Give a file ({suffixes}) or a folder of them."
    try:
        file = Path(path).expanduser()
        if not file.exists():
            return "There is nothing at this path."
        return "" if file.is_dir() or file.suffix.lower() in SUFFIXES else f"Known endings: {suffixes}."
    except (OSError, RuntimeError, ValueError) as error:  # a folder that is closed to us, a user who is not here
        return f"This path can't be read: {error}"


def define_target(
    catalog: Catalog,
    name: str,
    corpus: Path,
    labels: Sequence[str],
    *,
    gold: Path | None = None,
    split: bool = False,
    replace: bool = False,
) -> Target:
    """Make a target of raw text and entity types.

    The texts are copied beside the catalog, to ``targets``, without labels: only an evaluation may look at those.

    Args:
        gold: labeled sentences for the evaluation; where they lie in the corpus folder, they are not read as corpus.
        split: cut running text into sentences.

    Raises:
        InputError: no label, an unusable name, an empty or unreadable corpus.
        CatalogError: the name is taken by another target.
    """
    wanted = tuple(dict.fromkeys(label.strip() for label in labels if label.strip()))
    if not wanted:
        raise InputError("A target needs at least one entity type", "Name them: --labels 'person, organization'.")
    if fault := _fault_of_labels(wanted):
        raise InputError("Two entity types differ only in capitalization", fault)
    if not _NAME.fullmatch(name):
        raise InputError(f"A target can't have the name {name!r}", NAMES)
    read = read_corpus(corpus, split=split, without=labelled_within(corpus, gold))
    sentences = [sentence.without_labels() for sentence in read]
    if gold is not None:
        read_corpus(gold)
    sha = corpus_hash(sentences)
    copy = _copies(catalog) / f"{name}-{sha[:12]}.jsonl"
    copy.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(copy, to_jsonl(sentences))
    target = Target(
        name=name,
        labels=list(wanted),
        corpus_path=str(copy),
        sentence_count=len(sentences),
        corpus_sha256=sha,
        gold_path=str(gold.absolute()) if gold else None,
    )
    return put_target(catalog, target, replace)


def put_target(catalog: Catalog, target: Target, replace: bool = False) -> Target:
    """Store a target. The same corpus and labels under a known name give the one that is there.

    A copy of texts that no target needs then goes: the earlier one's, or its own if it is refused.

    Args:
        replace: let another corpus, or other labels, take the place of a target of this name. What was
            computed for the old ones goes: descriptors, selections with their scores, evaluations.

    Raises:
        CatalogError: the name is taken by another corpus or other labels, and ``replace`` is not set.
    """
    unneeded = target.corpus_path
    try:
        with catalog.writing() as session:
            known = session.exec(select(Target).where(Target.name == target.name)).first()
            if known is None:
                session.add(target)
                return target
            same_corpus = known.corpus_sha256 == target.corpus_sha256
            same = same_corpus and known.labels == target.labels
            if not (same or replace):
                raise CatalogError(
                    f"A target '{target.name}' already exists with another corpus or other labels",
                    "Choose another name, or replace it with --replace.",
                )
            stale: list[Any] = [] if same else [Selection, Evaluation]
            stale += [] if same_corpus else [Descriptor, Similarity]
            for table in stale:
                session.exec(delete(table).where(col(table.target_id) == known.id))
            unneeded = known.corpus_path
            gold = target.gold_path or (known.gold_path if same else None)
            known.sqlmodel_update(target.model_dump(exclude={"id", "created_at"}) | {"gold_path": gold})
            return known
    finally:
        if copy := unused_copy(catalog, unneeded):
            with suppress(OSError):  # the target is made, or refused, as it should be; only a file too many stays
                copy.unlink()


def unused_copy(catalog: Catalog, corpus_path: str, but_for: int | None = None) -> Path | None:
    """Return the copy of a target's texts beside the catalog; None if there is none, or a target uses it.

    A home may be reached by several names (a link, ``..``), so paths are compared by where they lead.

    Args:
        but_for: the id of a target whose use does not count.
    """
    path = Path(corpus_path).resolve()
    used = (Path(other.corpus_path).resolve() for other in list_targets(catalog) if other.id != but_for)
    is_copy = path.parent == _copies(catalog).resolve() and path.is_file()
    return path if is_copy and path not in used else None


def _copies(catalog: Catalog) -> Path:
    return catalog.path.parent / "targets"


def get_target(catalog: Catalog, name: str) -> Target:
    """Return the target of this name, or the only one whose name ends so."""
    targets = {target.name: target for target in list_targets(catalog)}
    return targets[resolve(name, list(targets), "target", LISTING)]


def list_targets(catalog: Catalog) -> list[Target]:
    """Return all targets, by name."""
    return catalog.all(select(Target).order_by(Target.name))


def set_gold(catalog: Catalog, target_id: int, path: Path) -> None:
    """Note where a target's labeled sentences are."""
    with catalog.writing() as session:
        session.get_one(Target, target_id).gold_path = str(path.absolute())
