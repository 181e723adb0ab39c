"""How quick and how small a merge is: `python -m tests.benchmarks.merge --home FOLDER [--json]`.

TIES of three LoRA experts, by stock ``mergekit-yaml`` and by this project, on the same configuration, each from the
start of its process to its end:

(a) the demo's base, and random adapters of rank 8 for its attention; (a-all) the same base, and three of the demo's
    experts, which change all linear layers;
(b) a Llama of 1.1 billion parameters with random weights in several shards, and random adapters of rank 16 for its
    attention; (b-all) the same for all linear layers.

Wall time, peak memory of all processes together, the most bytes that lay on disk beyond the output while it ran, and
equality of every output tensor. Beside them, as the floor, a plain copy of the base. The
models are made in FOLDER once (98 MB from PyPI; (b) takes 2.3 GB, and stock mergekit another 9).

sam-hub is measured in both its ways of trimming. The quicker one, ``--stable``, keeps other ones of equally large
changes than mergekit; its result is held, in the last round, against that of mergekit with a sort that is stable.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

EXPERTS = ("ner-assistant", "ner-fiction", "ner-social")
LLAMA = {  # that of TinyLlama
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 22,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "vocab_size": 32000,
}
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
ALL_LINEAR = (*ATTENTION, "gate_proj", "up_proj", "down_proj")
MODELS = ("a", "a-all", "b", "b-all")
WAYS = {
    "copy": "plain copy of the base",
    "stock": "mergekit-yaml",
    "stable-stock": "mergekit, stable sort",
    "sam-hub": "sam-hub",
    "stable": "sam-hub --stable",
}
PEERS = {"sam-hub": "stock", "stable": "stable-stock"}  # whose bits each way shall have
OURS = """
import sys
from pathlib import Path
from sam_hub.merging.mergekit_tasks import preload_mergekit
from sam_hub.merging.plan import plan_merge
from sam_hub.merging.recipe import make_recipe, pin
from sam_hub.merging.run import run_merge
way, *paths = sys.argv[1:]
preload_mergekit()
base, out, *experts = map(Path, paths)
half = {"density": 0.5}
recipe = make_recipe(pin(base), [pin(e) for e in experts], parameters=half, stable=way == "stable")
run_merge(plan_merge(recipe, out))
"""
STABLE_STOCK = """
import functools, torch
torch.argsort = functools.partial(torch.argsort, stable=True)
from mergekit.scripts.run_yaml import main
main()
"""


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="where models are kept between runs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts")
    options = parser.parse_args()
    result = {name: compare(*models(name, options.home), options.home, options.rounds) for name in options.models}
    print(json.dumps(result, indent=2) if options.json else "\n\n".join(map(table, result.items())))


def models(name: str, home: Path) -> tuple[Path, list[Path]]:
    """A base and its three experts; made, where they are not there yet."""
    from sam_hub.demo.base import make_base
    from sam_hub.demo.setup import expert_folders

    make_base(home / "base")
    if name == "a-all":
        return home / "base", [folder for folder in expert_folders() if folder.name in EXPERTS]
    base, modules, rank = {
        "a": (home / "base", ATTENTION, 8),
        "b": (home / "large", ATTENTION, 16),
        "b-all": (home / "large", ALL_LINEAR, 16),
    }[name]
    if name != "a" and not (base / "config.json").is_file():
        large_base(base, home / "base")
    experts = [home / f"expert-{name}-{number}" for number in range(len(EXPERTS))]
    for number, folder in enumerate(experts):
        if not folder.is_dir():
            random_adapter(base, modules, rank, folder, number)
    return base, experts


def large_base(base: Path, tokenizer: Path) -> None:
    """A base of 1.1 billion parameters in shards of half a gigabyte."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    print("Making a base of 1.1 billion parameters", file=sys.stderr)
    torch.set_default_dtype(torch.bfloat16)
    model = LlamaForCausalLM(LlamaConfig(**LLAMA, dtype="bfloat16"))
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(base, max_shard_size="500MB")
    # mergekit wants some tokenizer beside the weights; which one is no matter here.
    AutoTokenizer.from_pretrained(tokenizer).save_pretrained(base)


