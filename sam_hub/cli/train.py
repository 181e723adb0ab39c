"""The command that makes an expert."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sam_hub.cli.output import AsJson, DryRun, TerminalReporter, say, show_json, show_table
from sam_hub.services.context import AppContext


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: sam-hub train --data social/ --base acme/base --domain social --out social-expert")(
        train
    )


def train(
    out: Annotated[Path, typer.Option(help="The folder the expert shall be written to.")],
    base: Annotated[str, typer.Option(help="A base of the catalog, or a folder with one.")],
    data: Annotated[
        list[Path] | None, typer.Option(help="A folder with train.jsonl (and test.jsonl); may be repeated.")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe in JSON, instead of --data.")] = None,
    data_root: Annotated[Path, typer.Option(help="Where the data folders lie.")] = Path(),
    name: Annotated[str | None, typer.Option(help="What to call the expert; else as the folder.")] = None,
    domain: Annotated[str, typer.Option(help="The domain of its text.")] = "general",
    rename: Annotated[list[str] | None, typer.Option(help="Call a label otherwise: place=location.")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="Keep this label; may be repeated; else all.")] = None,
    named_only: Annotated[
        bool, typer.Option("--named-only", help="Leave out mentions without a capitalised word.")
    ] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A field of the recipe: examples=2000, rank=8, seed=1 …")
    ] = None,
    base_repo: Annotated[str | None, typer.Option(help="The base's name on the Hub, if --base is a folder.")] = None,
    repo: Annotated[str, typer.Option(help="The expert's name on the Hub, for its card.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    dtype: Annotated[
        str, typer.Option(help="auto, float32 or bfloat16; auto: bfloat16 where the hardware has it.")
    ] = "auto",
    test_sentences: Annotated[int, typer.Option(min=0, help="Of each test split, to measure on.")] = 200,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Train a LoRA adapter on labelled data.

    A run that was stopped goes on from its checkpoint when it is started again.
    """
    from sam_hub.merging.parameters import parameters
    from sam_hub.services.training import TrainOptions, plan_training, run_training

    context = AppContext()
    options = TrainOptions(
        out=out,
        base=base,
        data=tuple(data or ()),
        recipe=recipe,
        name=name,
        domain=domain,
        fields=parameters(set_ or []),
        rename=tuple(rename or ()),
        keep=tuple(keep or ()),
        named_only=named_only,
        data_root=data_root,
        base_repo=base_repo,
        repo=repo,
        device=device,
        dtype=dtype,
        test_sentences=test_sentences,
    )
    if dry_run:
        show_json(plan_training(context, options))
        return
    with _resumable(), TerminalReporter(say) as reporter:
        about = run_training(context, options, reporter)
    if as_json:
        show_json(about)
    else:
        _show_expert(out, about)


@contextmanager
def _resumable() -> Iterator[None]:
    from sam_hub.errors import Interrupted

    try:
        yield
    except KeyboardInterrupt as stop:
        action = "Run the same command to go on from the last checkpoint."
        raise Interrupted("Interrupted", action) from stop


def _show_expert(out: Path, about: dict) -> None:
    print(f"{out}: {', '.join(about['labels'])}")
    for dataset, rows in about["scores"].items():
        heads = ("model", "P", "R", "F1")
        scores = [(r["name"], r["precision"], r["recall"], r["f1"]) for r in rows]
        show_table(heads, scores, title=f"\n{dataset}, test")
