"""``python -m sam_hub.training RECIPE BASE OUT [DATA]`` trains with only torch, transformers, peft, and pydantic."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from sam_hub.errors import SamHubError
from sam_hub.progress import Reporter
from sam_hub.training.recipe import read_recipe
from sam_hub.training.trainer import train_adapter


class _Printer(Reporter):
    """Prints every tenth step, with the time left."""

    def __init__(self) -> None:
        self._began, self._first = time.monotonic(), 0

    def progress(self, what: str, done: int, total: int, unit: str = "") -> None:
        """Print a step."""
        self._first = self._first or done
        if done % 10 == 0 or done == total:
            seconds = (time.monotonic() - self._began) / (done - self._first + 1)
            print(f"step {done}/{total}  {what}  {seconds * (total - done):.0f} s left", flush=True)


def main() -> None:
    """Train a recipe's adapter. `sam-hub train` adds descriptor, scores and card to it."""
    parser = argparse.ArgumentParser(prog="python -m sam_hub.training", description=main.__doc__)
    parser.add_argument("recipe", type=Path, help="a recipe in JSON")
    parser.add_argument("base", type=Path, help="the base's folder")
    parser.add_argument("out", type=Path, help="the folder of the new adapter")
    parser.add_argument("data", type=Path, nargs="?", default=Path(), help="the folder of the recipe's data folders")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto", help="auto, float32 or bfloat16")
    given = parser.parse_args()
    try:
        trained = train_adapter(
            read_recipe(given.recipe),
            given.base,
            given.out,
            data_root=given.data,
            device=given.device,
            dtype=given.dtype,
            reporter=_Printer(),
        )
    except SamHubError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"{given.out}: {trained.steps} steps, {trained.tokens} tokens, {trained.seconds:.0f} s")


if __name__ == "__main__":
    main()
