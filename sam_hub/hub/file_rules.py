"""Which files of a repository are fetched, and which make it unusable, judged by names and sizes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from humanize import naturalsize

from sam_hub.errors import UnusableModel

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib")
WANTED = (".safetensors", ".json", ".jsonl", ".md", ".txt", ".jinja", ".yml", ".yaml", ".model", ".tiktoken")
WANTED_NAMES = ("LICENSE", "LICENSE.txt", "NOTICE", "merges.txt", "vocab.txt")
CONFIGS = ("config.json", "adapter_config.json", "generation_config.json", "sam_hub.json", "descriptor.json")
_TOKENIZER = ("tokenizer", "special_tokens_map.json", "added_tokens.json", "vocab.", "merges.txt", "chat_template.")
CONFIG_LIMIT = 1024 * 1024
MODEL_FOLDERS = ("by_similarity", "by_sampling")  # where a push puts the second of a target's two merges
RECORDS = ("training.json", "mergekit_config.yml")  # how a model was made
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_OPTIMIZER = re.compile(r"(^|/)(optimizer|scheduler|rng_state|training_args|trainer_state|checkpoint-)")


@dataclass(frozen=True)
class RemoteFile:
    """A file in a repository at a commit.

    ``sha256`` is known for large files only; ``oid`` is git's SHA-1 of a small file's content.
    """

    path: str
    size: int
    sha256: str | None
    oid: str


def name_problem(path: str) -> str | None:
    """Return why a file of this name is refused, None if not: it would leave its folder or break a file system."""
    parts = path.split("/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path) or "\\" in path:
        return "it is not a relative path"
    if any(part in ("", ".", "..") for part in parts):
        return "it leads out of its folder"
    if _CONTROL.search(path):
        return "it holds a control character"
    if any(part.lower() == ".git" for part in parts):
        return "it would write into a .git folder"
    if any(len(part.encode("utf-8", "surrogatepass")) > 255 for part in parts):
        return "it is longer than 255 bytes"
    return None


def is_of_a_model(path: str) -> bool:
    """Return whether a file is part of a repository's model, or of the second one that a merge has beside it.

    Such a file must not stay beside another model's weights. What people add, such as a license or pictures, may.
    """
    folder, _, path = path.rpartition("/")
    if folder not in ("", *MODEL_FOLDERS):
        return False
    weights = path.endswith((".safetensors", ".safetensors.index.json", *PICKLES))
    return weights or path in (*CONFIGS, *RECORDS) or path.startswith(_TOKENIZER)


def is_wanted(path: str) -> bool:
    """Return whether a pull fetches it: weights in safetensors, configurations, tokenizers, cards; no code."""
    if path.startswith(".") or "/." in path or _OPTIMIZER.search(path):
        return False
    return path.endswith(WANTED) or path.rsplit("/", 1)[-1] in WANTED_NAMES


def require_none(repo: str, problems: Sequence[str]) -> None:
    """Refuse a repository that has problems.

    Raises:
        UnusableModel: it has; the message names them all.
    """
    if problems:
        raise UnusableModel(f"'{repo}' can't be used: {'; '.join(problems)}", "Choose another model.")


def tree_problems(files: Sequence[RemoteFile]) -> list[str]:
    """Return why a repository can't be used, judged by the names and sizes of its files; empty if nothing is wrong."""
    problems = []
    for file in files:
        if problem := name_problem(file.path):
            shown = file.path if len(file.path) <= 60 else f"{file.path[:57]}..."
            problems.append(f"the file {shown!r} has a name that is refused: {problem}")
    for file in files:
        if file.path in CONFIGS and file.size > CONFIG_LIMIT:
            problems.append(f"{file.path} is too large for a configuration ({naturalsize(file.size)})")
    if not any(file.path.endswith(".safetensors") for file in files):
        pickle = next((file.path for file in files if file.path.endswith(PICKLES)), None)
        problems.append(
            f"its weights are pickles only ({pickle}), which can run code; safetensors are needed"
            if pickle
            else "it holds no weights in safetensors"
        )
    return problems
