"""An empty catalog in a temporary folder, and experts to put into it."""

from __future__ import annotations

import hashlib

import pytest

from sam_hub.catalog.engine import Catalog, open_catalog
from sam_hub.catalog.experts import add_expert
from sam_hub.catalog.tables import Expert, ExpertCreate, Target
from sam_hub.catalog.targets import put_target

BASE_SHA256 = "b" * 64


def commit_of(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'home' / 'catalog.db'}"


@pytest.fixture
def catalog(url):
    with open_catalog(url) as opened:
        yield opened


def expert_of(repo: str, **given) -> ExpertCreate:
    values = {
        "repo": repo,
        "commit": commit_of(repo),
        "kind": "adapter",
        "base_repo": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "base_sha256": BASE_SHA256,
        "rank": 8,
        "alpha": 16,
        "target_modules": ["q_proj", "v_proj"],
        "license": "cc-by-4.0",
        "labels": ["person", "location"],
        "prompt_format": "b2ner",
        "domain": "news",
    }
    return ExpertCreate(**(values | given))


@pytest.fixture
def add(catalog: Catalog):
    """Add an expert by its repo's name."""

    def add_one(repo: str, **given) -> Expert:
        return add_expert(catalog, expert_of(repo, **given))

    return add_one


@pytest.fixture
def target(catalog: Catalog) -> Target:
    return put_target(
        catalog,
        Target(
            name="court",
            labels=["person", "court"],
            corpus_path="/corpora/court.txt",
            sentence_count=3,
            corpus_sha256="c" * 64,
        ),
    )
