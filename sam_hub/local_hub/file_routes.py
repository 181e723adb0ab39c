"""Reading: trees, files with ranges, histories."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.responses import FileResponse, JSONResponse, Response

from sam_hub.local_hub.hub_request import JSON, HubRequest, Routes
from sam_hub.local_hub.repo_info import commit_item, path_items, tree, with_last_commit
from sam_hub.local_hub.responses import Refusal

routes = Routes()
_COUNTED = ("config.json", "adapter_config.json")


@routes.on("GET", "/api/{kind}/{owner}/{name}/tree/{revision}")
@routes.on("GET", "/api/{kind}/{owner}/{name}/tree/{revision}/{path:rest}")
def list_tree(request: HubRequest) -> Response:
    repository = request.repo("see")
    commit = repository.commit_of(request.path_params["revision"])
    folder = request.path_params.get("path", "").strip("/")
    items, headers = request.page(tree(commit, folder, recursive=request.flag("recursive")))
    shown = with_last_commit(items, repository, commit) if request.flag("expand") else list(items)
    return JSONResponse(shown, headers={**headers, "X-Repo-Commit": commit.id})


@routes.on("POST", "/api/{kind}/{owner}/{name}/paths-info/{revision}")
def paths_info(request: HubRequest) -> JSON:
    repository = request.repo("see")
    commit = repository.commit_of(request.path_params["revision"])
    fields = parse_qs(request.content.decode("utf-8", "replace"))
    items = path_items(commit, fields.get("paths", []))
    is_expanded = fields.get("expand", [""])[0].lower() in ("1", "true")
    return with_last_commit(items, repository, commit) if is_expanded else items


@routes.on("GET", "/api/{kind}/{owner}/{name}/commits/{revision}")
def commits(request: HubRequest) -> Response:
    history = list(request.repo("see").history(request.path_params["revision"]))
    items, headers = request.page(history, default=50)
    formatted = "formatted" in request.query_params.getlist("expand[]")
    return JSONResponse([commit_item(commit, formatted=formatted) for commit in items], headers=headers)


@routes.on("GET", "/{prefix:prefix}{owner}/{name}/resolve/{revision}/{path:rest}")
def resolve(request: HubRequest) -> Response:
    repository = request.repo("read")
    commit = repository.commit_of(request.path_params["revision"])
    entry = commit.entry(request.path_params["path"])
    path = request.storage.blobs.path(entry.sha256)
    if not path.is_file():
        raise Refusal(500, f"The content of '{entry.path}' is missing in this Hub's folder")
    if entry.path in _COUNTED and request.method == "GET":
        repository.count_download()
    headers = {
        "ETag": f'"{entry.etag}"',
        "X-Repo-Commit": commit.id,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    # Never a type that a browser would run: what is stored here was written by others.
    return _File(path, headers=headers, media_type="application/octet-stream" if entry.lfs else "text/plain")


class _File(FileResponse):
    chunk_size = 1024 * 1024  # starlette's 64 KiB cost a change of threads each
