"""A model card's front matter, and the tags that the Hub derives from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import yaml
from pydantic_core import from_json, to_json

from sam_hub.local_hub.blobs import BlobStore
from sam_hub.local_hub.storage import Commit

_SMALL = 1024 * 1024
_TEXTS = ("license", "library_name", "pipeline_tag")
_LISTS = ("tags", "base_model", "language", "datasets")


class _Loader(yaml.SafeLoader):
    """Without aliases: a few lines of them unfold to more than the memory holds, or never end."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "aliases are not accepted", mark)
        return super().compose_node(parent, index)


def _plain(value: Any) -> Any:
    """What others wrote, as JSON can repeat it: text for dates and the like, no NaN. Raises ValueError."""
    return from_json(to_json(value, inf_nan_mode="null"))


def _split(text: str) -> tuple[str | None, str]:
    """The metadata at a card's head (None without any, or if it is not closed), and the text below."""
    lines = text.lstrip("\ufeff").splitlines()
    marks = [number for number, line in enumerate(lines) if line.strip() == "---"][:2]
    if len(marks) < 2 or marks[0] != 0:
        return None, "\n".join(lines)
    return "\n".join(lines[1 : marks[1]]), "\n".join(lines[marks[1] + 1 :])


def front_matter(text: str) -> tuple[dict[str, Any], str | None]:
    """Return the metadata at a card's head, empty without any, and what is wrong with it, or None."""
    metadata, body = _split(text)
    if metadata is None:
        is_open = body.split("\n")[0].strip() == "---"
        return {}, "The metadata block is not closed by a line '---'" if is_open else None
    try:
        data = _plain(yaml.load(metadata, _Loader))
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        return {}, f"The metadata is not valid YAML: {error}"
    if not isinstance(data, dict | None):
        return {}, "The metadata must be a mapping"
    return data or {}, _wrong_field(data or {})


def _wrong_field(data: Mapping[str, Any]) -> str | None:
    """The first field that has another type than the Hub demands."""
    for name in _TEXTS:
        if name in data and not isinstance(data[name], str):
            return f'"{name}" must be a string'
    for name in _LISTS:
        if not all(isinstance(item, str) for item in _listed(data.get(name))):
            return f'"{name}" must be a string or a list of strings'
    return None


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _text_of(blobs: BlobStore, commit: Commit, path: str) -> str:
    """A small file as text; empty if it is absent or above 1 MB."""
    entry = commit.files.get(path)
    if entry is None or entry.size > _SMALL:
        return ""
    return blobs.path(entry.sha256).read_bytes().decode("utf-8", "replace")


@lru_cache(maxsize=4096)
def _card_in(text: str) -> dict[str, Any]:
    data, problem = front_matter(text)
    return {} if problem else data


def card_data(blobs: BlobStore, commit: Commit) -> dict[str, Any]:
    """Return the metadata of the commit's ``README.md``; empty if there is none that is valid."""
    return _card_in(_text_of(blobs, commit, "README.md"))


def body(blobs: BlobStore, commit: Commit) -> str:
    """Return the text of the commit's ``README.md`` below its metadata; empty if there is none, or it is above 1 MB."""
    return _split(_text_of(blobs, commit, "README.md"))[1]


def small_json(blobs: BlobStore, commit: Commit, path: str) -> dict[str, Any]:
    """Return a JSON object of the commit; empty if it is absent, invalid or above 1 MB."""
    try:
        value = _plain(json.loads(_text_of(blobs, commit, path)))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def library(card: Mapping[str, Any], commit: Commit) -> str | None:
    """Return the library a model is for: as the card says, or else by its files."""
    if name := card.get("library_name"):
        return str(name)
    if "adapter_config.json" in commit.files:
        return "peft"
    return "transformers" if "config.json" in commit.files else None


def _relation(card: Mapping[str, Any], commit: Commit) -> str:
    """How a model came from its base: as the card says, or else guessed as the real Hub does."""
    if named := card.get("base_model_relation"):
        return str(named)
    if "adapter_config.json" in commit.files:
        return "adapter"
    return "merge" if len(_listed(card.get("base_model"))) > 1 else "finetune"


def derived_tags(card: Mapping[str, Any], commit: Commit) -> list[str]:
    """Return what a model is found by: its own tags, and those which its metadata and files imply."""
    has_safetensors = any(path.endswith(".safetensors") for path in commit.files)
    tags = [library(card, commit), "safetensors" if has_safetensors else None, card.get("pipeline_tag")]
    tags += [*_listed(card.get("tags")), *_listed(card.get("language"))]
    tags += [f"dataset:{name}" for name in _listed(card.get("datasets"))]
    for base in _listed(card.get("base_model")):
        tags += [f"base_model:{base}", f"base_model:{_relation(card, commit)}:{base}"]
    if license := card.get("license"):
        tags.append(f"license:{license}")
    return list(dict.fromkeys(str(tag) for tag in tags if tag))
