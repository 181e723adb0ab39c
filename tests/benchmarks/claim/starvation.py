"""Are the experts starved? Recipes of three times the examples, and what the longer training adds.

`python -m tests.benchmarks.claim.starvation FOLDER` writes a recipe for each shipped expert; `sam-hub train --recipe`
makes an expert of it beside the recipe, and the same command then sets its scores beside those of the shipped one,
both on the same sentences of the test split, as their cards have them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from huggingface_hub import ModelCard

from sam_hub.demo.setup import expert_folders
from sam_hub.training.recipe import TrainingRecipe, read_recipe
from tests.benchmarks.claim.folds import SHIPPED, write_recipe

TIMES = 3
ENOUGH = 0.8  # of the F1 that three times the examples give


def longer_recipes() -> Iterator[TrainingRecipe]:
    """One for each shipped expert; the unified models have none."""
    for file in sorted(SHIPPED.glob("*.json")):
        recipe = read_recipe(file)
        if not recipe.name.startswith("ner-unified"):
            yield replace(recipe, name=f"{recipe.name}-long", examples=TIMES * recipe.examples)


def compared(shipped: Path, longer: Path) -> Iterator[tuple[str, float, float]]:
    """Each data set, with the F1 of the shipped expert and that of the one trained for longer."""
    short, long = scores_of(shipped), scores_of(longer)
    yield from ((data, short[data], long[data]) for data in short)


def scores_of(expert: Path) -> dict[str, float]:
    """Strict F1 by data set, of an expert's card."""
    card = ModelCard.load(expert / "README.md")
    return {result.dataset_name: result.metric_value for result in card.data.eval_results}


def main() -> None:
    """Write the recipes, and compare the experts that are finished."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    shipped = {expert.name: expert for expert in expert_folders()}
    for recipe in longer_recipes():
        file = write_recipe(recipe, folder)
        longer = folder / recipe.name
        if not (longer / "README.md").is_file():
            print(f"{recipe.name}: {recipe.examples} examples, not trained yet ({file})")
            continue
        for data, short, long in compared(shipped[recipe.name.removesuffix("-long")], longer):
            share = short / long if long else 1.0
            verdict = "enough" if share >= ENOUGH else "starved"
            print(f"{recipe.name} on {data}: {short:.3f} of {long:.3f}, {share:.0%}: {verdict}")


if __name__ == "__main__":
    main()
