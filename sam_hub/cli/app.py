"""The application: its commands and their groups."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from sam_hub import __version__
from sam_hub.cli.command import app

COMMANDS = "hub experts select merge evaluate push train serve demo target jobs"  # in the order of the help
for module in COMMANDS.split():
    import_module(f"sam_hub.cli.{module}")


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    """Find named entities in a new domain without labels: select experts on the Hub and merge them."""
    if version:
        print(f"sam-hub {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())  # without arguments, `sam-hub` opens the UI before it comes here
