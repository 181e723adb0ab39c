"""A request to the embedded Hub, with what its handler needs, and how handlers are registered."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

from anyio import to_thread
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sam_hub.local_hub.access import Access
from sam_hub.local_hub.repository import Commit, Repository
from sam_hub.local_hub.responses import Refusal
from sam_hub.local_hub.storage import Storage
from sam_hub.local_hub.tokens import Token

JSON = dict[str, Any] | list[dict[str, Any]]
_BODY_LIMIT = 8 * 1024 * 1024
# Here every repository has an owner; the real Hub has some without, and its clients ask for such names, too.
WITHOUT_OWNER = re.compile(
    r"/api/(models|datasets)/[^/]+(/(revision|tree|refs|commits|paths-info|preupload|commit|branch|tag|discussions"
    r"|auth-check|settings|xet-(read|write)-token)(/.*)?)?|/(datasets/)?[^/]+/resolve/.+"
)


class _Part(Convertor[str]):
    """A part of a *raw* path: a revision, or a path in a tree, arrives as one %2F-quoted segment."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return unquote(value)

    def to_string(self, value: str) -> str:
        return value


class _Rest(_Part):
    regex = ".+"


class _Kind(_Part):
    regex = "models|datasets"


class _Prefix(_Part):
    regex = "(?:datasets/)?"


for convertor in (_Part, _Rest, _Kind, _Prefix):
    register_url_convertor(convertor.__name__.strip("_").lower(), convertor())


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
    def access(self) -> Access:
        """Who may do what."""
        return self.app.state.access

    def json_object(self) -> dict[str, Any]:
        """Return the body as a JSON object. Raises: Refusal 400, it is not one."""
        try:
            value = json.loads(self.content or b"{}")
        except (ValueError, RecursionError) as error:
            raise Refusal(400, f"The body is not valid JSON: {error}") from error
        if not isinstance(value, dict):
            raise Refusal(400, "The body must be a JSON object")
        return value

    def json_list(self, name: str, kind: type = dict) -> list[Any]:
        """Return a list of the body, of objects or of texts; empty if it is not there.

        Raises:
            Refusal: 400, it is something else.
        """
        items = self.json_object().get(name, [])
        if not isinstance(items, list) or not all(isinstance(item, kind) for item in items):
            raise Refusal(400, f"'{name}' must be a list")
        return items

    def form_fields(self) -> dict[str, list[str]]:
        """Return the body as form fields."""
        return parse_qs(self.content.decode("utf-8", "replace"))

    def flag(self, name: str) -> bool:
        """Return whether the query switches something on."""
        return self.query_params.get(name, "").lower() in ("1", "true")

    def repo(self) -> Repository:
        """Return the repository of the path, unchecked."""
        kind = (self.path_params.get("kind") or self.path_params.get("prefix") or "models").rstrip("/")
        return self.storage.repository(kind, self.path_params["owner"], self.path_params["name"])

    def visible_repo(self) -> Repository:
        """Return the repository of the path if the caller may know of it."""
        repository = self.repo()
        self.access.may_see(self, repository)
        return repository

    def readable_repo(self) -> Repository:
        """Return the repository of the path if the caller may read its files."""
        repository = self.repo()
        self.access.may_read(self, repository)
        return repository

    def writable_repo(self) -> Repository:
        """Return the repository of the path if the caller may change it."""
        repository = self.repo()
        self.access.may_write(self, repository)
        return repository

    def upload_target(self) -> tuple[Repository, Token]:
        """Return the repository of the path if the caller may send files for it, and the caller's token."""
        repository = self.repo()
        return repository, self.access.may_send(self, repository)

    def commit_of(self, repository: Repository) -> Commit:
        """Return the commit of the path's revision; of main, if it names none."""
        return repository.commit_of(self.path_params.get("revision") or "main")

    def kind_in_body(self) -> str:
        """Return the kind of repository that the body's ``type`` means.

        Raises:
            Refusal: 400, this Hub does not keep it.
        """
        kind = f"{self.json_object().get('type') or 'model'}s"
        if kind not in ("models", "datasets"):
            raise Refusal(400, f"This Hub keeps models and datasets, not {kind}")
        return kind

    def repo_in_body(self) -> Repository:
        """Return the repository that the body's ``name``, ``organization`` and ``type`` mean."""
        fields, kind = self.json_object(), self.kind_in_body()
        name, owner = fields.get("name"), fields.get("organization")
        if not isinstance(name, str) or not isinstance(owner, str | None):
            raise Refusal(400, "'name' is missing")
        return self.storage.repository(kind, owner or self.access.demand(self).user, name)


class Routes(list[Route]):
    """The routes of a module, in the order in which they are tried."""

    def on(self, method: str, path: str, *, stream: bool = False) -> Callable:
        """Register a handler: an ordinary function that runs in a thread, or a coroutine that reads the body itself.

        Paths are matched as they came, still quoted: unquoted first, a quoted segment could not be told from two.
        A handler returns a response, or what becomes JSON, or nothing (an empty 200).
        ``{x}`` matches one segment, ``{x:rest}`` all that follows, ``{prefix:prefix}`` an optional ``datasets/``.

        Args:
            stream: the handler is a coroutine.
        """
        pattern = re.sub(r"\{(\w+)\}", r"{\1:part}", path).replace("{kind:part}", "{kind:kind}")

        def register(handler: Callable[[HubRequest], Any]) -> Callable[[HubRequest], Any]:
            async def endpoint(request: Request) -> Response:
                hub_request = HubRequest(request.scope, request.receive)
                if stream:
                    answer = await handler(hub_request)
                else:
                    hub_request.content = await hub_request.body()
                    answer = await to_thread.run_sync(handler, hub_request)
                if isinstance(answer, Response):
                    return answer
                return Response() if answer is None else JSONResponse(answer)

            limit = None if stream else _BODY_LIMIT
            self.append(Route(pattern, endpoint, methods=[method], max_body_size=limit))
            return handler

        return register
