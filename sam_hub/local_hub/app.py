"""The application: routes, and what becomes of failures."""

from __future__ import annotations

import errno
import re
import sqlite3
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sam_hub.local_hub import LOOPBACK, file_routes, page_routes, repo_routes, upload_routes, xet
from sam_hub.local_hub.responses import Refusal, repo_not_found
from sam_hub.local_hub.storage import PART_BYTES, Storage
from sam_hub.local_hub.tokens import Tickets, Tokens

_HOUR = 3600.0
_HANDLED = (Refusal, ValidationError, HTTPException, ClientDisconnect, OSError, sqlite3.OperationalError)
# Here every repository has an owner; the real Hub has some without, and its clients ask for such names, too.
_WITHOUT_OWNER = re.compile(
    r"/api/(models|datasets)/[^/]+(/(revision|tree|refs|commits|paths-info|preupload|commit|branch|tag|discussions"
    r"|auth-check|settings|xet-(read|write)-token)(/.*)?)?|/(datasets/)?[^/]+/resolve/.+"
)


class App:
    """An ASGI application over one folder, which it makes if it is not there."""

    def __init__(self, root: Path, part_bytes: int = PART_BYTES) -> None:
        self.tokens = Tokens(root)
        self._last_request = time.monotonic()
        self._open_requests = 0
        self._storage = Storage(root, part_bytes)
        threading.Thread(target=self._tidy, daemon=True).start()
        modules = (repo_routes, file_routes, upload_routes, xet, page_routes)
        self._app = Starlette(
            routes=[route for module in modules for route in module.routes],
            exception_handlers={**dict.fromkeys(_HANDLED, _refuse), Exception: _fail},
        )
        self._app.router.redirect_slashes = False
        state = self._app.state
        state.storage, state.tokens, state.tickets = self._storage, self.tokens, Tickets()

    def _tidy(self) -> None:
        """Free, at the start and every hour, what nobody needs any more."""
        while True:
            self._storage.clean_up()
            self._storage.collect()
            time.sleep(_HOUR)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError("This application speaks HTTP only")
        self._open_requests += 1
        try:
            _check_host(Request(scope))
            # Routes match the raw path, in which %2F does not separate segments.
            await self._app({**scope, "path": scope["raw_path"].decode("ascii")}, receive, send)
        except Refusal as refusal:
            await refusal.response()(scope, receive, send)
        finally:
            self._open_requests -= 1
            self._last_request = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        """Seconds since the last request ended; 0 while there is one."""
        return 0.0 if self._open_requests else time.monotonic() - self._last_request


def _check_host(request: Request) -> None:
    """Refuse a page on the web that reaches this Hub through a name which it lets point to loopback."""
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        host = None
    if host not in LOOPBACK:
        raise Refusal(403, "This Hub answers to loopback names only")


async def _refuse(request: Request, error: Exception) -> Response:
    match error:
        case Refusal():
            return error.response()
        case ValidationError():
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = "".join(f"{part}: " for part in first["loc"])
            return Refusal(400, f"The request is not valid: {where}{first['msg']}").response()
        case HTTPException(status_code=413):
            return Refusal(413, "The request is too large").response()
        case HTTPException():  # starlette found no route
            is_repo = _WITHOUT_OWNER.fullmatch(request.scope["path"])
            return (repo_not_found() if is_repo else Refusal(404, "There is nothing at this address")).response()
        case ClientDisconnect():
            return Response(status_code=400)
        case OSError(errno=errno.ENOSPC):
            return Refusal(507, "The disk of this Hub is full").response()
        case sqlite3.OperationalError(sqlite_errorcode=sqlite3.SQLITE_FULL):
            return Refusal(507, "The disk of this Hub is full").response()
    raise error


async def _fail(request: Request, error: Exception) -> Response:
    """A handler failed in a way that was not foreseen. Starlette raises the error again, so that it is logged."""
    return Refusal(500, "This Hub failed. See its log").response()
