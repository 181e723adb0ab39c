"""The command that serves the embedded Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sam_hub.cli.output import say, show_json
from sam_hub.jobs.place import Place


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: sam-hub hub-serve --port 8111")(hub_serve)


def hub_serve(
    root: Annotated[
        Path | None, typer.Argument(help="Where its repositories lie; else hub/ in the home.")
    ] = None,
    host: Annotated[str, typer.Option(help="A loopback address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one.")] = 8111,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print endpoint and token as one JSON object.")
    ] = False,
) -> None:
    """Serve the embedded Hub on loopback until Ctrl+C."""
    from sam_hub.hub.embedded import serve_here

    def ready(endpoint: str, token: str) -> None:
        if as_json:
            show_json({"endpoint": endpoint, "token": token})
            return
        print(f"export HF_ENDPOINT={endpoint} HF_TOKEN={token}", flush=True)
        say("Type this line in another terminal. Ctrl+C ends the Hub.")

    serve_here(root or Place().settings.home / "hub", host, port, ready)
