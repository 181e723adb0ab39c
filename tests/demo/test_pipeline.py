"""The demo's pipeline from end to end, on tiny models of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sam_hub.config import Settings
from sam_hub.demo import base, pipeline, setup
from sam_hub.hub.embedded import stop_shared_hub
from tests.support import tiny_hub
from tests.support.tiny_hub import CORPUS, adapt
from tests.support.tiny_models import tiny_adapter, tiny_base

LABELS = {"news": ("person", "location"), "law": ("person", "event"), "sports": ("person", "location", "event")}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home for the demo, whose base, experts, and texts are tiny."""
    for name in ("HF_TOKEN", "HF_ENDPOINT", "SAM_HUB_TOKEN", "SAM_HUB_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tiny_hub, "BASE", base.REPO)
    model = tiny_base(tmp_path / "base")
    (model / "README.md").write_text("---\nlicense: mit\n---\n# Base\n")
    folders = []
    for seed, (name, labels) in enumerate(LABELS.items()):
        folders.append(tiny_adapter(model, tmp_path / f"ner-{name}", seed=seed, labels=labels))
        adapt(folders[-1], domain=name, base=base.REPO, prompt_format="b2ner", labels=list(labels))
        vector = {"count": 3, "sentences_sha256": "0" * 64, "vector": [float(i == seed) for i in range(384)]}
        (folders[-1] / "descriptor.json").write_text(json.dumps({**vector, **tiny_hub.embedder()}))
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "corpus.txt").write_text(CORPUS)
    person = {"start": 0, "end": 11, "label": "person"}
    gold = json.dumps({"text": "Marie Curie worked in Paris .", "entities": [person]})
    (tmp_path / "target" / "test.jsonl").write_text(gold + "\n")
    monkeypatch.setattr(setup, "HERE", tmp_path)
    monkeypatch.setattr(setup, "expert_folders", lambda: folders)
    monkeypatch.setattr(base, "make_base", lambda destination, reporter: model)
    return Settings(home=tmp_path / "home", device="cpu")


def test_the_pipeline_goes_from_a_hub_to_pushed_merges_that_answer_alike(small: Settings) -> None:
    try:
        outcome = pipeline.run_demo(small)
        again = pipeline.run_demo(small)
        whole = pipeline.run_demo(small, full=True).as_dict()
    finally:
        stop_shared_hub(setup.demo_home(small) / "hub")
    values = outcome.as_dict()
    assert values["experts"] == [f"sam-hub/ner-{name}" for name in sorted(LABELS)]
    assert set(values["selected"]) == {"similarity", "sampling"}
    merged = {"base", "merged by similarity", "merged by sampling"}
    assert merged < set(values["scores"])
    assert len(set(values["scores"]) & set(LABELS)) == 1  # the best one by votes
    assert {*merged, *LABELS} < set(whole["scores"])
    assert [pushed["repo"] for pushed in values["pushed"]] == ["sam-hub/politics-sam-by-sampling"]
    assert [pushed["repo"] for pushed in whole["pushed"]] == [
        f"sam-hub/politics-sam-by-{method}" for method in ("similarity", "sampling")
    ]
    assert {**again.as_dict(), "seconds": 0} == {**values, "seconds": 0}
