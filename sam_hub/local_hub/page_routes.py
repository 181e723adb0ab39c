"""Pages for people, to look at in a browser: a repository's card, files and commits. Nothing is changed there."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.responses import HTMLResponse, Response

from sam_hub.local_hub.card import body
from sam_hub.local_hub.hub_request import HubRequest, Routes
from sam_hub.local_hub.responses import Refusal
from sam_hub.local_hub.storage import PULL_REQUESTS

routes = Routes()
_COMMITS = 20
_TEMPLATE = Path(__file__).with_name("page.html")
_HEADERS = {  # others wrote what is shown: no scripts, nothing from elsewhere
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@routes.on("GET", "/{prefix:prefix}{owner}/{name}")
@routes.on("GET", "/{prefix:prefix}{owner}/{name}/tree/{revision}")
@routes.on("GET", "/{prefix:prefix}{owner}/{name}/commit/{revision}")
def repository_page(request: HubRequest) -> Response:
    return _page(request, request.path_params.get("revision", "main"))


@routes.on("GET", "/{prefix:prefix}{owner}/{name}/discussions/{number}")
def pull_request_page(request: HubRequest) -> Response:
    return _page(request, PULL_REQUESTS + request.path_params["number"])


def _page(request: HubRequest, revision: str) -> Response:
    try:
        repository = request.repo("read")
        commit = repository.commit_of(revision)
    except Refusal as refusal:
        hint = " It may be private or gated: pages are for what everybody may read." if refusal.code else ""
        content = _render(title="Not found", message=f"{refusal.message}.{hint}")
        return HTMLResponse(content, refusal.status, _HEADERS)
    content = _render(
        title=repository.id,
        revision=revision,
        commit=commit,
        card=_rendered(body(request.storage.blobs, commit)),
        address=f"{request.hub}/{repository.path}",
        history=list(islice(repository.history(commit.id), _COMMITS)),
        quote=quote,
    )
    return HTMLResponse(content, headers=_HEADERS)


def _render(**values: Any) -> str:
    from jinja2 import Template

    return Template(_TEMPLATE.read_text(encoding="utf-8"), autoescape=True).render(values)


def _rendered(markdown: str) -> str:
    """A card as HTML; markup in it is shown as text, and links lead nowhere but to the web."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    return str(parser.render(markdown))
