"""The command that shows the whole job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sam_hub.cli.command import command
from sam_hub.cli.evaluate import show_scores
from sam_hub.cli.output import AsJson, TerminalReporter, say, show_json
from sam_hub.cli.select import show_ranking
from sam_hub.services.context import AppContext


@command("demo --json")
def demo(
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete the results of an earlier run.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Evaluate every expert, and push the merges of both rankings.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run every step on shipped experts and real text."""
    from sam_hub.demo.pipeline import run_demo

    with TerminalReporter(say) as reporter:
        outcome = run_demo(AppContext().settings, reporter, fresh=fresh, full=full)
    if as_json:
        show_json(outcome.as_dict())
        return
    for method, choice in outcome.rankings.items():
        print(f"\nExperts for '{outcome.target}', by {method}:")
        show_ranking(choice)
    print()
    show_scores(outcome.results, outcome.sentences)
    print("\nPushed to the embedded Hub. The downloaded models give the same predictions:")
    for pushed in outcome.pushed:
        print(f"  {pushed.repo} at {pushed.commit[:8]}")
    print(
        f"\n{outcome.seconds:.0f} s. Next, explore the demo's home:\n"
        f"  export SAM_HUB_HOME={outcome.home}\n"
        f"  sam-hub list\n"
        f"  sam-hub predict {outcome.target} YOUR-TEXT.txt\n"
        f"Or create your own target: sam-hub target add NAME CORPUS --labels 'person, organization'"
    )


@command(name="build-example", hidden=True)
def build_example(destination: Annotated[Path, typer.Argument()] = Path("catalog.db.example")) -> None:
    """Build catalog.db.example from the shipped experts."""
    from sam_hub.catalog.example import build_example as build
    from sam_hub.demo.setup import expert_folders

    build(expert_folders(), destination)
    print(destination)
