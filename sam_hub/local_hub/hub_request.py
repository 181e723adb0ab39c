"""A request to the embedded Hub, with what its handler needs, and how handlers are registered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlencode

from anyio import from_thread, to_thread
from pydantic import AfterValidator, BaseModel
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sam_hub.local_hub.blobs import BATCH
from sam_hub.local_hub.names import KINDS, file_path, repo_id
from sam_hub.local_hub.responses import Refusal, repo_not_found
from sam_hub.local_hub.storage import Repository, Storage
from sam_hub.local_hub.tokens import Tickets, Token, Tokens

JSON = dict[str, Any] | list[dict[str, Any]]
FilePath = Annotated[str, AfterValidator(file_path)]
_BODY_LIMIT = 8 * 1024 * 1024

# A part of a *raw* path: a revision, or a path in a tree, arrives as one %2F-quoted segment.
_PARTS = {"part": "[^/]+", "rest": ".+", "kind": "|".join(KINDS), "prefix": "(?:datasets/)?"}


class _Unquoted(Convertor[str]):
    def convert(self, value: str) -> str:
        return unquote(value)

    def to_string(self, value: str) -> str:
        return value


for _name, _regex in _PARTS.items():
    register_url_convertor(_name, type("_Part", (_Unquoted,), {"regex": _regex})())


class HubRequest(Request):
    """A request; ``content`` is its body, unless the handler reads it as a stream."""

    content: bytes = b""

    @property
    def hub(self) -> str:
        """The address of this Hub, as the client knows it."""
        return str(self.base_url).rstrip("/")

    @property
    def storage(self) -> Storage:
        """All repositories."""
        return self.app.state.storage

    @property
    def tickets(self) -> Tickets:
        """What lets somebody upload without a token."""
        return self.app.state.tickets

    def pieces(self) -> Iterator[bytes]:
        """Yield the body in large pieces, while the next one is on its way. For handlers that stream."""
        stream = self.stream()

        async def receive() -> bytes:
            chunks, size = [], 0
            async for chunk in stream:
                chunks.append(chunk)
                size += len(chunk)
                if size >= BATCH:
                    break
            return b"".join(chunks)

        loop = from_thread.run_sync(asyncio.get_running_loop)
        coming = asyncio.run_coroutine_threadsafe(receive(), loop)
        try:
            while piece := coming.result():
                coming = asyncio.run_coroutine_threadsafe(receive(), loop)
                yield piece
        finally:
            coming.cancel()

    def flag(self, name: str) -> bool:
        """Return whether the query switches something on."""
        return self.query_params.get(name, "").lower() in ("1", "true")

    @cached_property
    def token(self) -> Token | None:
        """The token of the caller, None without one. One that is not this Hub's is refused."""
        header = self.headers.get("authorization")
        if header is None:
            return None
        scheme, _, secret = header.partition(" ")
        tokens: Tokens = self.app.state.tokens
        token = tokens.find(secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return token

    def demand_token(self) -> Token:
        """Return the token of the caller, who must have one."""
        if self.token is None:
            raise Refusal(401, "Invalid username or password.")
        return self.token

    def may_list(self, repository: Repository) -> bool:
        """Return whether the caller may know of a repository."""
        return not repository.private or (self.token is not None and self.token.owns(repository.id))

    def check_may_create(self, id: str) -> None:
        """Check that the caller may write to this owner's repositories."""
        if not self.demand_token().may_write(id):
            raise Refusal(403, f"You don't have the rights to write to '{id}'")

    def repo(self, right: Literal["see", "read", "write", "send"]) -> Repository:
        """Return the repository of the path if the caller has this right to it.

        "see" is to know of it, "read" to read its files, "write" to change it, "send" to send files that are for a
        commit or a pull request.
        """
        kind = (self.path_params.get("kind") or self.path_params.get("prefix") or "models").rstrip("/")
        return self.repo_named(kind, f"{self.path_params['owner']}/{self.path_params['name']}", right)

    def repo_named(self, kind: str, id: str, right: Literal["see", "read", "write", "send"]) -> Repository:
        """Return a repository if the caller has this right to it, as `repo` does."""
        repository = self.storage.find(kind, repo_id(id))
        token = self.demand_token() if right in ("write", "send") else self.token
        if repository is None or not self.may_list(repository):
            raise repo_not_found(404 if token else 401)
        if right == "write":
            self.check_may_create(id)
        elif right != "see" and repository.gated and not (token and token.owns(id)):
            message = f"Access to model {id} is restricted: ask for access and log in"
            raise Refusal(403 if token else 401, message, "GatedRepo")
        if right == "send" and token and token.role != "write":
            raise Refusal(403, "This token may only read")
        return repository

    def page(self, items: Sequence[Any], *, default: int = 1000) -> tuple[Sequence[Any], dict[str, str]]:
        """Return one page of ``items`` and the ``Link`` header to the next, by the query's ``limit`` and ``cursor``."""
        limit = self._number("limit", default) or default
        start = self._number("cursor", 0)
        if start + limit >= len(items):
            return items[start:], {}
        query = [(key, value) for key, value in self.query_params.multi_items() if key != "cursor"]
        query.append(("cursor", str(start + limit)))
        address = f"{self.hub}{self.scope['raw_path'].decode('ascii')}?{urlencode(query)}"
        return items[start : start + limit], {"Link": f'<{address}>; rel="next"'}

    def _number(self, key: str, default: int) -> int:
        text = self.query_params.get(key, str(default))
        if not re.fullmatch("[0-9]{1,9}", text):
            raise Refusal(400, f"'{key}' must be a whole number")
        return int(text)


class Routes(list[Route]):
    """The routes of a module, in the order in which they are tried."""

    def on(
        self,
        method: str,
        path: str,
        *,
        body: type[BaseModel] | None = None,
        stream: bool = False,
        limit: int = _BODY_LIMIT,
    ) -> Callable:
        """Register a handler, an ordinary function that runs in a thread.

        Paths are matched as they came, still quoted: unquoted first, a quoted segment could not be told from two.
        A handler returns a response, or what becomes JSON, or nothing (an empty 200).
        ``{x}`` matches one segment, ``{x:rest}`` all that follows, ``{prefix:prefix}`` an optional ``datasets/``.

        Args:
            body: what the JSON body must be; the handler gets it as its second argument.
            stream: the handler reads the body itself, by `HubRequest.pieces`.
            limit: the most bytes of a body that is not read so.
        """
        pattern = re.sub(r"\{(\w+)\}", r"{\1:part}", path).replace("{kind:part}", "{kind:kind}")

        def register(handler: Callable[..., Any]) -> Callable[..., Any]:
            async def endpoint(request: Request) -> Response:
                hub_request = HubRequest(request.scope, request.receive)
                if not stream:
                    hub_request.content = await hub_request.body()
                parsed = [body.model_validate_json(hub_request.content or b"{}")] if body else []
                answer = await to_thread.run_sync(handler, hub_request, *parsed)
                if isinstance(answer, Response):
                    return answer
                return Response() if answer is None else JSONResponse(answer)

            self.append(Route(pattern, endpoint, methods=[method], max_body_size=None if stream else limit))
            return handler

        return register
