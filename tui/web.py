"""The UI in a browser: textual-serve on loopback, opened by a secret address.

textual-serve asks nobody who he is, and whoever drives the UI acts with its owner's rights. So the address holds a key,
as Jupyter's does; a cookie keeps it, and requests of other sites or by other names of this host are refused.
"""

from __future__ import annotations

import asyncio
import secrets
import shlex
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from sam_hub.errors import UsageError

if TYPE_CHECKING:
    from aiohttp import web
    from textual_serve.server import Server

HOST, PORT, COOKIE = "127.0.0.1", 8000, "sam-hub"


def free_port(wanted: int = PORT) -> int:
    """The wanted port of loopback, or any free one where that is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise UsageError("No port of this machine is free", "End a program that serves, and try again.")


def make_server(options: Sequence[str], port: int, key: str) -> Server:
    """A server of the UI; it lets in whoever brings the key."""
    from aiohttp import web
    from textual_serve.server import Server

    address = f"http://{HOST}:{port}"

    @web.middleware
    async def guarded(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        foreign = request.headers.get("Origin") not in (None, address)
        if request.host != f"{HOST}:{port}" or foreign:
            raise web.HTTPForbidden(text=f"Open {address} in this machine's browser.")
        brought = request.query.get("key", "")
        if not any(
            secrets.compare_digest(x, key) for x in (brought, request.cookies.get(COOKIE, "")) if x.isascii()
        ):
            raise web.HTTPForbidden(text="Open the whole address that `sam-hub --web` printed, with its key.")
        if brought:  # kept by the browser, and out of its address bar
            answer: Any = web.HTTPFound("/")
            answer.set_cookie(COOKIE, key, httponly=True, samesite="Strict")
            return answer
        return await handler(request)

    class Guarded(Server):
        """The server, behind the key."""

        async def _make_app(self) -> web.Application:
            app = await super()._make_app()
            app.middlewares.append(guarded)
            return app

        async def on_startup(self, app: web.Application) -> None:
            """Say where the UI is, as soon as it can be opened."""
            self._telling = asyncio.create_task(self._tell())

        async def _tell(self) -> None:
            while True:
                try:
                    _, writer = await asyncio.open_connection(HOST, port)
                    break
                except OSError:
                    await asyncio.sleep(0.02)
            writer.close()
            print(f"Open {address}/?key={key}", flush=True)
            print("Whoever has this address can use the UI in your name. Ctrl+C ends it.", flush=True)

        def initialize_logging(self) -> None:
            """Warnings alone: nobody asked for a log of requests."""

    command = shlex.join([sys.executable, "-m", "sam_hub", *options])
    return Guarded(command, host=HOST, port=port, title="sam-hub", public_url=address)


def serve(options: Sequence[str]) -> None:
    """Serve the UI until Ctrl+C.

    Args:
        options: what each visitor's UI is started with, such as ``--ascii``.
    """
    make_server(options, free_port(), secrets.token_urlsafe(24)).serve()
