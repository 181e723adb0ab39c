"""One request on its way through the embedded Hub, and the table of its addresses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

from starlette.requests import Request

from sam_hub.local_hub.access import Access
from sam_hub.local_hub.answers import Refusal, repo_not_found
from sam_hub.local_hub.repository import Commit, Repository
from sam_hub.local_hub.storage import Storage
from sam_hub.local_hub.tokens import Token

# Here every repository has an owner; the real Hub has some without, and its clients ask for such names, too.
_WITHOUT_OWNER = re.compile(
    r"/api/(models|datasets)/[^/]+(/(revision|tree|refs|commits|paths-info|preupload|commit|branch|tag|discussions"
    r"|auth-check|settings|xet-(read|write)-token)(/.*)?)?|/(datasets/)?[^/]+/resolve/.+"
)


@dataclass(frozen=True)
class Call:
    """A request with what its handler needs; ``names`` are the unquoted parts of its path."""

    request: Request
    storage: Storage
    access: Access
    names: dict[str, str]
    body: bytes = b""

    @property
    def base(self) -> str:
        """The address of this Hub, as the client knows it."""
        return str(self.request.base_url).rstrip("/")

    def json(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            Refusal: 400, it is not one.
        """
        try:
            value = json.loads(self.body or b"{}")
        except (ValueError, RecursionError) as error:
            raise Refusal(400, f"The body is not valid JSON: {error}") from error
        if not isinstance(value, dict):
            raise Refusal(400, "The body must be a JSON object")
        return value

    def json_list(self, name: str, kind: type = dict) -> list[Any]:
        """A list of the body, of objects or of texts; empty if it is not there.

        Raises:
            Refusal: 400, it is something else.
        """
        items = self.json().get(name, [])
        if not isinstance(items, list) or not all(isinstance(item, kind) for item in items):
            raise Refusal(400, f"'{name}' must be a list")
        return items

    def form(self) -> dict[str, list[str]]:
        """The body as form fields."""
        return parse_qs(self.body.decode("utf-8", "replace"))

    def flag(self, name: str) -> bool:
        """Whether the query switches something on."""
        return self.request.query_params.get(name, "").lower() in ("1", "true")

    def repository(self) -> Repository:
        """The repository of the path, unchecked."""
        kind = self.names.get("kind") or "models"
        return self.storage.repository(kind.rstrip("/"), self.names["owner"], self.names["name"])

    def seen(self) -> Repository:
        """The repository of the path, which the caller may know of."""
        repository = self.repository()
        self.access.may_see(self.request, repository)
        return repository

    def read(self) -> Repository:
        """The repository of the path, whose files the caller may read."""
        repository = self.repository()
        self.access.may_read(self.request, repository)
        return repository

    def written(self) -> Repository:
        """The repository of the path, which the caller may change."""
        repository = self.repository()
        self.access.may_write(self.request, repository)
        return repository

    def sent_to(self) -> tuple[Repository, Token]:
        """The repository of the path, for which the caller may send files, and the caller's token."""
        repository = self.repository()
        return repository, self.access.may_send(self.request, repository)

    def commit_of(self, repository: Repository) -> Commit:
        """The commit of the path's revision; of main, if it names none."""
        return repository.commit_of(self.names.get("revision") or "main")

    def of_body(self) -> Repository:
        """The repository that a body's ``name``, ``organization`` and ``type`` mean."""
        fields = self.json()
        kind = f"{fields.get('type') or 'model'}s"
        if kind not in ("models", "datasets"):
            raise Refusal(400, f"This Hub keeps models and datasets, not {kind}")
        name, owner = fields.get("name"), fields.get("organization")
        if not isinstance(name, str) or not isinstance(owner, str | None):
            raise Refusal(400, "'name' is missing")
        return self.storage.repository(kind, owner or self.access.demand(self.request).user, name)


@dataclass(frozen=True)
class Route:
    """A method, a pattern on the *raw* path, and what answers it.

    Patterns match the raw path because a revision, or a path in a tree, arrives as one %2F-quoted
    segment: unquoted first, it could not be told from two. ``stream``: the handler reads the body.
    """

    method: str
    pattern: re.Pattern[str]
    handler: Callable[[Call], Any]
    stream: bool = False


@dataclass
class Router:
    """Collects the routes in the order in which they are tried."""

    routes: list[Route] = field(default_factory=list)

    def on(self, method: str, pattern: str, *, stream: bool = False) -> Callable:
        """Register a handler; ``{x}`` matches one segment, ``{x:rest}`` all that follows."""
        regex = re.sub(r"\{(\w+):rest\}", r"(?P<\1>.+)", pattern.replace(".", r"\."))
        regex = regex.replace("{kind}", "(?P<kind>models|datasets)").replace(
            "{prefix}", "(?P<kind>datasets/)?"
        )
        regex = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", regex)

        def register(handler: Callable[[Call], Any]) -> Callable[[Call], Any]:
            self.routes.append(Route(method, re.compile(regex), handler, stream))
            return handler

        return register

    def find(self, method: str, raw_path: str) -> tuple[Route, dict[str, str]]:
        """The route of a request, and the unquoted parts of its path.

        Raises:
            Refusal: 404, there is no such address, or no such repository can be.
        """
        for route in self.routes:
            if route.method == ("GET" if method == "HEAD" else method) and (
                match := route.pattern.fullmatch(raw_path)
            ):
                return route, {
                    key: unquote(part) for key, part in match.groupdict().items() if part is not None
                }
        if _WITHOUT_OWNER.fullmatch(raw_path):
            raise repo_not_found()
        raise Refusal(404, "There is nothing at this address")
