"""Tags by which experts are found on a Hub, written into cards and read from search results.

An expert's entity types become tags ``ner-label:TYPE``, in lower case with hyphens for blanks; the
exact labels stand in the repository's ``sam_hub.json``.
"""

from __future__ import annotations

from collections.abc import Iterable

PROJECT = "sam-hub"
TASK = "named-entity-recognition"
_LABEL, LICENSE, BASE = "ner-label:", "license:", "base_model:"
_RELATIONS = ("adapter", "merge", "finetune", "quantized")


def label_tag(label: str) -> str:
    """Return the tag of an entity type: ``work of art`` gives ``ner-label:work-of-art``."""
    return _LABEL + "-".join(label.lower().split())


def labels_of(tags: Iterable[str]) -> tuple[str, ...]:
    """Return the entity types that tags name, as in the tags."""
    return tuple(tag.removeprefix(_LABEL) for tag in tags if tag.startswith(_LABEL))


def license_of(tags: Iterable[str]) -> str | None:
    """Return the license that the tags name."""
    return next((tag.removeprefix(LICENSE) for tag in tags if tag.startswith(LICENSE)), None)


def base_of(tags: Iterable[str]) -> str | None:
    """Return the base model that the tags name; the first, if there are several."""
    named = (tag.removeprefix(BASE) for tag in tags if tag.startswith(BASE))
    return next((name for name in named if name.split(":")[0] not in _RELATIONS), None)
