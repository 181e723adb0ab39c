"""From raw text to merged experts on a Hub, on real models and real data."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from sam_hub.catalog.engine import Catalog, open_catalog
from sam_hub.catalog.history import list_evaluations, list_merges
from sam_hub.catalog.targets import get_target
from sam_hub.demo.setup import HERE, LABELS
from sam_hub.evaluation.systems import predicted_by, read_gold
from sam_hub.ner.scoring import score
from tests.end_to_end.conftest import run_demo
from tests.support.hubs import hub_process

Outcome = dict[str, Any]


@pytest.fixture
def catalog(outcome: Outcome, demo_home: Path) -> Catalog:
    return open_catalog(f"sqlite:///{demo_home / 'demo' / 'catalog.db'}")


def test_it_tells_what_it_chose_scored_and_pushed(outcome: Outcome) -> None:
    assert set(outcome) == {"target", "experts", "selected", "scores", "pushed", "seconds"}
    assert len(outcome["experts"]) >= 12
    assert set(outcome["selected"]) == {"similarity", "sampling"}
    for chosen in outcome["selected"].values():
        assert set(chosen) < set(outcome["experts"])
    names = {name.removeprefix("sam-hub/ner-") for name in outcome["experts"]}
    merged = {"merged by similarity", "merged by sampling", sam_of(outcome)}
    (best,) = set(outcome["scores"]) - merged - {"base", "unified"}
    assert best in names
    assert [pushed["repo"] for pushed in outcome["pushed"]] == ["sam-hub/politics-sam-by-sampling"]


def test_no_file_tells_the_token_and_no_published_one_a_path(outcome: Outcome, demo_home: Path, tmp_path: Path) -> None:
    home = demo_home / "demo"
    token = json.loads((home / "hub" / "server.json").read_text())["token"].encode()
    files = [path for path in home.rglob("*") if path.is_file() and not path.is_symlink()]
    telling = {path.relative_to(home).as_posix() for path in files if token in path.read_bytes()}
    assert telling == {"hub/server.json"}  # where the home's processes find their Hub; for the owner alone
    published = [*outcome["experts"], *(pushed["repo"] for pushed in outcome["pushed"])]
    with hub_process(home / "hub") as server:
        hub = HfApi(server.endpoint, token=False)
        folders = [
            Path(hub.snapshot_download(repo, local_dir=tmp_path / repo, ignore_patterns="*.safetensors"))
            for repo in published
        ]
    for file in (path for folder in folders for path in folder.iterdir() if path.is_file()):
        assert str(demo_home) not in file.read_text(), file
        if file.suffix in (".md", ".yml"):
            assert not re.search(r"(?m)(^|[\s\"'(])/(home|root|tmp|Users|var)/", file.read_text()), file
    assert all((folder / "README.md").is_file() for folder in folders)
    assert all((folder / "mergekit_config.yml").is_file() for folder in folders[-len(outcome["pushed"]) :])


def test_the_scores_follow_from_the_stored_predictions(outcome: Outcome, catalog: Catalog) -> None:
    gold = read_gold(HERE / "target" / "test.jsonl", LABELS)
    target = get_target(catalog, outcome["target"])
    latest = {e.name: e for e in reversed(list_evaluations(catalog, target.id))}
    for name, scores in outcome["scores"].items():
        again = score(gold, predicted_by(catalog, latest[name]))
        assert (again.precision, again.recall, again.f1) == (scores["precision"], scores["recall"], scores["f1"])


def test_merging_beats_the_untuned_base(outcome: Outcome) -> None:
    assert outcome["scores"][sam_of(outcome)]["f1"] > outcome["scores"]["base"]["f1"]


def sam_of(outcome: Outcome) -> str:
    """The union of both merges, or the one that answers alone, as the votes have decided."""
    (name,) = (name for name in outcome["scores"] if name.startswith("SaM ("))
    return name


def test_merged_weights_equal_those_of_stock_mergekit(outcome: Outcome, catalog: Catalog, tmp_path: Path) -> None:
    one_by_each_method = {merge.method: merge for merge in list_merges(catalog)}
    for merge in one_by_each_method.values():
        ours, stock = Path(merge.path), tmp_path / f"stock-{merge.id}"
        command = ["mergekit-yaml", ours / "mergekit_config.yml", stock, "--lora-merge-cache", tmp_path / "cache"]
        subprocess.run([Path(sys.executable).parent / command[0], *command[1:]], check=True, capture_output=True)
        assert (ours / "model.safetensors").read_bytes() == (stock / "model.safetensors").read_bytes()
        shutil.rmtree(stock)


LOADING = """
import sys
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
base, expert, *merged = sys.argv[1:]
models = [AutoModelForCausalLM.from_pretrained(repo) for repo in merged]
models.append(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), expert))
tokenizer = AutoTokenizer.from_pretrained(merged[0])
words = tokenizer("Marie Curie worked in", return_tensors="pt")
for model in models:
    print(model.generate(**words, max_new_tokens=2, do_sample=False).shape[1] > words["input_ids"].shape[1])
"""


def test_pushed_models_load_with_plain_transformers_and_peft(outcome: Outcome, demo_home: Path, tmp_path: Path) -> None:
    repos = [pushed["repo"] for pushed in outcome["pushed"]]
    with hub_process(demo_home / "demo" / "hub") as server:
        done = subprocess.run(
            [sys.executable, "-c", LOADING, "sam-hub/SmolLM2-135M-Instruct", outcome["experts"][0], *repos],
            env={**os.environ, "HF_ENDPOINT": server.endpoint, "HF_HOME": str(tmp_path / "hf")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True"] * 2


def test_a_second_run_computes_nothing_again(outcome: Outcome, environment: dict[str, str], catalog: Catalog) -> None:
    def made() -> tuple[list, set]:
        merges = list_merges(catalog)
        ids = {i for e in list_evaluations(catalog, 1) for i in e.prediction_ids}
        return [(m.id, Path(m.path, "merge.json").stat().st_mtime) for m in merges], ids

    before = made()
    again = run_demo(environment)
    assert made() == before
    assert {**again, "seconds": 0} == {**outcome, "seconds": 0}
