"""The application: finds a request's handler, runs it, and turns what it raises into an answer."""

from __future__ import annotations

import contextlib
import errno
import logging
import threading
import time
from pathlib import Path

from anyio import to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sam_hub.local_hub import file_routes, page_routes, repo_routes, upload_routes, xet_routes
from sam_hub.local_hub.access import Access, check_host
from sam_hub.local_hub.answers import Refusal, repo_not_found
from sam_hub.local_hub.call import Call, Router
from sam_hub.local_hub.storage import PART_BYTES, Storage
from sam_hub.local_hub.tokens import Tokens

_HOUR = 3600.0
_BODY_LIMIT = 8 * 1024 * 1024


class App:
    """An ASGI application over one folder.

    Args:
        root: where everything is kept; made if it is not there.
        part_bytes: as `Storage`'s.
    """

    def __init__(self, root: Path, part_bytes: int = PART_BYTES) -> None:
        self.tokens = Tokens(root)
        self.asked_at = time.monotonic()
        self.open_requests = 0
        self._storage = Storage(root, part_bytes)
        threading.Thread(target=self._tidy, daemon=True).start()  # it reads all commits
        self._access = Access(self.tokens)
        rooms = (repo_routes, file_routes, upload_routes, xet_routes, page_routes)
        self._router = Router([route for room in rooms for route in room.router.routes])

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
        request = Request(scope, receive)
        self.open_requests += 1
        try:
            response = await self._answer(request)
            await response(scope, receive, send)
        finally:
            self.open_requests -= 1
            self.asked_at = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        """Seconds since the last request ended; 0 while there is one."""
        return 0.0 if self.open_requests else time.monotonic() - self.asked_at

    async def _answer(self, request: Request) -> Response:
        try:
            check_host(request)
            route, names = self._router.find(request.method, request.scope["raw_path"].decode("ascii"))
            if route.stream:
                return await route.handler(Call(request, self._storage, self._access, names))
            call = Call(request, self._storage, self._access, names, await _body(request))
            return await to_thread.run_sync(route.handler, call)
        except Refusal as refusal:
            return refusal.response()
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            return _failed(error).response()


def _failed(error: Exception) -> Refusal:
    """What to answer when a handler failed in a way that was not foreseen; the log has the rest."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Refusal(507, "The disk of this Hub is full")
    if isinstance(error, FileNotFoundError):  # it was deleted or moved while it was read
        return repo_not_found()
    logging.getLogger("uvicorn.error").error("A request failed", exc_info=error)
    return Refusal(500, "This Hub failed; its log says why")


async def _body(request: Request) -> bytes:
    """The whole body of an ordinary request.

    Raises:
        Refusal: 413, it is larger than any such request is.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_LIMIT:
            raise Refusal(413, "The request is too large")
    return bytes(body)
