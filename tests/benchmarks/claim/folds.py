"""Recipes of the unified models of suite sources: `python -m tests.benchmarks.claim.folds FOLDER` writes them.

Each of three folds leaves four of the twelve domains out. Its two unified models see the data of the other eight, one
as many examples as one expert (``ner-unified-small-without-a``), one as many as the eight together
(``ner-unified-without-a``); all else is as in the shipped ones. `sam-hub train --recipe` makes each of them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import sam_hub
from sam_hub.training.recipe import TrainingRecipe, read_recipe

SHIPPED = Path(sam_hub.__file__).parent / "demo" / "recipes"
FOLDS = {
    "a": ("assistant", "fiction", "finance", "software"),
    "b": ("biomedical", "food", "social", "wikipedia"),
    "c": ("cybersecurity", "legal", "materials", "news"),
}


def fold_recipes() -> Iterator[TrainingRecipe]:
    """A small and a large one for each fold."""
    small, large = (read_recipe(SHIPPED / f"{name}.json") for name in ("ner-unified-small", "ner-unified"))
    for fold, left_out in FOLDS.items():
        data = tuple(d for d in large.data if domain_of(d.folder) not in left_out)
        domains = {domain_of(d.folder) for d in data}
        for recipe, examples in ((small, small.examples), (large, small.examples * len(domains))):
            yield replace(
                recipe,
                name=f"{recipe.name}-without-{fold}",
                domain=f"all but {', '.join(left_out)}",
                data=data,
                examples=examples,
            )


def domain_of(folder: str) -> str:
    """The domain of a data set, as its folder names it: ``biomedical__bc5cdr`` is of biomedical."""
    return folder.partition("__")[0]


def write_recipe(recipe: TrainingRecipe, folder: Path) -> Path:
    """Write a recipe as `sam-hub train --recipe` reads it; returns its file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{recipe.name}.json"
    file.write_text(json.dumps(recipe.as_dict(), indent=2) + "\n", encoding="utf-8")
    return file


def main() -> None:
    """Write the recipes."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for recipe in fold_recipes():
        file = write_recipe(recipe, folder)
        print(f"{file}: {recipe.examples} examples, {recipe.domain}")


if __name__ == "__main__":
    main()
