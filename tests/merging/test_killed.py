"""SIGKILL at any moment of a merge: what is seen is a whole merge or none, and the next run succeeds."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from sam_hub.merging.plan import is_merged, merge_folder, plan_merge
from sam_hub.merging.recipe import make_recipe, pin
from sam_hub.merging.run import run_merge
from tests.support import tiny_models

MERGE = """
import sys
from pathlib import Path
from sam_hub.merging.plan import merge_folder, plan_merge
from sam_hub.merging.run import run_merge
from sam_hub.merging.recipe import make_recipe, pin
merges, base, *experts = map(Path, sys.argv[1:])
recipe = make_recipe(pin(base), [pin(expert) for expert in experts])
class Printing(Reporter):
    def progress(self, what, done, total, unit=""):
        print(done, flush=True)


run_merge(plan_merge(recipe, merge_folder(recipe, merges)), Printing())
"""
MOMENTS = 20


def test_killed_at_twenty_random_moments(tmp_path: Path) -> None:
    base = tiny_models.tiny_base(tmp_path / "base", hidden=256)
    experts = [tiny_models.tiny_adapter(base, tmp_path / f"expert{n}", seed=n) for n in (1, 2)]
    recipe, merges = make_recipe(pin(base), [pin(path) for path in experts]), tmp_path / "merges"
    folder, chance = merge_folder(recipe, merges), random.Random(5)
    whole = 0
    for number in range(MOMENTS):
        # A third while it starts, the rest while tensors are written.
        after = chance.randrange(20) if number % 3 else None
        kill_at(after, chance.uniform(0, 2), [merges, base, *experts])
        seen = [path for path in merges.glob("*") if not path.name.startswith(".")]
        assert seen in ([], [folder])
        if seen:
            assert is_merged(recipe, folder)
            whole += 1
            folder.rename(tmp_path / f"whole{number}")  # the next one shall be made anew
    assert whole < MOMENTS
    assert is_merged(recipe, run_merge(plan_merge(recipe, folder)))
    assert [path.name for path in merges.iterdir()] == [folder.name]


def kill_at(tensor: int | None, seconds: float, arguments: list[Path]) -> None:
    """Start a merge; kill it when so many tensors are written, or after so many seconds."""
    program = subprocess.Popen(
        [sys.executable, "-c", MERGE, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert program.stdout is not None
    if tensor is None:
        time.sleep(seconds)
    else:
        for line in program.stdout:
            if int(line) > tensor:
                break
    program.kill()
    program.wait()
