"""The published tables are what the stored answers say, counted here by seqeval instead of by the tables' own code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sam_hub.demo.setup import expert_folders
from sam_hub.ner.scoring import score
from sam_hub.ner.text import Sentence
from sam_hub.training.recipe import read_recipe
from tests.benchmarks.claim.folds import FOLDS, SHIPPED, domain_of, fold_recipes
from tests.benchmarks.claim.starvation import compared, longer_recipes

RESULTS = Path(__file__).parents[1] / "docs" / "results"
HEADINGS = {"own": "Own types", "typed": "SaM's types"}


def sentences(texts: list[str], rows: list[list[list[int]]], labels: list[str]) -> list[Sentence]:
    bare = [Sentence(text) for text in texts]
    return [
        Sentence(s.text, tuple(s.entity(start, end, labels[label]) for start, end, label in row))
        for s, row in zip(bare, rows, strict=True)
    ]


def cell(suite: str, types: str, target: str, system: str) -> str:
    """F1 as the table prints it."""
    section = (RESULTS / "README.md").read_text(encoding="utf-8").partition(f"## Suite {suite}\n")[2]
    table = section.partition(f"### {HEADINGS[types]}\n")[2]
    lines = [[part.strip() for part in line.split("|")] for line in table.splitlines() if line[:1] == "|"]
    column = lines[0].index(target)
    return next(line[column].split()[0] for line in lines if line[1] == system)


@pytest.mark.parametrize(
    ("target", "system", "types"),
    [
        ("politics", "ner-wikipedia", "own"),
        ("music", "ner-unified-small", "typed"),
        ("literature", "merge of all", "typed"),
    ],
)
def test_a_cell_is_what_the_stored_answers_say(target, system, types):
    row = json.loads((RESULTS / "crossner" / f"{target}.json").read_text(encoding="utf-8"))
    gold, answers = (
        sentences(row["texts"], rows, row["labels"])
        for rows in (row["gold"], row["systems"][system][types]["entities"])
    )
    found = score(gold, [s.entities for s in answers]).f1
    assert found > 0
    assert f"{found:.3f}" == cell("crossner", types, target, system)


@pytest.mark.parametrize("fold", FOLDS)
def test_a_domain_that_is_left_out_is_in_no_unified_model_and_no_expert_of_its_target(fold):
    seen = [
        {domain_of(source.folder) for source in recipe.data}
        for recipe in fold_recipes()
        if recipe.name.endswith(f"-without-{fold}")
    ]
    assert len(seen) == 2
    for domain in FOLDS[fold]:
        row = json.loads((RESULTS / "sources" / f"{domain}.json").read_text(encoding="utf-8"))
        others = {name.removeprefix("ner-") for name in row["experts"]}
        assert domain not in others
        assert seen == [others, others]


def test_an_expert_is_compared_with_three_times_its_examples_and_nothing_else_changed():
    longer = {recipe.name.removesuffix("-long"): recipe for recipe in longer_recipes()}
    experts = [expert for expert in expert_folders() if not expert.name.startswith("ner-unified")]
    assert list(longer) == [expert.name for expert in experts]
    for expert in experts:
        shipped = read_recipe(SHIPPED / f"{expert.name}.json")
        same = {"name": shipped.name, "examples": longer[expert.name].examples // 3}
        assert replace(longer[expert.name], **same) == shipped
        assert all(short == long > 0 for _, short, long in compared(expert, expert))
