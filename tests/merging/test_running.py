"""A merge loads with plain transformers, is made once, is never stale, and leaves nothing when stopped."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from sam_hub.errors import SamHubError, UnusableModel, UsageError
from sam_hub.hub.weights import file_sha256, read_header
from sam_hub.merging.plan import RECORD, MergePlan, is_merged, merge_folder, plan_merge
from sam_hub.merging.recipe import Recipe, make_recipe, pin
from sam_hub.merging.run import run_merge
from sam_hub.progress import Progress
from tests.support import tiny_models
from tests.support.reporters import Recorder


@pytest.fixture
def recipe(tiny_base: Path, tiny_experts: tuple[Path, ...]) -> Recipe:
    return make_recipe(pin(tiny_base, "acme/base"), [pin(path, f"acme/{path.name}") for path in tiny_experts])


def plan(recipe: Recipe, merges: Path) -> MergePlan:
    return plan_merge(recipe, merge_folder(recipe, merges))


def test_the_merged_model_loads_and_answers_with_plain_transformers(
    recipe: Recipe, tiny_base: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    recorder = Recorder()
    planned = plan(recipe, tmp_path)
    merged = run_merge(planned, recorder)
    assert recorder.steps == [Progress("merge", done, 20, "tensors") for done in range(1, 21)]
    assert (merged / "model.safetensors").stat().st_size == pytest.approx(planned.bytes_to_write, rel=0.1)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(merged), AutoTokenizer.from_pretrained(merged)
    inputs = tokenizer("Marie Curie worked in Paris", return_tensors="pt")
    assert model.generate(**inputs, max_new_tokens=4, do_sample=False).shape[1] > inputs["input_ids"].shape[1]
    assert model.lm_head.weight is model.model.embed_tokens.weight
    shapes = [{n: i.shape for n, i in read_header(f / "model.safetensors").items()} for f in (merged, tiny_base)]
    assert shapes[0] == shapes[1]
    record = json.loads((merged / RECORD).read_text())
    assert record["weights_sha256"] == file_sha256(merged / "model.safetensors")
    assert str(tiny_base.parent) not in (merged / RECORD).read_text()
    assert [path.name for path in tmp_path.iterdir()] == [merged.name]


def test_a_merge_is_made_once_and_a_damaged_one_anew(recipe: Recipe, tmp_path: Path) -> None:
    merged = run_merge(plan(recipe, tmp_path))
    weights = merged / "model.safetensors"
    good, written = weights.read_bytes(), weights.stat().st_mtime_ns
    again = plan(recipe, tmp_path)
    assert (again.reused, again.bytes_to_write) == (True, 0)
    assert run_merge(again) == merged
    assert weights.stat().st_mtime_ns == written
    weights.write_bytes(good[:-2] + b"\x00\x01")
    assert not plan(recipe, tmp_path).reused
    assert run_merge(again) == merged  # a plan from before the damage
    assert weights.read_bytes() == good


def test_an_adapter_changed_in_place_gives_a_new_merge(tiny_base: Path, tiny_adapter: Path, tmp_path: Path) -> None:
    merges = tmp_path / "merges"
    old = make_recipe(pin(tiny_base), [pin(tiny_adapter)])
    before = run_merge(plan(old, merges))
    tiny_models.tiny_adapter(tiny_base, tiny_adapter, seed=99)
    with pytest.raises(UnusableModel, match="was changed"):
        run_merge(plan(old, merges))
    after = run_merge(plan(make_recipe(pin(tiny_base), [pin(tiny_adapter)]), merges))
    assert after != before
    assert (after / "model.safetensors").read_bytes() != (before / "model.safetensors").read_bytes()


def test_a_folder_that_holds_something_else_is_never_overwritten(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(UsageError, match="not a merge"):
        plan_merge(recipe, tmp_path)


def test_a_merge_that_is_not_finite_is_refused_and_leaves_nothing(recipe: Recipe, tmp_path: Path) -> None:
    huge = replace(recipe, method="task_arithmetic", parameters={"lambda": 1e38})
    heavy = replace(huge, experts=tuple(replace(expert, weight=1e38) for expert in recipe.experts))
    with pytest.raises(UnusableModel, match="NaN or infinity"):
        run_merge(plan(heavy, tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_failure_inside_mergekit_is_told_in_its_words(recipe: Recipe, tmp_path: Path) -> None:
    impossible = replace(recipe, method="della", parameters={"density": 0.1, "epsilon": 0.5})
    with pytest.raises(SamHubError, match="Epsilon must be chosen such that"):
        run_merge(plan(impossible, tmp_path))
    assert list(tmp_path.iterdir()) == []


MERGE = """
import sys, time
from pathlib import Path
from sam_hub.merging.plan import merge_folder, plan_merge
from sam_hub.merging.recipe import make_recipe, pin
from sam_hub.merging.run import run_merge
from sam_hub.progress import Reporter

class Slow(Reporter):
    def progress(self, what, done, total, unit=""):
        print(done, flush=True)
        time.sleep(0.2)

