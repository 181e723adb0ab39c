"""``python -m sam_hub.merging``: one merge in its own process; progress as JSON lines on stdout.

mergekit is loaded first; then the first line of standard input tells the job, ``{"recipe": …, "folder": …}``, for a
merge as one adapter with ``"as_adapter"``, its rank; the folder exists and is empty. Lines are ``{"tensor", "done",
"total"}``; the last is ``{"finished": true}`` or ``{"error": {"kind", "title", …}}``.
The process ends when its standard input does, that is, when the one who started it is gone.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from sam_hub.errors import SamHubError, of_the_system
from sam_hub.hub.weights import read_headers, weights_sha256
from sam_hub.merging.configuration import FILE_NAME, write_config
from sam_hub.merging.lora_extraction import write_adapter
from sam_hub.merging.plan import RECORD
from sam_hub.merging.recipe import CARRIED, Recipe, from_json, recipe_hash, to_json
from sam_hub.merging.run import OnTensor, merge_to, save_config


def _next_job() -> dict[str, Any]:
    """Wait for the job; from then on, the process ends with the one who gave it."""
    line = sys.stdin.readline()
    if not line:
        os._exit(130)
    job: dict[str, Any] = json.loads(line)

    def wait() -> None:
        while sys.stdin.read(1):
            pass
        shutil.rmtree(job["folder"], ignore_errors=True)
        os._exit(130)

    threading.Thread(target=wait, daemon=True).start()
    return job


def _load() -> None:
    """mergekit and all that it brings: for so many modules the garbage collector takes a third of the time."""
    gc.disable()
    import mergekit.merge_methods
    import mergekit.plan  # noqa: F401

    gc.freeze()
    gc.enable()


def _without_paths(recipe: Recipe) -> dict[str, Any]:
    """The recipe for ``merge.json``, which may be published: no local paths."""
    content = to_json(recipe)
    for model in (content["base"], *content["experts"]):
        del model["path"]
    return content


def merge_into(recipe: Recipe, folder: Path, on_tensor: OnTensor) -> dict[str, Any]:
    """Fill ``folder`` with the merged model and its record, and return the record."""
    started = time.monotonic()
    write_config(recipe, folder / FILE_NAME)
    counts = merge_to(recipe, folder, on_tensor)
    read_headers(folder)
    save_config(recipe, folder)
    for name in CARRIED:
        if (recipe.base.path / name).is_file():
            shutil.copyfile(recipe.base.path / name, folder / name)
    record = {
        "recipe": _without_paths(recipe),
        "recipe_hash": recipe_hash(recipe),
        "weights_sha256": weights_sha256(folder),
        **counts,
        "versions": {name: version(name) for name in ("mergekit", "torch", "transformers")},
        "seconds": round(time.monotonic() - started, 2),
    }
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


def main() -> int:
    """Run one job; returns the exit code."""
    stream: TextIO = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever libraries print is no progress

    def emit(**line: Any) -> None:
        print(json.dumps(line), file=stream, flush=True)

    _load()
    job = _next_job()
    folder = Path(job["folder"])
    recipe = from_json(job["recipe"])
    on_tensor = lambda name, done, total: emit(tensor=name, done=done, total=total)  # noqa: E731
    try:
        if "as_adapter" in job:
            write_adapter(recipe, folder, job["as_adapter"], on_tensor)
        else:
            merge_into(recipe, folder, on_tensor)
    except (SamHubError, OSError) as error:
        told = of_the_system(error) if isinstance(error, OSError) else error
        emit(error={"kind": type(told).__name__, "title": told.title, "action": told.action})
        return told.exit_code
    emit(finished=True)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # all is written; to take all modules down again would take half a second
