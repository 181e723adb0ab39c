"""``python -m sam_hub.training RECIPE BASE OUT [DATA]``: the bare training.

It needs torch, transformers and peft alone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sam_hub.errors import SamHubError
from sam_hub.training.recipe import read_recipe
from sam_hub.training.trainer import Progress, train_adapter


def main() -> None:
    """Train a recipe's adapter; `sam-hub train` adds descriptor, scores and card to what it left."""
    parser = argparse.ArgumentParser(prog="python -m sam_hub.training", description=main.__doc__)
    parser.add_argument("recipe", type=Path, help="a recipe in JSON")
    parser.add_argument("base", type=Path, help="the base's folder")
    parser.add_argument("out", type=Path, help="where the adapter shall lie")
    parser.add_argument(
        "data", type=Path, nargs="?", default=Path(), help="where the recipe's data folders lie"
    )
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
            on_progress=_show,
        )
    except SamHubError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"{given.out}: {trained.steps} steps, {trained.tokens} tokens, {trained.seconds:.0f} s")


def _show(progress: Progress) -> None:
    if progress.step % 10 == 0 or progress.step == progress.steps:
        print(
            f"step {progress.step}/{progress.steps}  loss {progress.loss:.3f}  "
            f"{progress.tokens_per_second:.0f} tokens/s  {progress.seconds_left:.0f} s left",
            flush=True,
        )


if __name__ == "__main__":
    main()
