"""Training recipes: the data and hyperparameters of an expert, as a file that can be run again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from sam_hub.errors import InputError, UsageError
from sam_hub.ner.formats import get_format

# The smallest and largest values of a recipe's numbers.
RANGES = {
    "examples": (1, 1e9),
    "empty_share": (0, 0.99),
    "max_tokens": (16, 8192),
    "label_dropout": (0, 0.99),
    "most_labels": (1, 1e4),
    "most_distractors": (0, 100),
    "pack": (1, 256),
    "rank": (1, 1024),
    "alpha": (1, 4096),
    "dropout": (0, 0.99),
    "learning_rate": (1e-9, 1),
    "warmup": (0, 1),
    "weight_decay": (0, 1),
    "seed": (0, 2**32),
}


@dataclass(frozen=True)
class DataSource:
    """One labelled data set: a folder with ``train.jsonl`` (and ``test.jsonl``, ``meta.json``)."""

    folder: str
    rename: dict[str, str] = field(default_factory=dict)
    """Labels to rename, such as {"place": "location"}."""
    keep: tuple[str, ...] = ()
    """The labels to keep, by their names after renaming; all if empty."""
    named_only: bool = False
    """Keep only mentions with a capitalized word, for data that also labels common nouns ("the man")."""
    share: float = 1.0
    """Weight of this source among several."""
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Other names of a label, such as {"person": ["human being", "name of a person"]}. Each pack uses one of them or
    the label itself, so that the expert learns to read the label set instead of memorizing it."""
    broader: dict[str, str] = field(default_factory=dict)
    """The broader label of a label, such as {"poet": "person"}. Where a pack asks for the second and not for the first,
    its entities are answered under the second. A broader label need not be in the data. Give it only where everything
    that it means is labeled: otherwise the expert would learn to ignore the rest."""
    distractors: tuple[str, ...] = ()
    """Labels of things that do not occur in these texts; some are added to a pack's label set. Don't give labels of
    things that occur but are not labelled: the expert would learn to ignore them."""


@dataclass(frozen=True)
class TrainingRecipe:
    """Everything that determines an adapter. The shipped experts use the defaults."""

    name: str
    domain: str
    data: tuple[DataSource, ...]
    prompt_format: str = "b2ner"
    examples: int = 4000
    """The number of training examples; a smaller source is used more than once."""
    empty_share: float = 0.3
    """The maximum share of examples without entities."""
    max_tokens: int = 160
    """Longer examples (question and answer) are left out."""
    label_dropout: float = 0.3
    """The probability that a label is left out of the label set, and its entities out of the answer."""
    most_labels: int = 100
    """The maximum number of the source's labels in a pack's label set; of more, some are drawn."""
    most_distractors: int = 4
    """The maximum number of the source's distractors in a pack's label set."""
    pack: int = 8
    """Examples in a pack. They share one label set and its computed prompt prefix, and are one optimizer step."""
    rank: int = 8
    alpha: int = 16
    dropout: float = 0.0
    learning_rate: float = 1e-3
    warmup: float = 0.05
    weight_decay: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            kind = float | int if isinstance(getattr(TrainingRecipe, name), float) else int
            if not isinstance(value, kind) or not low <= value <= high:
                raise InputError(f"The recipe's {name} can't be {value!r}", f"Give {low:g} to {high:g}.")
        get_format(self.prompt_format)
        if not self.data:
            raise InputError("The recipe names no data", "Give a folder of labelled data.")
        if any(source.share < 0 for source in self.data) or not any(source.share for source in self.data):
            raise InputError("The shares of the recipe's data make no sense", "Give positive numbers.")

    @property
    def steps(self) -> int:
        """Return the number of optimizer steps."""
        return -(-self.examples // self.pack)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        return asdict(self)

    def portable(self) -> dict[str, Any]:
        """Return plain values as `as_dict`, but with the data folders' names instead of local paths."""
        plain = self.as_dict()
        return {**plain, "data": [{**d, "folder": Path(d["folder"]).name} for d in plain["data"]]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainingRecipe:
        """Return a recipe from plain values.

        Raises:
            InputError: a field is unknown or missing.
        """
        known = {f.name for f in fields(cls)}
        if unknown := set(values) - known:
            raise InputError(f"The recipe has unknown fields: {', '.join(sorted(unknown))}", f"Known: {sorted(known)}.")
        try:
            sources = tuple(_source(plain) for plain in values["data"])
            return cls(**{**values, "data": sources})
        except (TypeError, KeyError, AttributeError) as error:
            raise InputError(f"The recipe is not complete: {error}", "Give name, domain and data.") from error


def _source(plain: Mapping[str, Any]) -> DataSource:
    names = {label: tuple(others) for label, others in plain.get("names", {}).items()}
    lists = {name: tuple(plain.get(name, ())) for name in ("keep", "distractors")}
    return DataSource(**{**plain, **lists, "names": names, "broader": dict(plain.get("broader", {}))})


def read_recipe(file: Path) -> TrainingRecipe:
    """Read a recipe from JSON.

    Raises:
        InputError: it can't be read, or is no recipe.
    """
    try:
        return TrainingRecipe.from_dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(f"The recipe {file} can't be read: {error}", "Give a JSON file.") from error


def recipe_of(
    name: str,
    domain: str,
    folders: Sequence[Path],
    *,
    rename: Sequence[str] = (),
    keep: Sequence[str] = (),
    named_only: bool = False,
    options: Mapping[str, Any] | None = None,
) -> TrainingRecipe:
    """Return a recipe for data folders with the same label options, as given on the command line.

    Args:
        rename: ``old=new`` pairs.
        options: further fields of the recipe.

    Raises:
        UsageError: a pair has no "=".
        InputError: an option is not a field of recipes, or has an invalid value.
    """
    if bad := [pair for pair in rename if "=" not in pair]:
        raise UsageError(f"'{bad[0]}' renames nothing", "Write --rename old=new.")
    names = {old.strip(): new.strip() for old, _, new in (pair.partition("=") for pair in rename)}
    data = [asdict(DataSource(str(f), names, tuple(keep), named_only)) for f in folders]
    return TrainingRecipe.from_dict({"name": name, "domain": domain, "data": data, **(options or {})})
