"""The application: routes, and what becomes of failures."""

from __future__ import annotations

import contextlib
import errno
import threading
import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sam_hub.local_hub import file_routes, page_routes, repo_routes, upload_routes, xet_routes
from sam_hub.local_hub.access import Access, check_host
from sam_hub.local_hub.hub_request import WITHOUT_OWNER
from sam_hub.local_hub.responses import Refusal, repo_not_found
from sam_hub.local_hub.storage import PART_BYTES, Storage
from sam_hub.local_hub.tokens import Tokens

_HOUR = 3600.0


class App:
    """An ASGI application over one folder.

    Args:
        root: where everything is kept; made if it is not there.
        part_bytes: as `Storage`'s.
    """

    def __init__(self, root: Path, part_bytes: int = PART_BYTES) -> None:
        self.tokens = Tokens(root)
        self._last_request = time.monotonic()
        self._open_requests = 0
        self._storage = Storage(root, part_bytes)
        threading.Thread(target=self._tidy, daemon=True).start()  # it reads all commits
        modules = (repo_routes, file_routes, upload_routes, xet_routes, page_routes)
        self._app = Starlette(
            routes=[route for module in modules for route in module.routes],
            exception_handlers={
                Refusal: _refuse,
                HTTPException: _refuse_address,
                ClientDisconnect: _close,
                Exception: _fail,
                OSError: _refuse_for_disk,
            },
        )
        self._app.router.redirect_slashes = False
        self._app.state.storage, self._app.state.access = self._storage, Access(self.tokens)

    def _tidy(self) -> None:
        """Free, at the start and every hour, what nobody needs any more."""
        while True:
            self._storage.sweep()
            with contextlib.suppress(FileNotFoundError):  # a repository went meanwhile
                self._storage.collect()
            time.sleep(_HOUR)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError("This application speaks HTTP only")
        self._open_requests += 1
        try:
            check_host(Request(scope))
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


async def _refuse(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    return refusal.response()


async def _refuse_address(request: Request, error: Exception) -> Response:
    """Starlette found no route, or the body was too large."""
    assert isinstance(error, HTTPException)
    if error.status_code == 413:
        return Refusal(413, "The request is too large").response()
    if WITHOUT_OWNER.fullmatch(request.scope["path"]):
        return repo_not_found().response()
    return Refusal(404, "There is nothing at this address").response()


async def _close(request: Request, error: Exception) -> Response:
    return Response(status_code=400)


async def _refuse_for_disk(request: Request, error: Exception) -> Response:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Refusal(507, "The disk of this Hub is full").response()
    if isinstance(error, FileNotFoundError):  # it was deleted or moved while it was read
        return repo_not_found().response()
    raise error


async def _fail(request: Request, error: Exception) -> Response:
    """A handler failed in a way that was not foreseen. Starlette raises the error again, so that it is logged."""
    return Refusal(500, "This Hub failed; its log says why").response()
