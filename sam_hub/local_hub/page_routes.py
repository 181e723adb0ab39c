"""Pages for people, to look at in a browser: a repository's card, files and commits. Nothing is changed there."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from itertools import islice
from urllib.parse import quote

from starlette.responses import HTMLResponse, Response

from sam_hub.local_hub.answers import Refusal
from sam_hub.local_hub.call import Call, Router
from sam_hub.local_hub.card import body
from sam_hub.local_hub.repository import PR, Commit, Repository

router = Router()
_COMMITS = 20
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; } td, th { padding: .15rem .8rem .15rem 0; text-align: left; }
pre { background: #f3f3f3; padding: .8rem; overflow-x: auto; } td.size { text-align: right; }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd; } pre { background: #262626; }
a { color: #8ab4f8; } }
"""
_HEADERS = {  # what is shown was written by others: no scripts, nothing from elsewhere
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@router.on("GET", "/{prefix}{owner}/{name}")
@router.on("GET", "/{prefix}{owner}/{name}/tree/{revision}")
def repository_page(call: Call) -> Response:
    return _page(call, call.names.get("revision", "main"))


@router.on("GET", "/{prefix}{owner}/{name}/commit/{revision}")
def commit_page(call: Call) -> Response:
    return _page(call, call.names["revision"])


@router.on("GET", "/{prefix}{owner}/{name}/discussions/{number}")
def pull_request_page(call: Call) -> Response:
    return _page(call, PR + call.names["number"])


def _page(call: Call, revision: str) -> Response:
    try:
        repository = call.read()
        commit = repository.commit_of(revision)
    except Refusal as refusal:
        hint = "It may be private or gated: pages are for what everybody may read." if refusal.code else ""
        shown = _html("Not found", f"<h1>Not found</h1><p>{escape(refusal.message)}. {hint}</p>")
        return HTMLResponse(shown, refusal.status, _HEADERS)
    parts = [
        f"<h1>{escape(repository.id)}</h1>",
        f"<p>{escape(revision)} is commit <code>{commit.id}</code>, {escape(commit.date[:10])}: "
        f"{escape(commit.title)}</p>",
        _rendered(body(call.storage.blobs, commit)),
        "<h2>Files</h2>",
        _table(_file_rows(call, repository, commit)),
        "<h2>Commits</h2>",
        _table(_commit_rows(call, repository, commit)),
    ]
    return HTMLResponse(_html(repository.id, "\n".join(parts)), headers=_HEADERS)


def _html(title: str, content: str) -> str:
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style>\n{content}\n</html>\n"
    )


def _rendered(markdown: str) -> str:
    """A card as HTML; markup in it is shown as text, and links lead nowhere but to the web."""
    from markdown_it import MarkdownIt

    return str(MarkdownIt("commonmark", {"html": False}).enable("table").disable("image").render(markdown))


def _address(call: Call, repository: Repository) -> str:
    return f"{call.base}/{'' if repository.kind == 'models' else 'datasets/'}{repository.id}"


def _file_rows(call: Call, repository: Repository, commit: Commit) -> Iterable[str]:
    for entry in commit.files.values():
        link = f"{_address(call, repository)}/resolve/{commit.id}/{quote(entry.path)}"
        yield f'<td><a href="{escape(link)}">{escape(entry.path)}</a></td><td class="size">{entry.size:,} B</td>'


def _commit_rows(call: Call, repository: Repository, commit: Commit) -> Iterable[str]:
    for one in islice(repository.history(commit.id), _COMMITS):
        link = f"{_address(call, repository)}/commit/{one.id}"
        yield (
            f'<td><a href="{escape(link)}"><code>{one.id[:8]}</code></a></td><td>{escape(one.date[:10])}</td>'
            f"<td>{escape(one.title)}</td>"
        )


def _table(rows: Iterable[str]) -> str:
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"