merges, base, *experts = map(Path, sys.argv[1:])
recipe = make_recipe(pin(base, "acme/base"), [pin(path, f"acme/{path.name}") for path in experts])
run_merge(plan_merge(recipe, merge_folder(recipe, merges)), Slow())
"""


@pytest.mark.slow
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL], ids=lambda one: one.name)
@pytest.mark.slow
def test_a_stopped_merge_leaves_nothing_or_what_the_next_one_deletes(
    by: signal.Signals, recipe: Recipe, tmp_path: Path
) -> None:
    merges = tmp_path / "merges"
    paths = [merges, recipe.base.path, *(expert.path for expert in recipe.experts)]
    program = subprocess.Popen(
        [sys.executable, "-c", MERGE, *map(str, paths)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert program.stdout is not None
    program.stdout.readline()
    (staging,) = merges.iterdir()
    assert staging.name.startswith(".")
    program.send_signal(by)
    assert program.wait(30) != 0
    assert list(merges.iterdir()) == ([] if by == signal.SIGINT else [staging])
    merged = run_merge(plan(recipe, merges))
    assert list(merges.iterdir()) == [merged]


def test_a_merge_that_takes_too_long_is_given_up(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(SamHubError, match=r"took more than 0\.01 s"):
        run_merge(plan(recipe, tmp_path), timeout=0.01)
    assert list(tmp_path.iterdir()) == []


def test_a_merge_leaves_no_trace_in_its_process_and_needs_no_network(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from mergekit.io.tasks import LoaderCache

    def refuse(*_: object) -> None:
        raise AssertionError("a merge asks the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    environment = dict(os.environ)
    threads = torch.get_num_threads() + 1
    torch.set_num_threads(threads)
    stale = {"of somebody else": object()}
    monkeypatch.setattr(LoaderCache, "loaders", dict(stale))
    torch.manual_seed(3)
    drawn = torch.rand(4)
    torch.manual_seed(3)
    for method in ("ties", "dare_ties"):
        run_merge(plan(replace(recipe, method=method), tmp_path))
    assert torch.rand(4).equal(drawn)
    assert dict(os.environ) == environment
    assert LoaderCache.loaders == stale
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == threads == torch.get_num_threads()
    torch.set_num_threads(threads - 1)
    assert gc.isenabled()


def test_two_threads_that_merge_at_once_do_not_disturb_each_other(recipe: Recipe, tmp_path: Path) -> None:
    others = replace(recipe, experts=recipe.experts[:2])
    alone = run_merge(plan_merge(others, tmp_path / "alone"))
    with ThreadPoolExecutor(2) as pool:
        plans = [plan_merge(recipe, tmp_path / "one"), plan_merge(others, tmp_path / "other")]
        _, other = pool.map(run_merge, plans)
    assert (other / "model.safetensors").read_bytes() == (alone / "model.safetensors").read_bytes()


AT_ONCE = """
import sys
from pathlib import Path
from sam_hub.merging.plan import plan_merge
from sam_hub.merging.recipe import make_recipe, pin
from sam_hub.merging.run import run_merge
out, base, *experts = map(Path, sys.argv[1:])
plan = plan_merge(make_recipe(pin(base, "acme/base"), [pin(path, f"acme/{path.name}") for path in experts]), out)
print("planned", flush=True)
sys.stdin.readline()
run_merge(plan)
"""


@pytest.mark.slow
@pytest.mark.slow
def test_two_programs_that_merge_the_same_at_once_both_have_it(
    recipe: Recipe, tiny_base: Path, tiny_experts: tuple[Path, ...], tmp_path: Path
) -> None:
    out = tmp_path / "merges" / "one"
    command = [sys.executable, "-c", AT_ONCE, *map(str, (out, tiny_base, *tiny_experts))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    programs = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for program in programs:
        assert program.stdout is not None
        assert program.stdout.readline() == "planned\n"
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("now\n")
        program.stdin.flush()
    for program in programs:
        _, said = program.communicate(timeout=120)
        assert program.returncode == 0, said
    assert is_merged(recipe, out)
    assert [path.name for path in out.parent.iterdir()] == ["one"]


def test_what_is_there_already_needs_no_disk(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_merge(plan_merge(recipe, tmp_path / "merged"))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 0))
    assert run_merge(plan_merge(recipe, folder)) == folder


@pytest.mark.parametrize("given", [{"parameters": {"lambda": float("nan")}}, {"weight": float("inf")}])
def test_numbers_that_are_none_are_refused(given: dict, tiny_base: Path, tiny_experts: tuple[Path, ...]) -> None:
    experts = [pin(path, weight=given.get("weight", 1.0)) for path in tiny_experts]
    with pytest.raises(UsageError, match="finite number"):
        make_recipe(pin(tiny_base), experts, parameters=given.get("parameters"))


def test_a_merge_into_any_folder_leaves_what_others_have_there(recipe: Recipe, tmp_path: Path) -> None:
    others = [tmp_path / ".settings-999999-ab", tmp_path / "project" / ".notes-999999-ab"]
    for folder in others:
        folder.mkdir(parents=True)
    killed = tmp_path / ".merged-999999-ab"
    killed.mkdir()
    run_merge(plan_merge(recipe, tmp_path / "merged"))
    assert [folder.is_dir() for folder in others] == [True, True]
    assert not killed.exists()
