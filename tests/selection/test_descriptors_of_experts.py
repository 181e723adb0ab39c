"""An expert is described when it is added: by its repository, else its data set, else its card.

A corpus that a person gives takes the place of whatever there is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sam_hub.catalog import tables
from sam_hub.catalog.descriptors import read_descriptor
from sam_hub.catalog.experts import get_expert, list_experts
from sam_hub.catalog.targets import define_target
from sam_hub.config import load_settings
from sam_hub.errors import CatalogError, InputError
from sam_hub.inference.embedding import Descriptor, cosine, describe
from sam_hub.ner import Sentence
from sam_hub.progress import Reporter
from sam_hub.selection.descriptors import expert_descriptor
from sam_hub.selection.service import similarity_ranking
from sam_hub.services.context import AppContext
from sam_hub.services.descriptors import DescriptorFacts, run_describe
from sam_hub.services.experts import run_add
from sam_hub.services.options import AddOptions, DescribeOptions
from tests.support.hubs import publish, running_hub, write_adapter
from tests.support.tiny_hub import embedder

COURT = ["The court dismissed the appeal .", "The judge heard both lawyers .", "She was sued for fraud ."]
CELLS = ["The protein binds to its receptor .", "Mutations of this gene cause cancer ."]
PROSE = "This model finds judges and courts in the rulings of appeal courts. It was made for lawyers.\n"
NER = "acme/ner-law"


def lines(sentences: list[str]) -> str:
    """A data set as Hubs have it: tokens with tags."""
    rows = [{"tokens": text.split(), "ner_tags": [0] * len(text.split())} for text in sentences]
    return "".join(json.dumps(row) + "\n" for row in rows)


@dataclass
class World:
    """A Hub, a home, and all that works on experts have said."""

    context: AppContext
    folder: Path
    said: list[str] = field(default_factory=list)

    def expert(self, card: str = "", descriptor: object = None, repo: str = NER) -> str:
        """Publish an expert with this card, without a descriptor unless one is given."""
        folder = self.folder / repo.split("/")[1]
        if not folder.exists():
            write_adapter(folder)
        (folder / "README.md").write_text(card)
        if descriptor is not None:
            (folder / "descriptor.json").write_text(
                descriptor if isinstance(descriptor, str) else json.dumps(descriptor)
            )
        return publish(self.context.hub, folder, repo)

    def dataset(self, repo: str, **files: str) -> str:
        """Publish a data set; ``train_jsonl`` is the file train.jsonl."""
        api = self.context.hub.api()
        api.create_repo(repo, repo_type="dataset", exist_ok=True)
        for name, text in files.items():
            path = name.replace("__", "/").replace("_", ".")
            done = api.upload_file(path_or_fileobj=text.encode(), path_in_repo=path, repo_id=repo, repo_type="dataset")
        return done.oid

    @property
    def reporter(self) -> Reporter:
        """Keeps the log."""
        reporter = Reporter()
        reporter.log = self.said.append
        return reporter

    def describe(self, *options: Any, **named: Any) -> DescriptorFacts:
        """Describe the expert, and keep the log."""
        return run_describe(self.context, DescribeOptions(NER, *options, **named), self.reporter).descriptor

    def add(self, repo: str = NER) -> DescriptorFacts | None:
        """Add an expert; gives its descriptor's origin and numbers."""
        [added] = run_add(self.context, AddOptions((repo,)), self.reporter).experts
        return added.descriptor

    def descriptor(self, repo: str = NER) -> Descriptor:
        """What similarity would use."""
        catalog = self.context.catalog
        return expert_descriptor(catalog, get_expert(catalog, repo), self.context.settings)

    def says(self, *parts: str) -> bool:
        """Whether one line said so far holds all of these."""
        return any(all(part in line for part in parts) for line in self.said)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with running_hub(tmp_path / "hub") as server:
        settings = load_settings(home=tmp_path / "home", endpoint=server.endpoint, token=server.token)
        (tmp_path / "home").mkdir()
        with AppContext(settings) as context:
            yield World(context, tmp_path)