def random_adapter(base: Path, modules: Sequence[str], rank: int, folder: Path, seed: int) -> None:
    """An adapter with random weights."""
    import torch
    from peft import LoraConfig
    from safetensors.torch import save_file

    from sam_hub.hub.weights import read_headers

    random, tensors = torch.Generator().manual_seed(seed), {}
    for name, info in sorted(read_headers(base).items()):
        layer = name.removesuffix(".weight")
        if layer.endswith(tuple(modules)):
            rows, columns = info.shape
            a = torch.randn(rank, columns, generator=random) / columns**0.5
            b = torch.randn(rows, rank, generator=random) * 0.01
            tensors |= {f"base_model.model.{layer}.lora_A.weight": a, f"base_model.model.{layer}.lora_B.weight": b}
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules=list(modules),
        task_type="CAUSAL_LM",
        base_model_name_or_path=str(base),
    )
    folder.mkdir(parents=True)
    config.save_pretrained(folder)
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def compare(base: Path, experts: Sequence[Path], home: Path, rounds: int) -> dict[str, Any]:
    """All ways, round by round; a ratio is one within a round, and the median of the rounds counts."""
    seen = []
    for number in range(rounds):
        print(f"{base.name}, round {number + 1} of {rounds}", file=sys.stderr)
        scratch = home / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        ways = [way for way in WAYS if way != "stable-stock" or number == rounds - 1]
        seen.append({way: measure(way, base, experts, scratch / way) for way in ways})
        equality = {
            f"{way} / {peer}": compared(scratch / way / "out", scratch / peer / "out")
            for way, peer in [*PEERS.items(), ("stable", "stock")]
            if peer in ways
        }
        for row in seen[-1].values():
            row["temporary_bytes"] = max(0, row["most_bytes"] - row["output_bytes"])
        shutil.rmtree(scratch)
    rows = {
        way: {key: statistics.median(each[way][key] for each in seen if way in each) for key in values}
        for way, values in seen[-1].items()
    }
    ratios = {
        way: {
            key: statistics.median(each["stock"][key] / each[way][key] for each in seen)
            for key in ("seconds", "peak_bytes")
        }
        for way in PEERS
    }
    return {"ways": rows, "equality": equality, "stock_to": ratios}


def measure(way: str, base: Path, experts: Sequence[Path], folder: Path) -> dict[str, float]:
    """Run one way in ``folder``, where all that it writes lies, and the output in ``out``."""
    out, scratch = folder / "out", folder / "tmp"
    scratch.mkdir(parents=True)
    if way in PEERS:
        command = [sys.executable, "-c", OURS, way, base, out, *experts]
    elif way == "copy":
        command = [sys.executable, "-c", "import shutil, sys; shutil.copytree(*sys.argv[1:])", base, out]
    else:
        stock = [Path(sys.executable).with_name("mergekit-yaml")]
        if way == "stable-stock":
            stock = [sys.executable, "-c", STABLE_STOCK]
        written = configuration(base, experts, folder)
        command = [*stock, written, out, "--lora-merge-cache", folder / "folds", "--no-write-model-card"]
    began = time.perf_counter()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            list(map(str, command)), stdout=log, stderr=log, env={**os.environ, "TMPDIR": str(scratch)}
        )
        with _Watch(folder, process.pid) as watch:
            code = process.wait()
            seconds = time.perf_counter() - began
    if code:
        raise SystemExit(f"{way} failed:\n{(folder / 'log').read_text(encoding='utf-8')}")
    return {
        "seconds": seconds,
        "peak_bytes": watch.most_memory,
        "most_bytes": watch.most_disk,
        "output_bytes": _size(out),
    }


