"""A tiny base with two experts, and sentences that make trouble."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_hub.inference.models import LoadedModel, load_model
from sam_hub.ner import Sentence
from tests.support import tiny_models

LABELS = ("person", "location", "work of art")
NASTY = tuple(
    map(
        Sentence,
        (
            "Marie Curie worked in Paris; Paris was Marie Curie's Paris.",
            "One",
            '?!... --- ;; :: "\'" ()[]{}',
            "buffalo buffalo Buffalo buffalo buffalo",
            "He wrote: x; person: y; location: z; person: x; person: y. None",
            "Zoë 🧪🧪 visited Łódź\u00a0and 東京, naïve\u200b cafe\u0301!",
            'a "quoted \\ part"; {"label": "person", "mention": "x"}]',
            "tabs\tand  two  spaces\nand lines",
            "",
        ),
    )
)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.tiny_base(tmp_path_factory.mktemp("inference") / "base")


@pytest.fixture(scope="session")
def adapters(base: Path) -> tuple[Path, Path]:
    first = tiny_models.tiny_adapter(base, base.parent / "first", seed=1)
    second = tiny_models.tiny_adapter(
        base, base.parent / "second", seed=2, rank=8, targets=("q_proj", "up_proj"), use_rslora=True
    )
    return first, second


@pytest.fixture(scope="session")
def loaded(base: Path) -> LoadedModel:
    return load_model(base, device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def tokenizer(loaded: LoadedModel):
    return loaded.tokenizer
