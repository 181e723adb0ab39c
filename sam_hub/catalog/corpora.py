"""A target's corpus: read once, kept in the home folder, and named in the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.tables import Target
from sam_hub.catalog.targets import corpora_folder, list_targets, own_copy, put_target
from sam_hub.errors import CatalogError, InputError
from sam_hub.files import write_atomic
from sam_hub.ner.readers import SUFFIXES, labelled_within, read_corpus, to_jsonl
from sam_hub.ner.text import corpus_hash

NAMES = "Use at most 100 characters, no / \\ @, and no . or - first."


def faults_of(name: str, corpus: str, labels: Sequence[str], gold: str = "") -> dict[str, str]:
    """What stands against making a target of this, by field ("name", "corpus", "labels", "gold"); reads no text."""
    faults = {
        "name": "" if _is_name(name) else f"{'A target can not be called so.' if name else 'Give it a name.'} {NAMES}",
        "corpus": _fault_of_path(corpus),
        "labels": _fault_of_labels(labels),
        "gold": _fault_of_path(gold) if gold else "",
    }
    return {field: fault for field, fault in faults.items() if fault}


def _is_name(name: str) -> bool:
    wrong = name.startswith((".", "-")) or len(name) > 100 or any(c in name for c in "/\\@\0")
    return bool(name) and not wrong


def _fault_of_labels(labels: Sequence[str]) -> str:
    if not any(labels):
        return "Name one at least, such as: person, organization."
    seen: dict[str, str] = {}
    for label in labels:
        if seen.setdefault(label.casefold(), label) != label:
            return f"{seen[label.casefold()]} and {label} are one type to an expert: name it once."
    return ""


def _fault_of_path(path: str) -> str:
    known = ", ".join(SUFFIXES)
    if not path:
        return f"Give a file ({known}) or a folder of them."
    try:
        file = Path(path).expanduser()
        if not file.exists():
            return "There is nothing at this path."
        return "" if file.is_dir() or file.suffix.lower() in SUFFIXES else f"Known endings: {known}."
    except (OSError, RuntimeError, ValueError) as error:  # a folder that is closed to us, a user who is not here
        return f"This path can't be looked at: {error}"


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
        gold: a file of labelled sentences for the evaluation, if there is one; where it lies in the corpus folder, it
            is not read as corpus.
        split: cut running text into sentences.

    Raises:
        InputError: no label, an unusable name, an empty or unreadable corpus.
        CatalogError: the name is taken by another target.
    """
    wanted = tuple(dict.fromkeys(label.strip() for label in labels if label.strip()))
    if not wanted:
        raise InputError("A target needs at least one entity type", "Name them: --labels 'person, organization'.")
    if fault := _fault_of_labels(wanted):
        raise InputError("Two entity types differ by capital letters alone", fault)
    if not _is_name(name):
        raise InputError(f"A target can't be called {name!r}", NAMES)
    read = read_corpus(corpus, split=split, without=labelled_within(corpus, gold))
    sentences = [sentence.without_labels() for sentence in read]
    if gold is not None:
        read_corpus(gold)
    sha = corpus_hash(sentences)
    folder = corpora_folder(catalog)
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{name}-{sha[:12]}.jsonl"
    write_atomic(kept, to_jsonl(sentences))
    target = Target(
        name=name,
        labels=list(wanted),
        corpus_path=str(kept),
        sentence_count=len(sentences),
        corpus_sha256=sha,
        gold_path=str(gold.absolute()) if gold else None,
    )
    return _put(catalog, target, replace)


def _put(catalog: Catalog, target: Target, replace: bool) -> Target:
    """Store a target; a copy of texts that nothing needs then goes: the old one's, or its own if it is refused."""
    before = next((row for row in list_targets(catalog) if row.name == target.name), None)
    try:
        made = put_target(catalog, target, replace=replace)
    except CatalogError:
        _delete(own_copy(catalog, target))
        raise
    if before is not None and Path(before.corpus_path).resolve() != Path(made.corpus_path).resolve():
        _delete(own_copy(catalog, before))
    return made


def _delete(copy: Path | None) -> None:
    if copy is not None:
        with suppress(OSError):  # the target is made, or refused, as it should be; only a file too many stays
            copy.unlink(missing_ok=True)
