"""How quick the embedded Hub is: `python -m tests.benchmarks.hub --home FOLDER [--rounds N] [--json]`.

One file of random bytes goes up to a Hub in FOLDER and comes down again: with this project's push and pull, and with
the stock client, which sends it by LFS or by Xet. Beside them, as the floor, ``cp`` of the file (without an fsync) and
``sha256sum`` of it.

Push and pull include what they do beside moving bytes: the SHA-256 that the client needs before it sends, the Hub's
check of what arrives, the fsync before it says that it has it, and the check of what came down. Every upload is of
other bytes than the last: nothing is there already.
"""

from __future__ import annotations

import argparse
import filecmp
import hashlib
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.hubs import RunningHub, hub_process

FLOORS = ("cp and sha256sum", "cp and hashlib's SHA-256")
WAYS = ("sam-hub", "stock, LFS", "stock, Xet")
WORK = {
    ("sam-hub", "up"): """
from sam_hub.hub.upload import plan_push, push
push(hub, plan_push(hub, folder, repo), "Weights")""",
    ("sam-hub", "down"): """
from sam_hub.hub.download import plan_pull, pull
pull(hub, plan_pull(hub, repo, "main", back / "models"))""",
    ("stock", "up"): """
api.create_repo(repo)
api.upload_folder(repo_id=repo, folder_path=folder)""",
    ("stock", "down"): """
api.snapshot_download(repo, cache_dir=back)""",
}
CODE = """
import sys, time
from pathlib import Path
from huggingface_hub import HfApi
from sam_hub.hub.client import Hub
endpoint, token, repo, *folders = sys.argv[1:]
folder, back = map(Path, folders)
hub, api = Hub(endpoint, token, back / "cache"), HfApi(endpoint, token=token)
{first}  # imports are not what is measured
began = time.perf_counter()
{work}
print(time.perf_counter() - began)
"""
BLOCK = 1 << 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--home", type=Path, required=True, help="where five times the bytes are free")
    parser.add_argument("--bytes", type=int, default=1_000_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    table = measure(given.home / "hub-benchmark", given.bytes, given.rounds)
    print(json.dumps(table, indent=2) if given.json else as_text(table))


def measure(home: Path, size: int, rounds: int) -> dict[str, dict[str, float]]:
    """Median seconds of each row, and how many times the floor's they are."""
    seconds: dict[str, list[float]] = {}
    for number in range(rounds):
        for way in WAYS:
            shutil.rmtree(home, ignore_errors=True)
            (home / "model").mkdir(parents=True)
            weights = home / "model" / "model.safetensors"
            _write(weights, size)
            for row, took in {**_floor(weights), **_up_and_down(home, way)}.items():
                seconds.setdefault(row, []).append(took)
            print(f"round {number + 1} of {rounds}: {way}", file=sys.stderr)
    shutil.rmtree(home)
    medians = {row: statistics.median(values) for row, values in seconds.items()}
    return {
        row: {"seconds": took, **{f"of {floor}": took / medians[floor] for floor in FLOORS}}
        for row, took in medians.items()
    }


def _write(path: Path, size: int) -> None:
    """A safetensors file of ``size`` random bytes and a header, written out to the disk."""
    header = json.dumps({"weight": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for start in range(0, size, BLOCK):
            file.write(secrets.token_bytes(min(BLOCK, size - start)))
        file.flush()
        os.fsync(file.fileno())


def _floor(weights: Path) -> dict[str, float]:
    """What a copy and a checksum take, with the usual commands and with Python's hashlib for the checksum."""
    copy = weights.parent.parent / "copy"
    _warm(weights)
    copied = _seconds(lambda: subprocess.run(["cp", weights, copy], check=True))
    copy.unlink()
    command = _seconds(lambda: subprocess.run(["sha256sum", weights], check=True, stdout=subprocess.DEVNULL))

    def digest() -> None:
        with weights.open("rb") as file:
            hashlib.file_digest(file, "sha256")

    return {FLOORS[0]: copied + command, FLOORS[1]: copied + _seconds(digest)}


def _warm(weights: Path) -> None:
    """Touch the memory that the page cache will need.

    A virtual machine may have given it back to its host: then the first use of a gigabyte takes two seconds, whoever
    it is that uses it.
    """
    b"\1" * (4 * weights.stat().st_size)  # zeros would not be touched


def _up_and_down(home: Path, way: str) -> dict[str, float]:
    took = {}
    with hub_process(home / "hub") as server:
        for direction in ("up", "down"):
            _warm(home / "model" / "model.safetensors")
            took[f"{direction}, {way}"] = _in_a_process(server, home, way, direction)
    came = next(home.glob("back/**/*.safetensors"))
    if not filecmp.cmp(came, home / "model" / "model.safetensors", shallow=False):
        raise SystemExit(f"{way}: what came down is not what went up")
    return took


def _in_a_process(server: RunningHub, home: Path, way: str, direction: str) -> float:
    kind, _, how = way.partition(", ")
    first = {
        "up": "import sam_hub.hub.upload, huggingface_hub._commit_api; hub.api().whoami(); import hf_xet",
        "down": "import sam_hub.hub.download; hub.api().whoami()",
    }
    code = CODE.format(first=first[direction], work=WORK[kind, direction])
    environment = {**os.environ, "HF_HUB_DISABLE_XET": "0" if how == "Xet" else "1", "HF_HOME": str(home / "hf")}
    done = subprocess.run(
        [sys.executable, "-c", code, server.endpoint, server.token, "local/m", home / "model", home / "back"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout.split()[-1])


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def as_text(table: dict[str, dict[str, float]]) -> str:
    """The table for a README."""
    lines = [f"| | seconds | of {FLOORS[0]} | of {FLOORS[1]} |", "|---|---|---|---|"]
    for row, value in table.items():
        ratios = " | ".join(f"{value[f'of {floor}']:.2f}" for floor in FLOORS)
        lines.append(f"| {row} | {value['seconds']:.2f} | {ratios} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
