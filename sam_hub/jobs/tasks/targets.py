"""Works on targets: look through a corpus, make a target of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sam_hub.jobs.task import Log, OnProgress, Task

if TYPE_CHECKING:
    from sam_hub.services.context import AppContext


def _whole(path: str) -> str:
    """A job's process may work in another folder than the person."""
    return str(Path(path).expanduser().absolute())


@dataclass(frozen=True)
class ScanCorpus(Task):
    """Count what is in a corpus, file by file, and say which files can't be read. Nothing is kept."""

    KIND: ClassVar[str] = "scan"
    QUEUE: ClassVar[str] = "local"

    corpus: str
    split: bool = False
    gold: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "corpus", _whole(self.corpus))
        if self.gold:
            object.__setattr__(self, "gold", _whole(self.gold))

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"scan {Path(self.corpus).name}"

    def run(self, context: AppContext, on_progress: OnProgress, log: Log) -> dict[str, Any]:
        """Read every file."""
        from sam_hub.ner.scanning import scan_corpus

        gold = Path(self.gold) if self.gold else None
        found = scan_corpus(Path(self.corpus), gold=gold, split=self.split, on_progress=on_progress)
        if found.left_out:
            log(f"{found.left_out}.")
        log(f"{found.sentences} sentences in {found.files} files; {len(found.unreadable)} can't be read")
        return asdict(found)


@dataclass(frozen=True)
class MakeTarget(Task):
    """Make a target of raw text and entity types, and describe its text, so that experts near to it are known."""

    KIND: ClassVar[str] = "target"
    QUEUE: ClassVar[str] = "local"

    name: str
    corpus: str
    labels: tuple[str, ...]
    gold: str | None = None
    split: bool = False
    replace: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "corpus", _whole(self.corpus))
        if self.gold:
            object.__setattr__(self, "gold", _whole(self.gold))

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"make target {self.name}"

    def run(self, context: AppContext, on_progress: OnProgress, log: Log) -> dict[str, Any]:
        """Read the corpus, keep it, and describe it."""
        from sam_hub.catalog.corpora import define_target
        from sam_hub.catalog.experts import list_experts
        from sam_hub.ner.readers import labelled_within, left_out_in_words
        from sam_hub.selection.descriptors import target_descriptor
        from sam_hub.selection.ranking import uncovered

        on_progress("read the corpus", 0, 2)
        made = define_target(
            context.catalog,
            self.name,
            Path(self.corpus),
            self.labels,
            gold=Path(self.gold) if self.gold else None,
            split=self.split,
            replace=self.replace,
        )
        on_progress("describe the text", 1, 2)
        target_descriptor(context.catalog, made, context.settings)
        on_progress("describe the text", 2, 2)
        log(f"Target {made.name}: {made.sentence_count} sentences; {', '.join(made.labels)}")
        if left_out := left_out_in_words(
            labelled_within(Path(self.corpus), Path(self.gold) if self.gold else None)
        ):
            log(f"{left_out}.")
        gaps = uncovered(made.labels, {e.repo: e.labels for e in list_experts(context.catalog)})
        return {**made.model_dump(mode="json"), "uncovered": list(gaps), "left_out": left_out}
