"""The targets of the suites, with the texts to select by and the labeled sentences to score on."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sam_hub.catalog import tables
from sam_hub.ner.readers import labels_of, read_corpus
from sam_hub.ner.text import Sentence, restrict
from sam_hub.training.data import read_source
from sam_hub.training.recipe import DataSource, TrainingRecipe

DATA = Path(os.environ.get("NER_DATA") or Path(__file__).parents[4] / "shared" / "data")  # see docs/results
LEFT_OUT = "miscellaneous"
COARSE = {  # CrossNER's types by what they are kinds of; albums, theories and the like are kinds of none
    "person": ("politician", "scientist", "researcher", "writer", "musical artist"),
    "organization": ("political party", "university", "band"),
    "location": ("country",),
    "event": ("election", "conference"),
}


@dataclass(frozen=True)
class Goal:
    """A target: raw texts to select by, labeled sentences to score on, and the domain whose experts may not help."""

    name: str
    corpus: tuple[Sentence, ...]
    gold: tuple[Sentence, ...]
    labels: tuple[str, ...]
    domain: str | None = None


def crossner(most: int) -> Iterator[Goal]:
    """The five domains of CrossNER, without ``miscellaneous``, as published tables have it."""
    for folder in sorted((DATA / "targets").iterdir()):
        gold = read_corpus(folder / "test.jsonl")
        labels = tuple(label for label in labels_of(gold) if label != LEFT_OUT)
        corpus = tuple(read_corpus(folder / "dev.jsonl"))
        yield Goal(folder.name.partition("__")[0], _bare(corpus), _part(gold, labels, most), labels)


def crossner_coarse(most: int) -> Iterator[Goal]:
    """The same sentences, asked for people, organizations, locations and events: types that many experts know."""
    kinds = {fine: kind for kind, all_fine in COARSE.items() for fine in (kind, *all_fine)}
    for folder in sorted((DATA / "targets").iterdir()):
        source = DataSource(folder.name, rename=kinds, keep=tuple(COARSE))
        gold = read_source(source, DATA / "targets", "test")
        corpus = _bare(read_source(source, DATA / "targets", "dev"))
        labels = labels_of(gold)
        yield Goal(folder.name.partition("__")[0], corpus, _part(gold, labels, most), labels)


def sources(experts: Sequence[tables.Expert], most: int) -> Iterator[Goal]:
    """Leave one domain out: the first data set of every expert, its labels prepared as for that expert.

    A data set without a dev split gives the unlabelled texts of its train split: no expert that may help saw them.
    """
    for expert in experts:
        source = recipe_of(expert).data[0]
        gold = read_source(source, DATA / "sources", "test")
        labels = tuple(sorted(labels_of(gold)))
        yield Goal(expert.domain or "", _texts(source), _part(gold, labels, most), labels, expert.domain)


def recipe_of(expert: tables.Expert) -> TrainingRecipe:
    """What an expert was trained by, as its metadata tells (beside how the training went)."""
    return TrainingRecipe.from_dict({k: v for k, v in expert.details["recipe"].items() if k != "training"})


def _texts(source: DataSource) -> tuple[Sentence, ...]:
    split = "dev" if (DATA / "sources" / source.folder / "dev.jsonl").is_file() else "train"
    return _bare(read_source(source, DATA / "sources", split))


def _bare(sentences: Sequence[Sentence]) -> tuple[Sentence, ...]:
    return tuple(Sentence(sentence.text) for sentence in sentences)


def _part(gold: Sequence[Sentence], labels: Sequence[str], most: int) -> tuple[Sentence, ...]:
    """At most so many sentences (0: all), the same ones at every call."""
    chosen = random.Random(0).sample(list(gold), most) if 0 < most < len(gold) else gold
    return tuple(restrict(sentence, labels) for sentence in chosen)
