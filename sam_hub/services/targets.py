"""Targets: raw text, and the entity types wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sam_hub.ner.scanning import Scan  # the outcome of a job is found here by its name
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.options import ScanOptions, TargetOptions, copied

if TYPE_CHECKING:
    from sam_hub.services.context import AppContext


def run_scan(context: AppContext, options: ScanOptions, reporter: Reporter = SILENT) -> Scan:
    """Count what is in a corpus, file by file, and name the files that can't be read. Nothing is kept."""
    from sam_hub.ner.scanning import scan_corpus

    scan = scan_corpus(options.corpus, gold=options.gold, split=options.split, reporter=reporter)
    if scan.left_out:
        reporter.log(f"{scan.left_out}.")
    unreadable = len(scan.unreadable)
    reporter.log(f"{scan.sentences} sentences in {scan.files} files; {unreadable} can't be read")
    return scan


@dataclass(frozen=True)
class TargetOutcome:
    """A target as it was stored; ``uncovered`` are its labels that no expert of the catalog covers.

    ``left_out`` says which files of the corpus folder are the labeled ones, and were not read.
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
    """Read a corpus, keep a copy of it without labels, and describe its text."""
    from sam_hub.catalog.experts import list_experts
    from sam_hub.catalog.targets import define_target
    from sam_hub.ner.readers import labelled_within, left_out_in_words
    from sam_hub.selection.descriptors import target_descriptor
    from sam_hub.selection.label_matching import cover

    reporter.progress("read the corpus", 0, 2)
    target = define_target(
        context.catalog,
        options.name,
        options.corpus,
        options.labels,
        gold=options.gold,
        split=options.split,
        replace=options.replace,
    )
    reporter.progress("describe the text", 1, 2)
    target_descriptor(context.catalog, target, context.settings)
    reporter.progress("describe the text", 2, 2)
    reporter.log(f"Target {target.name}: {target.sentence_count} sentences; {', '.join(target.labels)}")
    if left_out := left_out_in_words(labelled_within(options.corpus, options.gold)):
        reporter.log(f"{left_out}.")
    experts = [expert for expert in list_experts(context.catalog) if not expert.is_baseline]
    gaps = cover(target.labels, experts, embedder=context.settings.embedder).uncovered()
    return copied(TargetOutcome, target, labels=tuple(target.labels), uncovered=gaps, left_out=left_out)
