"""Targets: raw text, and the entity types wanted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sam_hub.ner.scanning import Scan  # the outcome of a job is found here by its name
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.descriptors import absolute

if TYPE_CHECKING:
    from sam_hub.services.context import AppContext


@dataclass(frozen=True)
class ScanOptions:
    """A corpus to look through; ``split`` cuts running text into sentences.

    ``gold``: labelled sentences, which are no corpus where they lie in its folder.
    """

    corpus: str
    split: bool = False
    gold: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "corpus", absolute(self.corpus))
        if self.gold:
            object.__setattr__(self, "gold", absolute(self.gold))

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"scan {Path(self.corpus).name}"


def run_scan(context: AppContext, options: ScanOptions, reporter: Reporter = SILENT) -> Scan:
    """Count what is in a corpus, file by file, and name the files that can't be read. Nothing is kept.

    Raises:
        InputError: there is nothing at the path.
    """
    from sam_hub.ner.scanning import scan_corpus

    gold = Path(options.gold) if options.gold else None
    scan = scan_corpus(Path(options.corpus), gold=gold, split=options.split, reporter=reporter)
    if scan.left_out:
        reporter.log(f"{scan.left_out}.")
    unreadable = len(scan.unreadable)
    reporter.log(f"{scan.sentences} sentences in {scan.files} files; {unreadable} can't be read")
    return scan


@dataclass(frozen=True)
class TargetOptions:
    """A target to create.

    Args:
        corpus: a .txt, .conll or .jsonl file, or a folder of them.
        labels: the entity types wanted.
        gold: labelled sentences, used by evaluations alone.
        split: cut running text into sentences.
        replace: replace a target of this name.
    """

    name: str
    corpus: str
    labels: tuple[str, ...]
    gold: str | None = None
    split: bool = False
    replace: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "corpus", absolute(self.corpus))
        if self.gold:
            object.__setattr__(self, "gold", absolute(self.gold))

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"make target {self.name}"


@dataclass(frozen=True)
class TargetOutcome:
    """A target as it was stored; ``uncovered`` are its labels that no expert of the catalog covers.

    ``left_out`` says which files of the corpus folder are the labelled ones, and were not read.
    """

    id: int
    name: str
    labels: tuple[str, ...]
    corpus_path: str
    sentence_count: int
    corpus_sha256: str
    gold_path: str | None
    uncovered: tuple[str, ...]
    left_out: str = ""


def run_create_target(context: AppContext, options: TargetOptions, reporter: Reporter = SILENT) -> TargetOutcome:
    """Read a corpus, keep a copy of it without labels, and describe its text.

    Raises:
        InputError: no label, an unusable name, or an empty or unreadable corpus.
        CatalogError: another target has this name.
    """
    from sam_hub.catalog.experts import list_experts
    from sam_hub.catalog.targets import define_target
    from sam_hub.ner.readers import labelled_within, left_out_in_words
    from sam_hub.selection.descriptors import target_descriptor
    from sam_hub.selection.ranking import uncovered

    gold = Path(options.gold) if options.gold else None
    reporter.progress("read the corpus", 0, 2)
    target = define_target(
        context.catalog,
        options.name,
        Path(options.corpus),
        options.labels,
        gold=gold,
        split=options.split,
        replace=options.replace,
    )
    reporter.progress("describe the text", 1, 2)
    target_descriptor(context.catalog, target, context.settings)
    reporter.progress("describe the text", 2, 2)
    reporter.log(f"Target {target.name}: {target.sentence_count} sentences; {', '.join(target.labels)}")
    if left_out := left_out_in_words(labelled_within(Path(options.corpus), gold)):
        reporter.log(f"{left_out}.")
    gaps = uncovered(target.labels, {e.repo: e.labels for e in list_experts(context.catalog)})
    return TargetOutcome(
        id=target.id or 0,
        name=target.name,
        labels=tuple(target.labels),
        corpus_path=target.corpus_path,
        sentence_count=target.sentence_count,
        corpus_sha256=target.corpus_sha256,
        gold_path=target.gold_path,
        uncovered=tuple(gaps),
        left_out=left_out,
    )
