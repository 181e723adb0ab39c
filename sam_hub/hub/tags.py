"""Tags by which experts are found on a Hub, written into cards and read from search results.

An expert's entity types become tags ``ner-label:TYPE``, in lower case with hyphens for blanks; the
exact labels stand in the repository's ``sam_hub.json``.
"""

from __future__ import annotations

from collections.abc import Iterable

PROJECT = "sam-hub"
TASK = "named-entity-recognition"
_LABEL, _LICENSE, _BASE = "ner-label:", "license:", "base_model:"
_RELATIONS = ("adapter", "merge", "finetune", "quantized")


def label_tag(label: str) -> str:
    """Return the tag of an entity type: ``work of art`` gives ``ner-label:work-of-art``."""
    return _LABEL + "-".join(label.lower().split())


def base_tag(base: str) -> str:
    """Return the tag that every model made from ``base`` has."""
    return _BASE + base


def license_tag(license: str) -> str:
    """Return the tag of a license, such as ``apache-2.0``."""
    return _LICENSE + license


def labels_of(tags: Iterable[str]) -> tuple[str, ...]:
    """Return the entity types that tags name, as in the tags."""
    return tuple(tag.removeprefix(_LABEL) for tag in tags if tag.startswith(_LABEL))


def license_of(tags: Iterable[str]) -> str | None:
    """Return the license that the tags name."""
    return next((tag.removeprefix(_LICENSE) for tag in tags if tag.startswith(_LICENSE)), None)


def base_of(tags: Iterable[str]) -> str | None:
    """Return the base model that the tags name; the first, if there are several."""
    named = (tag.removeprefix(_BASE) for tag in tags if tag.startswith(_BASE))
    return next((name for name in named if name.split(":")[0] not in _RELATIONS), None)
