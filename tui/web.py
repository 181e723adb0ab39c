"""The UI in a browser: textual-serve on loopback, opened by a secret address.

textual-serve asks nobody who he is, and whoever drives the UI acts with its owner's rights. So the address holds a key,
as Jupyter's does; a cookie keeps it, and requests of other sites or by other names of this host are refused.
"""

from __future__ import annotations

import secrets
import shlex
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sam_hub.errors import UsageError

if TYPE_CHECKING:
    from aiohttp import web

HOST, PORT, COOKIE = "127.0.0.1", 8000, "sam-hub"
DEMO = "/demo/"  # the path of the demo's UI


def free_port(wanted: int = PORT) -> int:
    """The wanted port of loopback, or any free one where that is taken."""
    for port in (wanted, 0):
        with suppress(OSError), socket.create_server((HOST, port)) as trial:
            return trial.getsockname()[1]
    raise UsageError("No port is free on this machine", "Stop a program that uses a port, and try again.")


def make_app(options: Sequence[str], port: int, key: str) -> web.Application:
    """What serves the UI, and the demo's under ``/demo/``; it lets in whoever brings the key."""
    from aiohttp import web

    address = f"http://{HOST}:{port}"

    @web.middleware
    async def guarded(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        foreign = request.headers.get("Origin") not in (None, address)
        if request.host != f"{HOST}:{port}" or foreign:
            raise web.HTTPForbidden(text=f"Open {address} in this machine's browser.")
        brought = request.query.get("key", "")
        if not any(secrets.compare_digest(x, key) for x in (brought, request.cookies.get(COOKIE, "")) if x.isascii()):
            raise web.HTTPForbidden(text="Open the whole address that `sam-hub --web` printed, with its key.")
        if brought:  # kept by the browser, and out of its address bar
            answer: Any = web.HTTPFound("/")
            answer.set_cookie(COOKIE, key, httponly=True, samesite="Strict")
            return answer
        return await handler(request)

    app = web.Application(middlewares=[guarded])
    _add_ui(app, options, address)
    demo = web.Application()
    _add_ui(demo, [*options, "--demo"], address)
    app.add_subapp(DEMO, demo)
    return app


def _add_ui(app: web.Application, options: Sequence[str], address: str) -> None:
    """Add the pages of textual-serve, by its public parts alone; the caller's app decides who may open them."""
    import aiohttp_jinja2
    import jinja2
    from aiohttp import web
    from textual_serve.server import Server

    command = shlex.join([sys.executable, "-m", "sam_hub", *options])
    server = Server(command, title="sam-hub", public_url=address)
    aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(server.templates_path))
    app.add_routes(
        [  # its page looks for these names
            web.get("/", server.handle_index, name="index"),
            web.get("/ws", server.handle_websocket, name="websocket"),
            web.get("/download/{key}", server.handle_download, name="download"),
            web.static("/static", server.statics_path, name="static"),
        ]
    )


def serve(options: Sequence[str]) -> None:
    """Serve the UI until Ctrl+C.

    Args:
        options: what each visitor's UI is started with, such as ``--ascii``.
    """
    from aiohttp import web

    port, key = free_port(), secrets.token_urlsafe(24)

    def tell(_: object) -> None:
        """Say where the UI is, as soon as it can be opened."""
        print(f"Open http://{HOST}:{port}/?key={key}", flush=True)
        print(
            "Anyone who has this address can use the UI with your permissions. To stop the server, press Ctrl+C.",
            flush=True,
        )

    # Pages that are still open get a moment to end their UIs.
    web.run_app(make_app(options, port, key), host=HOST, port=port, print=tell, shutdown_timeout=0.5)
