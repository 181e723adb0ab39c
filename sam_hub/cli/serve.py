"""Commands of the embedded Hub: serve it, and say who may log in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sam_hub.cli.command import command, group
from sam_hub.cli.output import Shown, listed, say, show_json
from sam_hub.services.context import AppContext

tokens = group("hub-token", "Manage the tokens of the embedded Hub.")


@command("hub-serve --port 8111", "hub-serve")
def hub_serve(
    root: Annotated[Path | None, typer.Argument(help="Folder of the repositories. Default: hub/ in the home.")] = None,
    host: Annotated[str, typer.Option(help="A loopback address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port. 0 for any free port.")] = 8111,
    as_json: bool = False,
) -> None:
    """Serve the embedded Hub on this machine.

    Press Ctrl+C to stop it.
    """
    from sam_hub.hub.embedded import serve_here

    def ready(endpoint: str, token: str) -> None:
        if as_json:
            show_json({"endpoint": endpoint, "token": token})
            return
        print(f"export HF_ENDPOINT={endpoint} HF_TOKEN={token}", flush=True)
        say("Run this line in another terminal. Ctrl+C stops the Hub, and the token expires.")
        say("For a permanent token, run `sam-hub hub-token add NAME`.")

    serve_here(root or AppContext().settings.home / "hub", host, port, ready)


Root = Annotated[Path | None, typer.Option(help="Folder of the repositories. Default: hub/ in the home.")]


@command("hub-token add laptop --user ann --role read", group=tokens)
def add(
    name: Annotated[str, typer.Argument(help="Name of the token, such as laptop.")],
    user: Annotated[
        str, typer.Option(help="The user of the token. `local` is the owner and may change everything.")
    ] = "local",
    role: Annotated[str, typer.Option(help="read or write.")] = "write",
    root: Root = None,
) -> Shown:
    """Make a token. It is shown only once."""
    from sam_hub.hub.embedded import tokens_of

    with tokens_of(root or AppContext().settings.home / "hub") as kept:
        token = kept.add(name, user, role)
    return Shown({"name": name, "user": user, "role": role, "token": token}, lambda: print(token))


@command(name="list", group=tokens)
def list_(root: Root = None) -> Shown:
    """List tokens, without their secrets."""
    from sam_hub.hub.embedded import tokens_of

    names = ("name", "user", "role", "created")
    with tokens_of(root or AppContext().settings.home / "hub") as kept:
        rows = [{name: getattr(token, name) for name in names} for token in kept.all()]
    return listed(
        rows,
        ("name", "user", "role", "made"),
        lambda row: (*list(row.values())[:3], row["created"][:16]),
        "No tokens yet. Make one with `sam-hub hub-token add NAME`.",
    )


@command(group=tokens)
def remove(name: Annotated[str, typer.Argument(help="Name of the token.")], root: Root = None) -> None:
    """Revoke a token."""
    from sam_hub.hub.embedded import tokens_of

    with tokens_of(root or AppContext().settings.home / "hub") as kept:
        kept.remove(name)
    print(f"Removed {name}.")
