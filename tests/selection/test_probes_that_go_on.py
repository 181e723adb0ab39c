"""A probe runs what is new alone: another expert, other sentences, or what was not done when it was killed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from sam_hub.catalog import tables
from sam_hub.catalog.experts import add_expert
from sam_hub.catalog.targets import define_target
from sam_hub.jobs.process import environment
from sam_hub.ner.readers import read_corpus
from sam_hub.selection.sampling import draw_sample
from sam_hub.selection.service import sampling_ranking
from sam_hub.services.context import AppContext as Works
from sam_hub.services.options import SelectOptions
from sam_hub.services.selection import run_selection
from tests.selection.conftest import LABELS
from tests.support import tiny_models
from tests.support.passes import counting
from tests.support.reporters import Recorder

MORE = ("four", "five", "six", "seven")
SAMPLE = 160


@pytest.fixture(scope="session")
def more_models(models: Path) -> Path:
    """Four experts beside the three."""
    for number, name in enumerate(MORE, start=3):
        tiny_models.tiny_adapter(models / "base", models / name, seed=number, labels=LABELS)
    return models


@pytest.fixture
def seven(context, more_models) -> list[tables.Expert]:
    """The three experts, and four more in the same catalog."""
    known = context.experts[0].model_dump(exclude={"id", "base_id", "current", "added_at"})
    added = [
        {"repo": f"owner/{name}", "commit": f"{number:040d}", "path": str(more_models / name)}
        for number, name in enumerate(MORE, start=3)
    ]
    create = [tables.ExpertCreate(**(known | values)) for values in added]
    return [*context.experts, *(add_expert(context.catalog, expert) for expert in create)]


def adapters(experts: list[tables.Expert]) -> dict[str, Path]:
    return {expert.repo: Path(expert.path) for expert in experts}


def test_the_seventh_expert_of_a_probed_target_runs_alone(context, seven, models):
    def probe(experts):
        with counting(models / "base", adapters(seven)) as passes:
            ranking = sampling_ranking(context.catalog, context.target, experts, settings=context.settings, size=3)
        assert {row.expert for row in ranking.rows} == {expert.repo for expert in experts}
        return passes

    first = probe(seven[:6])
    assert set(first.made) == {"base", *(expert.repo for expert in seven[:6])}
    second = probe(seven)
    assert second.made.pop("owner/seven") > 0
    assert second.made.total() == 0
    assert second.questions == {"owner/seven": 3}


@pytest.fixture
def county(context, tmp_path) -> tables.Target:
    """A target with text enough for a probe of some seconds."""
    names = ("Ann", "Bob", "Rome", "Lake Como", "Monday")
    lines = [f"{names[n % 5]} met {names[n % 3]} in {names[n % 4]}, year {n}" for n in range(SAMPLE + 20)]
    corpus = tmp_path / "county.txt"
    corpus.write_text("\n".join(lines))
    return define_target(context.catalog, "county", corpus, LABELS)


def test_a_larger_sample_asks_for_its_new_sentences_alone(context, county, models):
    def probe(size):
        with counting(models / "base", adapters(context.experts)) as passes:
            sampling_ranking(context.catalog, county, context.experts, settings=context.settings, size=size)
        return passes.questions

    corpus = read_corpus(Path(county.corpus_path))
    small, large = ({s.text for s in draw_sample(corpus, size)} for size in (20, 30))
    assert 0 < len(small & large) < 20
    models_asked = ("base", *adapters(context.experts))
    assert probe(20) == dict.fromkeys(models_asked, 20)
    assert probe(30) == dict.fromkeys(models_asked, len(large - small))
    assert probe(20).total() == probe(30).total() == 0


def kept_rows(file: Path) -> dict[int, dict]:
    """All answers in the catalog's file by their number, read as another program would."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return {row["id"]: dict(row) for row in connection.execute("SELECT * FROM sentence_prediction")}


@pytest.mark.slow
@pytest.mark.slow
def test_a_killed_probe_loses_nothing_and_repeats_nothing(context, county, models):
    """``sam-hub select``, killed with SIGKILL when the first answers are there, and run again to the end."""
    file, total = context.catalog.path, SAMPLE * (1 + len(context.experts))  # the untuned base is asked, too
    command = ("select", county.name, "--by", "sampling", "--sample", str(SAMPLE))
    process = subprocess.Popen(
        [sys.executable, "-m", "sam_hub", *command], env=environment(context.settings), stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 120
    while not kept_rows(file):
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline, "it never kept an answer"
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert process.returncode == -9

    before = kept_rows(file)
    assert 0 < len(before) < total
    assert len(before) % SAMPLE  # one model was half through

    reporter = Recorder()
    with counting(models / "base", adapters(context.experts)) as passes, Works(context.settings) as here:
        run_selection(here, SelectOptions(county.name, by="sampling", sample=SAMPLE), reporter)
    after = kept_rows(file)
    assert {number: after[number] for number in before} == before
    assert len(after) == total
    assert passes.questions.total() == total - len(before)
    assert reporter.steps[0].done > len(before)
    assert (reporter.steps[-1].done, reporter.steps[-1].total) == (total, total)
    asked = {(row["base_id"], row["expert_id"], row["prompt_sha256"]) for row in after.values()}
    assert len(asked) == total
