"""Training recipes: the data and hyperparameters of an expert, as a file that can be run again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from sam_hub.errors import InputError, UsageError
from sam_hub.ner.formats import get_format

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class DataSource:
    """One labeled data set: a folder with ``train.jsonl`` (and ``test.jsonl``, ``meta.json``)."""

    folder: str
    where: dict[str, str] = field(default_factory=dict)
    """Use only the lines whose fields have these values, such as {"service": "restaurants"}."""
    rename: dict[str, str] = field(default_factory=dict)
    """Labels to rename, such as {"place": "location"}."""
    keep: tuple[str, ...] = ()
    """The labels to keep, by their names after renaming; all if empty."""
    named_only: bool = False
    """Keep only mentions with a capitalized word, for data that also labels common nouns ("the man")."""
    share: Annotated[float, Field(ge=0)] = 1.0
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

    @property
    def name(self) -> str:
        """Return the folder's name, with the values of `where`: "dining__sgd.restaurants"."""
        return ".".join([Path(self.folder).name, *self.where.values()])


@dataclass(frozen=True, config=_STRICT)
class TrainingRecipe:
    """Everything that determines an adapter. The shipped experts use the defaults."""

    name: str
    domain: str
    data: tuple[DataSource, ...]
    prompt_format: str = "b2ner"
    examples: Annotated[int, Field(ge=1, le=10**9)] = 4000
    """The number of training examples; a smaller source is used more than once."""
    rehearsal: str = ""
    """The recipe of the base's own training, relative to this recipe's file. Its data are mixed in, so that the expert
    keeps what the base has learned (Robins 1995, "Catastrophic forgetting, rehearsal and pseudorehearsal")."""
    rehearsal_share: Annotated[float, Field(ge=0, le=0.99)] = 0.4
    """The share of the examples that come from the data of ``rehearsal``, if that is given."""
    empty_share: Annotated[float, Field(ge=0, le=0.99)] = 0.3
    """The maximum share of examples without entities."""
    max_tokens: Annotated[int, Field(ge=16, le=8192)] = 160
    """Longer examples (question and answer) are left out."""
    label_dropout: Annotated[float, Field(ge=0, le=0.99)] = 0.3
    """The probability that a label is left out of the label set, and its entities out of the answer."""
    most_labels: Annotated[int, Field(ge=1, le=10**4)] = 100
    """The maximum number of the source's labels in a pack's label set; of more, some are drawn."""
    most_distractors: Annotated[int, Field(ge=0, le=100)] = 4
    """The maximum number of the source's distractors in a pack's label set."""
    pack: Annotated[int, Field(ge=1, le=256)] = 8
    """Examples in a pack. They share one label set and its computed prompt prefix, and are one optimizer step."""
    rank: Annotated[int, Field(ge=1, le=1024)] = 8
    stored_rank: Annotated[int, Field(ge=0, le=1024)] = 0
    """The rank of the adapter that is written: the nearest approximation of what was trained. 0: ``rank``."""
    alpha: Annotated[int, Field(ge=1, le=4096)] = 16
    dropout: Annotated[float, Field(ge=0, le=0.99)] = 0.0
    learning_rate: Annotated[float, Field(ge=1e-9, le=1)] = 1e-3
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.05
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    seed: Annotated[int, Field(ge=0, le=2**32)] = 0
    role: Literal["expert", "baseline"] = "expert"
    """A baseline, such as a unified model, is compared with experts, and never ranked or merged."""

    def __post_init__(self) -> None:
        get_format(self.prompt_format)
        if not self.data:
            raise InputError("The recipe has no data", "Give a folder of labeled data.")
        if not any(source.share for source in self.data):
            raise InputError("All shares of the recipe's data are 0", "Give positive numbers.")

    @property
    def steps(self) -> int:
        """Return the number of optimizer steps."""
        return -(-self.examples // self.pack)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        return asdict(self)

    def portable(self) -> dict[str, Any]:
        """Return what determines the adapter, as plain values, with the names of folders instead of local paths."""
        plain = {name: value for name, value in self.as_dict().items() if name != "role"}
        data = [{**d, "folder": Path(d["folder"]).name} for d in plain["data"]]
        return {**plain, "data": data, "rehearsal": "/".join(Path(self.rehearsal).parts[-2:])}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingRecipe:
        """Return a recipe from plain values, which are checked."""
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise InputError(f"The recipe can't be used: {where}: {first['msg']}", "Correct the recipe.") from error
        except TypeError as error:
            raise InputError("The recipe is not a JSON object", "Give one, with name, domain and data.") from error


def read_recipe(file: Path) -> TrainingRecipe:
    """Read a recipe from JSON."""
    try:
        recipe = TrainingRecipe.from_dict(json.loads(file.read_text(encoding="utf-8")))
        return replace(recipe, rehearsal=str(file.parent / recipe.rehearsal)) if recipe.rehearsal else recipe
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
    """
    if bad := [pair for pair in rename if "=" not in pair]:
        raise UsageError(f"'{bad[0]}' is not a renaming", "Use --rename OLD=NEW.")
    names = {old.strip(): new.strip() for old, _, new in (pair.partition("=") for pair in rename)}
    data = [DataSource(str(f), {}, names, tuple(keep), named_only) for f in folders]
    return TrainingRecipe.from_dict({"name": name, "domain": domain, "data": data, **(options or {})})
