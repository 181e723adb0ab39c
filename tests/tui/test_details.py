"""The details of an expert tell by what text it is described, and mark what is weak or can't be compared."""

from __future__ import annotations

import pytest
from textual.widgets import Static

from sam_hub.config import Settings
from sam_hub.tui.app import SamHubApp
from tests.tui.conftest import WIDE, ready, until
from tests.tui.filled import add_target, fill

OURS, THEIRS = ("all-MiniLM-L6-v2", "53aa"), ("e5-small", "v2")


def describe(settings: Settings, name: str, origin: str, embedder: tuple[str, str] = OURS) -> None:
    """Give the expert (or the target) of this name a descriptor."""
    from sam_hub.catalog import tables
    from sam_hub.catalog.descriptors import pack, put_descriptor
    from sam_hub.catalog.engine import open_catalog
    from sam_hub.catalog.experts import get_expert
    from sam_hub.catalog.targets import get_target

    with open_catalog(settings.catalog_url) as catalog:
        owner = (
            {"target_id": get_target(catalog, name).id}
            if name == "court"
            else {"expert_id": get_expert(catalog, name).id}
        )
        values = dict(zip(("embedder", "revision"), embedder, strict=True))
        vector = pack([1.0, 0.0])
        row = tables.Descriptor(**owner, **values, count=12, sentences_sha256="a" * 64, origin=origin, vector=vector)
        put_descriptor(catalog, row)


@pytest.mark.parametrize(
    ("origin", "embedder", "shown"),
    [
        (
            f"dataset acme/rulings@{'c' * 40}",
            OURS,
            ["its data set acme/rulings at cccccccc", "cosine to the target's text"],
        ),
        ("card", OURS, ["! described by its card alone (12 sentences, weak)", "(! weak: from its card only)"]),
        ("repo", THEIRS, ["its repository (12 sentences), e5-small", "target has no descriptor by e5-small"]),
    ],
    ids=["data set", "card", "another embedder"],
)
async def test_details_tell_the_text(
    settings: Settings, tmp_path, origin: str, embedder: tuple[str, str], shown: list[str]
) -> None:
    fill(settings.catalog_url, 1)
    add_target(settings.catalog_url, tmp_path)
    describe(settings, "court", "corpus")
    describe(settings, "acme/ner-000000-legal", origin, embedder)
    app = SamHubApp(settings)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        facts = app.query_one("#experts-details .text", Static)
        await until(pilot, lambda: "described by" in str(facts.content))
        words = " ".join(str(facts.content).split())
        assert [part for part in shown if part not in words] == []
