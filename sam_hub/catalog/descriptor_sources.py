"""Of what text a descriptor is, as the catalog keeps it and as people read it. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

REPO, DATASET, CORPUS, CARD = "repo", "dataset", "corpus", "card"


@dataclass(frozen=True)
class Origin:
    """Where the text came from; `parse` and ``str`` are inverses.

    ``kind``: "repo" (the expert's repository brought the descriptor), "dataset" (the data sets that its card
    names, as OWNER/NAME@COMMIT), "corpus" (one that a person gave) or "card" (its text alone, which is weak).
    """

    kind: str
    datasets: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Read what the catalog keeps."""
        kind, *datasets = text.split()
        return cls(kind, tuple(datasets))

    def __str__(self) -> str:
        return " ".join((self.kind, *self.datasets))

    @property
    def weak(self) -> bool:
        """Whether it says little of the text that an expert was trained on."""
        return self.kind == CARD


def described_by(origin: str, count: int) -> str:
    """An origin and its sentences in words, to stand after "described by"."""
    source, sentences = Origin.parse(origin), f"{count:,} sentence{'' if count == 1 else 's'}"
    match source.kind:
        case "dataset":
            pinned = (ref.partition("@") for ref in source.datasets)
            names = ", ".join(f"{repo} at {commit[:8]}" for repo, _, commit in pinned)
            return f"its data set{'s' if len(source.datasets) > 1 else ''} {names} ({sentences})"
        case "corpus":
            return f"a given corpus ({sentences})"
        case "card":
            return f"its card alone ({sentences}, weak)"
        case _:
            return f"its repository ({sentences})"
