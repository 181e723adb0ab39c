"""The command that shows the whole job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sam_hub.cli.command import command
from sam_hub.cli.evaluate import show_scores
from sam_hub.cli.output import Shown
from sam_hub.cli.select import show_ranking
from sam_hub.progress import Reporter
from sam_hub.services.context import AppContext

if TYPE_CHECKING:
    from sam_hub.demo.pipeline import DemoOutcome


@command("demo --json", log=True)
def demo(
    context: AppContext,
    reporter: Reporter,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete the results of an earlier run.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Evaluate every expert, and push the merges of both rankings.")
    ] = False,
) -> Shown:
    """Run every step on shipped experts and real text."""
    from sam_hub.demo.pipeline import run_demo

    outcome = run_demo(context.settings, reporter, fresh=fresh, full=full)
    return Shown(outcome.as_dict(), lambda: _show(outcome))


def _show(outcome: DemoOutcome) -> None:
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