def configuration(base: Path, experts: Sequence[Path], folder: Path) -> Path:
    """The configuration that this project writes for the same merge."""
    from sam_hub.merging.configuration import FILE_NAME, config_text
    from sam_hub.merging.recipe import make_recipe, pin

    recipe = make_recipe(pin(base), [pin(expert) for expert in experts], parameters={"density": 0.5})
    (folder / FILE_NAME).write_text(config_text(recipe), encoding="utf-8")
    return folder / FILE_NAME


class _Watch:
    """Looks ten times a second how much lies in a folder, and how much memory a process and its children hold."""

    def __init__(self, folder: Path, pid: int) -> None:
        self._folder, self._pid, self._end = folder, pid, threading.Event()
        self.most_disk = self.most_memory = 0
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._end.wait(0.1):
            self.most_disk = max(self.most_disk, _size(self._folder))
            self.most_memory = max(self.most_memory, _memory(self._pid))

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self.most_disk = max(self.most_disk, _size(self._folder))


def _memory(pid: int) -> int:
    """Bytes that a process and its children hold; what they share counts once, where the system tells."""
    total = 0
    try:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            rollup = Path(f"/proc/{one.pid}/smaps_rollup")
            if rollup.exists():
                lines = dict(line.split(":", 1) for line in rollup.read_text().splitlines()[1:])
                total += int(lines["Pss"].split()[0]) * 1024
            else:
                total += one.memory_info().rss
    except (psutil.Error, OSError, KeyError):  # one has just ended
        return 0
    return total


def _size(folder: Path) -> int:
    """Bytes of all files below ``folder``, of which some may just be going."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).stat().st_size
            except FileNotFoundError:
                continue
    return total


def compared(one: Path, other: Path) -> dict[str, float]:
    """How many tensors two models have, how many are the same bits, and the share of elements that are not."""
    first, second = _tensors(one), _tensors(other)
    equal = differing = elements = 0
    for name in first.keys() & second.keys():
        a, b = first[name].get_tensor(name), second[name].get_tensor(name)
        different = _differing(a, b)
        equal += different == 0
        differing, elements = differing + different, elements + a.numel()
    names = first.keys() | second.keys()
    return {"tensors": len(names), "equal": equal, "differing": differing / elements}


def _differing(one: Any, other: Any) -> int:
    import torch

    if one.dtype != other.dtype or one.shape != other.shape:
        return int(one.numel())
    bits = {2: torch.int16, 4: torch.int32}[one.element_size()]
    return int((one.view(bits) != other.view(bits)).sum())


def _tensors(folder: Path) -> dict[str, Any]:
    from safetensors import safe_open

    files = [safe_open(file, "pt") for file in sorted(folder.glob("*.safetensors"))]
    return {name: file for file in files for name in file.keys()}  # noqa: SIM118


def table(named: tuple[str, dict[str, Any]]) -> str:
    """For reading."""
    name, result = named
    lines = []
    for way, ratio in result["stock_to"].items():
        lines.append(
            f"({name}) {WAYS[way]}: {ratio['seconds']:.1f}x as quick as mergekit-yaml, in "
            f"1/{ratio['peak_bytes']:.1f} of its memory"
        )
    for pair, found in result["equality"].items():
        one, other = (WAYS[way] for way in pair.split(" / "))
        lines.append(
            f"{one} / {other}: {found['equal']} of {found['tensors']} tensors are the same bits; "
            f"{found['differing']:.2%} of the elements differ"
        )
    lines.append(f"{'':24} {'seconds':>8} {'peak GB':>8} {'temporary MB':>13} {'output MB':>10}")
    lines += [
        f"{WAYS[way]:24} {row['seconds']:8.1f} {row['peak_bytes'] / 1e9:8.2f} {row['temporary_bytes'] / 1e6:13.1f} "
        f"{row['output_bytes'] / 1e6:10.1f}"
        for way, row in result["ways"].items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