def test_the_descriptor_in_the_repository_comes_first_and_loads_no_model(world: World) -> None:
    said = {**embedder(), "count": 1200, "sentences_sha256": "a" * 64, "vector": [1.0] + [0.0] * 383}
    world.dataset("acme/court", train_jsonl=lines(COURT))
    world.expert("---\ndatasets: acme/court\n---\n" + PROSE, said)
    code = (
        "import sys; from sam_hub.services.context import AppContext\n"
        "from sam_hub.services.experts import AddOptions, run_add\n"
        f"done = run_add(AppContext(), AddOptions(('{NER}',)))\n"
        "print(done.experts[0].descriptor.origin, 'torch' in sys.modules)"
    )
    settings = world.context.settings
    home = {
        "SAM_HUB_HOME": str(settings.home),
        "HF_ENDPOINT": settings.endpoint,
        "HF_TOKEN": settings.token,
        "PYTHONPATH": ":".join(sys.path),
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=home, check=True)
    assert done.stdout.splitlines()[-1] == "repo False"
    made = world.descriptor()
    assert (made.count, made.sentences_sha256, made.weak) == (1200, "a" * 64, False)


def test_without_one_the_data_set_of_the_card_describes_it_pinned(world: World) -> None:
    commit = world.dataset("acme/court", train_jsonl=lines(COURT), test_jsonl=lines(CELLS))
    world.expert("---\ndatasets: [acme/court]\n---\n# Law\n")
    found = world.add()
    assert (found.origin, found.count, found.weak) == (f"dataset acme/court@{commit}", 3, False)
    assert world.says("described by its data set acme/court", "(3 sentences)")
    natural = [Sentence(text.replace(" .", ".")) for text in COURT]  # as a corpus of such tokens is read
    same = describe(natural)
    assert world.descriptor().sentences_sha256 == same.sentences_sha256
    assert cosine(world.descriptor(), same) == pytest.approx(1, abs=1e-5)


def test_several_data_sets_describe_it_together_and_one_that_is_not_there_is_named(world: World) -> None:
    first = world.dataset("acme/court", train_jsonl=lines(COURT))
    columns = "\n\n".join("\n".join(f"{word} O" for word in text.split()) for text in CELLS)
    second = world.dataset("acme/cells", data__train_conll=columns)
    world.expert("---\ndatasets:\n- acme/court\n- acme/gone\n- acme/cells\n---\n")
    found = world.add()
    assert found.origin == f"dataset acme/court@{first} acme/cells@{second}"
    assert found.count == 5
    assert world.says("data set acme/gone", "There is no repository 'acme/gone'")


def test_a_data_set_of_scripts_leads_to_the_card_which_is_weak(world: World) -> None:
    world.dataset("acme/court", court_py="import os; os.abort()", README_md="# Court")
    world.expert(f"---\ndatasets: acme/court\n---\n# Law\n\n{PROSE}\n```\ncode to run is no prose at all\n```\n")
    found = world.add()
    assert (found.origin, found.count, found.weak) == ("card", 2, True)
    assert world.says("data set acme/court: no file can be read")
    assert world.says("described by its card alone", "weak", f"`sam-hub describe {NER} --corpus FILE`")
    assert world.descriptor().weak


def test_an_expert_with_none_of_them_is_added_and_what_to_do_is_said(world: World) -> None:
    world.expert("---\nlicense: mit\n---\n# Law\n")
    assert world.add() is None
    assert world.says("not described", f"sam-hub describe {NER} --corpus FILE")
    with pytest.raises(InputError, match="has no descriptor of its training text by all-MiniLM-L6-v2"):
        world.descriptor()
    with pytest.raises(InputError, match="too little text to describe it"):
        world.describe()


def test_an_embedder_that_is_not_there_does_not_stop_an_expert_from_being_added(world: World) -> None:
    world.expert(PROSE)
    with AppContext(world.context.settings.model_copy(update={"embedder": "word2vec"})) as context:
        [added] = run_add(context, AddOptions((NER,)), world.reporter).experts
    assert (added.repo, added.descriptor) == (NER, None)
    assert world.says("not described", "no embedder 'word2vec'")


def test_a_corpus_takes_the_place_of_whatever_there_is_and_stays(world: World, tmp_path: Path) -> None:
    said = {**embedder(), "count": 9, "sentences_sha256": "a" * 64, "vector": [1.0] + [0.0] * 383}
    world.expert(PROSE, said)
    assert world.add().origin == "repo"
    (tmp_path / "cells.txt").write_text("\n".join(CELLS))
    assert world.describe(tmp_path / "cells.txt").origin == "corpus"
    assert cosine(world.descriptor(), describe([Sentence(text) for text in CELLS])) > 0.999
    assert world.add().origin == "corpus"  # to add it again is no reason to forget it
    assert world.says("keeps the descriptor of the given corpus")
    assert world.describe().origin == "corpus"
    assert world.describe(again=True).origin == "repo"
    assert world.descriptor().count == 9


