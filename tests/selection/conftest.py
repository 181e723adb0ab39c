"""Entities by hand, and a catalog with a tiny base, three experts of it, and a target."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog, open_catalog
from sam_hub.catalog.experts import add_base, add_expert
from sam_hub.catalog.targets import define_target
from sam_hub.config import Settings
from sam_hub.ner import Entity, Sentence
from sam_hub.selection.ranking import Ranking
from sam_hub.selection.sampling import rank_by_sampling
from sam_hub.selection.votes import Votes, collect_votes
from tests.support import tiny_models

TEXT = "Ann met Bob in Rome on Monday near Lake Como"
CORPUS = "Ann met Bob\nBob left Rome\nRome fell\nHi Ann\n"
LABELS = ("person", "place")


def entity(text: str, label: str) -> Entity:
    start = TEXT.index(text)
    return Sentence(TEXT).entity(start, start + len(text), label)


ANN, BOB, ROME = entity("Ann", "person"), entity("Bob", "person"), entity("Rome", "place")
LAKE, COMO, DAY = entity("Lake Como", "place"), entity("Como", "place"), entity("Monday", "date")


def covered(names, labels, known):
    """Return the labels that each expert covers; all if its own are not recorded."""
    return {name: tuple(each for each in labels if not known.get(name) or each in known[name]) for name in names}


def votes_of(rows, labels, covers, voting=None, **more) -> Votes:
    """Return the votes on as many sentences as there are rows."""
    sentences = [Sentence(TEXT)] * len(next(iter(rows.values())))
    return collect_votes(sentences, rows, labels, covered(rows, labels, covers), voting, **more)


def rank(rows, labels, covers, voting=None, **more) -> Ranking:
    """Return the ranking by such votes."""
    return rank_by_sampling(votes_of(rows, labels, covers, voting, **more))


def json_again(ranking: Ranking) -> Ranking:
    """Return a ranking as the catalog gives it back."""
    rows, parameters = json.loads(json.dumps([[asdict(row) for row in ranking.rows], dict(ranking.parameters)]))
    return Ranking.read(ranking.method, rows, parameters)


@dataclass(frozen=True)
class AppContext:
    """A catalog with its target, experts and settings."""

    catalog: Catalog
    settings: Settings
    target: tables.Target
    experts: list[tables.Expert]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base and three experts."""
    folder = tmp_path_factory.mktemp("selection")
    base = tiny_models.tiny_base(folder / "base")
    for number, name in enumerate(("one", "two", "three")):
        tiny_models.tiny_adapter(base, folder / name, seed=number, labels=LABELS)
    return folder


@pytest.fixture
def context(models: Path, tmp_path: Path):
    settings = Settings(home=tmp_path, device="cpu", dtype="float32")
    about = json.loads((models / "one" / "sam_hub.json").read_text())
    with open_catalog(settings.catalog_url) as catalog:
        add_base(
            catalog,
            tables.Base(
                repo="owner/base",
                commit="0" * 40,
                weights_sha256=about["base_sha256"],
                architecture="LlamaForCausalLM",
                hidden_size=32,
                vocabulary_size=320,
                parameter_count=1,
                path=str(models / "base"),
            ),
        )
        experts = [
            add_expert(
                catalog,
                tables.ExpertCreate(
                    repo=f"owner/{name}",
                    commit=f"{number:040d}",
                    kind="adapter",
                    base_repo="owner/base",
                    base_sha256=about["base_sha256"],
                    labels=list(LABELS),
                    path=str(models / name),
                ),
            )
            for number, name in enumerate(("one", "two", "three"))
        ]
        corpus = tmp_path / "corpus.txt"
        corpus.write_text(CORPUS)
        target = define_target(catalog, "town", corpus, LABELS)
        yield AppContext(catalog, settings, target, experts)
