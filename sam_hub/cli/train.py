"""The command that makes an expert."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sam_hub.cli.output import AsJson, DryRun, say, show_json, show_table, watching
from sam_hub.cli.place import Place


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog="Example: sam-hub train --data social/ --base acme/base --domain social --out social-expert"
    )(train)


def train(
    out: Annotated[Path, typer.Option(help="The folder the expert shall be written to.")],
    base: Annotated[str, typer.Option(help="A base of the catalog, or a folder with one.")],
    data: Annotated[
        list[Path] | None, typer.Option(help="A folder with train.jsonl (and test.jsonl); may be repeated.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="A recipe in JSON, instead of the options below.")
    ] = None,
    data_root: Annotated[Path, typer.Option(help="Where the recipe's data folders lie.")] = Path(),
    name: Annotated[str | None, typer.Option(help="What to call the expert; else as the folder.")] = None,
    domain: Annotated[str, typer.Option(help="The domain of its text.")] = "general",
    examples: Annotated[int, typer.Option(min=1, help="Examples seen in all.")] = 4000,
    rank: Annotated[int, typer.Option(min=1, help="Rank of the adapter.")] = 4,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 8e-4,
    prompt_format: Annotated[str, typer.Option(help="b2ner or json.")] = "b2ner",
    rename: Annotated[list[str] | None, typer.Option(help="Call a label otherwise: place=location.")] = None,
    keep: Annotated[
        list[str] | None, typer.Option(help="Keep this label; may be repeated; else all.")
    ] = None,
    named_only: Annotated[
        bool, typer.Option("--named-only", help="Leave out mentions without a capitalised word.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of shuffling, dropout and initial weights.")] = 0,
    base_repo: Annotated[
        str | None, typer.Option(help="The base's name on the Hub, where --base is a folder.")
    ] = None,
    repo: Annotated[str, typer.Option(help="What its repository shall be called, for its card.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    test_sentences: Annotated[int, typer.Option(min=0, help="Of each test split, to measure on.")] = 200,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Train a LoRA adapter on labelled data; a run that was stopped goes on from its checkpoint."""
    from sam_hub.training.expert import find_base, make_expert
    from sam_hub.training.recipe import read_recipe, recipe_of

    place = Place()
    plan = (
        read_recipe(recipe)
        if recipe
        else recipe_of(
            name or out.name,
            domain,
            data or [],
            rename=rename or [],
            keep=keep or [],
            named_only=named_only,
            examples=examples,
            rank=rank,
            learning_rate=learning_rate,
            prompt_format=prompt_format,
            seed=seed,
        )
    )
    folder, repo = find_base(base, base_repo, lambda: place.catalog)
    if dry_run:
        show_json({"base": repo, "out": str(out), "steps": plan.steps, "recipe": plan.as_dict()})
        return
    with watching() as watch:
        about = make_expert(
            plan,
            folder,
            repo,
            out,
            repo=repo,
            data_root=data_root,
            device=device,
            test_sentences=test_sentences,
            on_progress=lambda p: watch(_line(p), p.step, p.steps),
            say=say,
        )
    if as_json:
        show_json(about)
        return
    print(f"{out}: {', '.join(about['labels'])}")
    for dataset, rows in about["scores"].items():
        heads = ("model", "P", "R", "F1")
        show_table(
            heads,
            [(r["name"], r["precision"], r["recall"], r["f1"]) for r in rows],
            title=f"\n{dataset}, test",
        )


def _line(progress) -> str:
    minutes, seconds = divmod(int(progress.seconds_left), 60)
    return f"loss {progress.loss:.3f}  {progress.tokens_per_second:.0f} tokens/s  {minutes}:{seconds:02} left"
