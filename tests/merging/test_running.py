"""A merge loads with plain transformers, is made once, is never stale, and leaves nothing when stopped."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from sam_hub.errors import SamHubError, UnusableModel, UsageError
from sam_hub.hub.weights import file_sha256, read_header
from sam_hub.merging.plan import (
    RECORD,
    MergePlan,
    Progress,
    is_merged,
    merge_folder,
    plan_merge,
    run_merge,
)
from sam_hub.merging.process import spare_worker
from sam_hub.merging.recipe import Recipe, make_recipe, pin
from tests import tiny_models


@pytest.fixture
def recipe(tiny_base: Path, tiny_experts: tuple[Path, ...]) -> Recipe:
    return make_recipe(pin(tiny_base, "acme/base"), [pin(path, f"acme/{path.name}") for path in tiny_experts])


def plan(recipe: Recipe, merges: Path) -> MergePlan:
    return plan_merge(recipe, merge_folder(recipe, merges))


def test_the_merged_model_loads_and_answers_with_plain_transformers(
    recipe: Recipe, tiny_base: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    seen: list[Progress] = []
    planned = plan(recipe, tmp_path)
    merged = run_merge(planned, seen.append)
    assert (seen[-1].done, seen[-1].total, len(seen)) == (20, 20, 20)
    assert (merged / "model.safetensors").stat().st_size == pytest.approx(planned.bytes_to_write, rel=0.1)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(merged), AutoTokenizer.from_pretrained(merged)
    inputs = tokenizer("Marie Curie worked in Paris", return_tensors="pt")
    assert model.generate(**inputs, max_new_tokens=4, do_sample=False).shape[1] > inputs["input_ids"].shape[1]
    assert model.lm_head.weight is model.model.embed_tokens.weight
    shapes = [
        {n: i.shape for n, i in read_header(f / "model.safetensors").items()} for f in (merged, tiny_base)
    ]
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


def test_an_adapter_changed_in_place_gives_a_new_merge(
    tiny_base: Path, tiny_adapter: Path, tmp_path: Path
) -> None:
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


def started(recipe: Recipe, merges: Path, cwd: Path) -> subprocess.Popen[bytes]:
    """A program that merges, stopped by nobody yet; its merge process is at work."""
    from sam_hub.merging.recipe import to_json

    (cwd / "recipe.json").write_text(json.dumps(to_json(recipe)))
    code = (
        "import json; from pathlib import Path; from sam_hub.merging.plan import *;"
        "from sam_hub.merging.recipe import from_json;"
        "recipe = from_json(json.loads(Path('recipe.json').read_text()));"
        f"run_merge(plan_merge(recipe, merge_folder(recipe, Path({str(merges)!r}))))"
    )
    root = Path(__file__).parents[2]
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(root)},
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: bool(merging_children(program)))
    return program


def merging_children(program: subprocess.Popen[bytes]) -> list[psutil.Process]:
    children = []
    for child in psutil.Process(program.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "sam_hub.merging" in child.cmdline():
                children.append(child)
    return children


def wait_until(happened: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_ctrl_c_kills_the_merge_and_leaves_nothing(recipe: Recipe, tmp_path: Path) -> None:
    merges = tmp_path / "merges"
    program = started(recipe, merges, tmp_path)
    (worker,) = merging_children(program)
    program.send_signal(signal.SIGINT)
    assert program.wait(30) != 0
    wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
    assert list(merges.iterdir()) == []


def test_after_a_kill_the_next_merge_succeeds(recipe: Recipe, tmp_path: Path) -> None:
    merges = tmp_path / "merges"
    program = started(recipe, merges, tmp_path)
    (worker,) = merging_children(program)
    program.kill()
    program.wait()
    wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
    merged = run_merge(plan(recipe, merges))
    assert [path.name for path in merges.iterdir()] == [merged.name]


AT_ONCE = """
import sys
from pathlib import Path
from sam_hub.merging.plan import plan_merge, run_merge
from sam_hub.merging.recipe import make_recipe, pin
out, base, *experts = map(Path, sys.argv[1:])
plan = plan_merge(make_recipe(pin(base, "acme/base"), [pin(path, f"acme/{path.name}") for path in experts]), out)
print("planned", flush=True)
sys.stdin.readline()
run_merge(plan)
"""


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


def test_what_is_there_already_needs_no_disk(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_merge(plan_merge(recipe, tmp_path / "merged"))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 0))
    assert run_merge(plan_merge(recipe, folder)) == folder


def test_a_spare_worker_is_taken_by_the_first_merge_and_ended_if_none_comes(
    recipe: Recipe, tmp_path: Path
) -> None:
    mine = psutil.Process()
    before = {child.pid for child in mine.children()}
    with spare_worker():
        (spare,) = (child for child in mine.children() if child.pid not in before)
        run_merge(plan_merge(recipe, tmp_path / "first"))
        assert not spare.is_running()
        run_merge(plan_merge(recipe, tmp_path / "second"))
    with spare_worker():
        (spare,) = (child for child in mine.children() if child.pid not in before)
    assert not spare.is_running()


@pytest.mark.parametrize("given", [{"parameters": {"lambda": float("nan")}}, {"weight": float("inf")}])
def test_numbers_that_are_none_are_refused(
    given: dict, tiny_base: Path, tiny_experts: tuple[Path, ...]
) -> None:
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