def test_what_was_weak_can_be_described_again_once_its_data_set_is_there(world: World) -> None:
    world.expert("---\ndatasets: acme/court\n---\n" + PROSE)
    assert world.add().origin == "card"
    world.dataset("acme/court", train_jsonl=lines(COURT))
    assert world.describe().origin == "card"
    assert world.describe(again=True).origin.startswith("dataset acme/court@")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"vector": [0.5] + [0.0] * 383}, "length is 0.5, not 1"),
        ({"vector": [float("nan")] + [0.0] * 383}, "length is nan, not 1"),
        ({"vector": [1.0]}, "has 1 numbers, not 384"),
        ({"vector": ["1"] * 384}, "vector.0: Input should be a valid number"),
        ({"count": 0}, "count: Input should be greater than or equal to 1"),
        ({"sentences_sha256": "none"}, "sentences_sha256: String should match pattern"),
        ({"embedder": "evil\x1b[2J"}, "embedder: .*can't be printed"),
    ],
)
def test_a_bad_descriptor_is_not_kept_and_the_reason_is_said(wrong: dict, why: str) -> None:
    said = {**embedder(), "count": 9, "sentences_sha256": "a" * 64, "vector": [1.0] + [0.0] * 383}
    read_descriptor(said)
    with pytest.raises(ValueError, match=why):
        read_descriptor({**said, **wrong})


@pytest.mark.parametrize("broken", ["{", '{"embedder": "all-MiniLM-L6-v2"}'])
def test_an_expert_with_a_broken_descriptor_is_described_anew(world: World, broken: str) -> None:
    world.dataset("acme/court", train_jsonl=lines(COURT))
    world.expert("---\ndatasets: acme/court\n---\n", broken)
    assert world.add().origin.startswith("dataset acme/court@")
    assert world.says("warning", "descriptor.json")


ELSEWHERE = {"embedder": "e5-small", "revision": "v2", "count": 9, "sentences_sha256": "a" * 64, "vector": [0.6, 0.8]}


def test_a_repository_described_by_another_embedder_is_described_anew(world: World) -> None:
    world.expert(PROSE, ELSEWHERE)
    assert world.add().origin == "card"
    assert world.says("e5-small at v2", "can't be compared with all-MiniLM-L6-v2 at")
    assert world.descriptor().embedder == "all-MiniLM-L6-v2"


def test_where_that_fails_a_ranking_names_both_embedders_and_the_way_out(world: World) -> None:
    world.expert("", ELSEWHERE)
    world.add()
    catalog, settings = world.context.catalog, world.context.settings
    (world.folder / "court.txt").write_text("\n".join(COURT))
    target = define_target(catalog, "court", world.folder / "court.txt", ["court"])
    with pytest.raises(CatalogError) as caught:
        similarity_ranking(catalog, target, list_experts(catalog), settings=settings)
    assert "e5-small at v2" in caught.value.title
    assert f"all-MiniLM-L6-v2 at {embedder()['revision']}" in caught.value.title
    assert f"sam-hub describe {NER}" in caught.value.action


def test_adding_it_again_leaves_the_cosines_of_our_embedder_alone(world: World) -> None:
    from sqlmodel import select

    world.expert(PROSE, ELSEWHERE)
    world.add()
    catalog, settings = world.context.catalog, world.context.settings
    (world.folder / "court.txt").write_text("\n".join(COURT))
    target = define_target(catalog, "court", world.folder / "court.txt", ["court"])
    similarity_ranking(catalog, target, list_experts(catalog), settings=settings)
    world.add()
    with catalog.session() as session:
        assert len(session.exec(select(tables.Similarity)).all()) == 1


def test_offline_a_pulled_expert_is_described_by_its_card_on_disk(world: World) -> None:
    """Its data set can't be asked for, which is said."""
    from sam_hub.catalog.registration import pull_expert, register
    from tests.support.tiny_hub import BASE
    from tests.support.tiny_models import tiny_base

    publish(world.context.hub, tiny_base(world.folder / "base"), BASE)
    world.expert(f"---\ndatasets: acme/court\nbase_model: {BASE}\n---\n{PROSE}")
    register(world.context.catalog, world.context.hub, NER)
    pull_expert(world.context.catalog, world.context.hub, NER, world.context.settings.models)
    offline = AppContext(world.context.settings.model_copy(update={"offline": True}))
    described = run_describe(offline, DescribeOptions(NER), world.reporter).descriptor
    assert described.origin == "card"
    assert world.says("data set acme/court", "Offline mode is on")
