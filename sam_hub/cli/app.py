"""The application: its commands and their groups."""

from __future__ import annotations

from typing import Annotated

import typer

from sam_hub import __version__
from sam_hub.cli import demo, evaluate, experts, hub, jobs, merge, predict, push, select, serve, target, train

app = typer.Typer(
    help="Entity recognition for a new domain without labels: select experts on the Hub, and merge them.",
    epilog="With no command it opens the terminal UI: sam-hub [--ascii], or in a browser: sam-hub --web.",
    no_args_is_help=False,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for module in (hub, experts, select, merge, predict, evaluate, push, train, serve, demo):
    module.register(app)
app.add_typer(target.app, name="target")
app.add_typer(jobs.app, name="jobs")


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    """Select experts for named entities on the Hub, merge them, evaluate, push."""
    if version:
        print(f"sam-hub {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())  # with no word at all, `sam-hub` opens the UI before it comes here
