"""A model card's front matter, and the tags that the Hub derives from it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import yaml

from sam_hub.local_hub.blobs import BlobStore
from sam_hub.local_hub.repository import Commit

_SMALL = 1024 * 1024
_DEEPEST = 50  # levels of a card's metadata


class _Loader(yaml.SafeLoader):
    """Without aliases: some lines of them unfold to more than the memory holds, or never end."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(
                None, None, "aliases are not taken", self.peek_event().start_mark
            )
        return super().compose_node(parent, index)


def _plain(value: Any, depth: int = 0) -> Any:
    """What others wrote, as JSON can repeat it: text for dates and the like, no NaN, no halves of characters.

    Raises:
        ValueError: it is nested too deeply, or holds a number of thousands of digits.
    """
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    match value:
        case dict():
            return {_plain(str(key)): _plain(item, depth + 1) for key, item in value.items()}
        case list() | tuple() | set():
            return [_plain(item, depth + 1) for item in value]
        case float():
            return value if math.isfinite(value) else None
        case None | bool():
            return value
        case int():
            return int(str(value))
        case _:
            return str(value).encode("utf-8", "replace").decode()


def _after_front_matter(lines: list[str]) -> int | None:
    """The number of the first line below the metadata; None where there is none, or it is not closed."""
    if not lines or lines[0].strip() != "---":
        return None
    return next((number + 1 for number, line in enumerate(lines[1:], 1) if line.strip() == "---"), None)


def front_matter(text: str) -> tuple[dict[str, Any] | None, str | None]:
    """The metadata at a card's head, and what is wrong with it, if anything.

    Returns:
        The mapping, or None where there is none or it is invalid; and an error message, or None.
    """
    lines = text.lstrip("\ufeff").splitlines()
    if not lines or lines[0].strip() != "---":
        return None, None
    below = _after_front_matter(lines)
    if below is None:
        return None, "The metadata block is not closed by a line '---'"
    try:
        data = _plain(yaml.load("\n".join(lines[1 : below - 1]), _Loader))
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        return None, f"The metadata is not valid YAML: {error}"
    if data is None:
        return None, None
    if not isinstance(data, dict):
        return None, "The metadata must be a mapping"
    return data, _wrong_field(data)


def _wrong_field(data: Mapping[str, Any]) -> str | None:
    """The first field that has another type than the Hub demands."""
    for name in ("license", "library_name", "pipeline_tag"):
        if name in data and not isinstance(data[name], str):
            return f'"{name}" must be a string'
    for name in ("tags", "base_model", "language", "datasets"):
        if name in data and not all(isinstance(item, str) for item in _listed(data[name])):
            return f'"{name}" must be a string or a list of strings'
    return None


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


@lru_cache(maxsize=4096)
def _card_of(blobs: BlobStore, sha256: str, size: int) -> dict[str, Any]:
    if size > _SMALL:
        return {}
    data, problem = front_matter(blobs.read(sha256).decode("utf-8", "replace"))
    return data if data and not problem else {}


def card_data(blobs: BlobStore, commit: Commit) -> dict[str, Any]:
    """The metadata of the commit's ``README.md``; empty if there is none that is valid."""
    readme = commit.files.get("README.md")
    return _card_of(blobs, readme.sha256, readme.size) if readme else {}


def body(blobs: BlobStore, commit: Commit) -> str:
    """The text of the commit's ``README.md`` below its metadata; empty if there is none, or it is above 1 MB."""
    readme = commit.files.get("README.md")
    if readme is None or readme.size > _SMALL:
        return ""
    text = blobs.read(readme.sha256).decode("utf-8", "replace").lstrip("\ufeff")
    lines = text.splitlines()
    return "\n".join(lines[_after_front_matter(lines) or 0 :])


def small_json(blobs: BlobStore, commit: Commit, path: str) -> dict[str, Any]:
    """A JSON object of the commit; empty if it is absent, invalid or above 1 MB."""
    entry = commit.files.get(path)
    if entry is None or entry.size > _SMALL:
        return {}
    try:
        value = _plain(json.loads(blobs.read(entry.sha256)))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def library(card: Mapping[str, Any], commit: Commit) -> str | None:
    """The library a model is for: as the card says, or else by its files."""
    if name := card.get("library_name"):
        return str(name)
    if "adapter_config.json" in commit.files:
        return "peft"
    return "transformers" if "config.json" in commit.files else None


def relation(card: Mapping[str, Any], commit: Commit) -> str:
    """How a model came from its base: as the card says, or else guessed as the real Hub does."""
    if named := card.get("base_model_relation"):
        return str(named)
    if "adapter_config.json" in commit.files:
        return "adapter"
    return "merge" if len(_listed(card.get("base_model"))) > 1 else "finetune"


def derived_tags(card: Mapping[str, Any], commit: Commit) -> list[str]:
    """What a model is found by: its own tags, and those which its metadata and files imply."""
    tags = [str(name) for name in (library(card, commit),) if name]
    if any(path.endswith(".safetensors") for path in commit.files):
        tags.append("safetensors")
    if pipeline := card.get("pipeline_tag"):
        tags.append(str(pipeline))
    tags += [str(tag) for tag in _listed(card.get("tags"))]
    tags += [str(language) for language in _listed(card.get("language"))]
    tags += [f"dataset:{name}" for name in _listed(card.get("datasets"))]
    for base in _listed(card.get("base_model")):
        tags += [f"base_model:{base}", f"base_model:{relation(card, commit)}:{base}"]
    if license := card.get("license"):
        tags.append(f"license:{license}")
    return list(dict.fromkeys(tags))
