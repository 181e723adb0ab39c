"""From raw text to merged experts on a Hub, on real models and real data."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from sam_hub import catalog as records
from sam_hub.demo.story import HERE, LABELS
from sam_hub.evaluation.evaluating import read_gold, recompute
from sam_hub.hub.server.process import start
from tests.end_to_end.conftest import COMMAND, run_demo

Outcome = dict[str, Any]


@pytest.fixture
def catalog(outcome: Outcome, demo_home: Path) -> records.Catalog:
    return records.open_catalog(f"sqlite:///{demo_home / 'demo' / 'catalog.db'}")


def test_it_tells_what_it_chose_scored_and_pushed(outcome: Outcome) -> None:
    assert set(outcome) == {"target", "experts", "selected", "scores", "pushed", "seconds"}
    assert len(outcome["experts"]) >= 6
    assert set(outcome["selected"]) == {"similarity", "sampling"}
    for chosen in outcome["selected"].values():
        assert set(chosen) < set(outcome["experts"])
    names = {name.removeprefix("sam-hub/ner-") for name in outcome["experts"]}
    merged = {"merged by similarity", "merged by sampling", "SaM (union)"}
    assert set(outcome["scores"]) == names | merged | {"base", "unified"}
    assert len(outcome["pushed"]) == 2


def test_the_scores_follow_from_the_stored_predictions(outcome: Outcome, catalog: records.Catalog) -> None:
    gold = read_gold(HERE / "target" / "test.jsonl", LABELS)
    target = records.get_target(catalog, outcome["target"])
    latest = {e.name: e for e in reversed(records.list_evaluations(catalog, target.id))}
    for name, scores in outcome["scores"].items():
        again = recompute(catalog, latest[name], gold)
        assert (again.precision, again.recall, again.f1) == (
            scores["precision"],
            scores["recall"],
            scores["f1"],
        )


def test_merging_beats_the_untuned_base(outcome: Outcome) -> None:
    assert outcome["scores"]["SaM (union)"]["f1"] > outcome["scores"]["base"]["f1"]


def test_merged_weights_equal_those_of_stock_mergekit(
    outcome: Outcome, catalog: records.Catalog, tmp_path: Path
) -> None:
    for merge in records.list_merges(catalog):
        ours, stock = Path(merge.path), tmp_path / f"stock-{merge.id}"
        command = [
            "mergekit-yaml",
            ours / "mergekit_config.yml",
            stock,
            "--lora-merge-cache",
            tmp_path / "cache",
        ]
        subprocess.run(
            [Path(sys.executable).parent / command[0], *command[1:]], check=True, capture_output=True
        )
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


def test_pushed_models_load_with_plain_transformers_and_peft(
    outcome: Outcome, demo_home: Path, tmp_path: Path
) -> None:
    repos = [pushed["repo"] for pushed in outcome["pushed"]]
    with start(demo_home / "demo" / "hub") as server:
        done = subprocess.run(
            [sys.executable, "-c", LOADING, "sam-hub/SmolLM2-135M-Instruct", outcome["experts"][0], *repos],
            env={**os.environ, "HF_ENDPOINT": server.endpoint, "HF_HOME": str(tmp_path / "hf")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True"] * 3


def test_a_second_run_computes_nothing_again(
    outcome: Outcome, environment: dict[str, str], catalog: records.Catalog
) -> None:
    def made() -> tuple[list, set]:
        merges = records.list_merges(catalog)
        ids = {i for e in records.list_evaluations(catalog, 1) for i in e.prediction_ids}
        return [(m.id, Path(m.path, "merge.json").stat().st_mtime) for m in merges], ids

    before = made()
    again = run_demo(environment)
    assert made() == before
    assert {**again, "seconds": 0} == {**outcome, "seconds": 0}


def test_ctrl_c_leaves_no_process_and_nothing_half_written(
    outcome: Outcome, demo_home: Path, tmp_path: Path
) -> None:
    base = Path("demo", "base", "SmolLM2-135M-Instruct")
    shutil.copytree(demo_home / base, tmp_path / base, copy_function=os.link)
    demo = subprocess.Popen(
        COMMAND, env={**os.environ, "SAM_HUB_HOME": str(tmp_path)}, stderr=subprocess.PIPE, text=True
    )
    said = []
    for line in demo.stderr:  # stop it in the middle of the experts' work on the sample
        said.append(line)
        if line.startswith("Asking every expert"):
            break
    time.sleep(3)
    family = psutil.Process(demo.pid).children(recursive=True)
    assert family
    demo.send_signal(signal.SIGINT)
    message = demo.stderr.read()
    assert demo.wait(timeout=60) == 130
    assert "Interrupted" in message, [*said, message]
    assert psutil.wait_procs(family, timeout=10)[1] == []
    half = [p for p in (tmp_path / "demo").rglob("*") if p.name.startswith((".pull-", ".push-", ".base-"))]
    assert [*half, *(tmp_path / "demo").rglob("*.partial")] == []
