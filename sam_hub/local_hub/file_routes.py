"""Reading: trees, files with ranges, histories."""

from __future__ import annotations

from starlette.responses import FileResponse, JSONResponse, Response

from sam_hub.local_hub.answers import Refusal, page
from sam_hub.local_hub.call import Call, Router
from sam_hub.local_hub.describing import commit_item, path_items, tree, with_last_commit

router = Router()
_COUNTED = ("config.json", "adapter_config.json")


@router.on("GET", "/api/{kind}/{owner}/{name}/tree/{revision}")
@router.on("GET", "/api/{kind}/{owner}/{name}/tree/{revision}/{path:rest}")
def list_tree(call: Call) -> Response:
    repository = call.seen()
    commit = call.commit_of(repository)
    items = tree(commit, call.names.get("path", "").strip("/"), recursive=call.flag("recursive"))
    items, headers = page(call.request, items)
    if call.flag("expand"):
        items = with_last_commit(list(items), repository, commit)
    return JSONResponse(list(items), headers={**headers, "X-Repo-Commit": commit.id})


@router.on("POST", "/api/{kind}/{owner}/{name}/paths-info/{revision}")
def paths_info(call: Call) -> Response:
    repository = call.seen()
    commit = call.commit_of(repository)
    fields = call.form()
    items = path_items(commit, fields.get("paths", []))
    if fields.get("expand", [""])[0].lower() in ("1", "true"):
        items = with_last_commit(items, repository, commit)
    return JSONResponse(items)


@router.on("GET", "/api/{kind}/{owner}/{name}/commits/{revision}")
def commits(call: Call) -> Response:
    history = list(call.seen().history(call.names["revision"]))
    items, headers = page(call.request, history, default=50)
    formatted = "formatted" in call.request.query_params.getlist("expand[]")
    return JSONResponse([commit_item(commit, formatted=formatted) for commit in items], headers=headers)


@router.on("GET", "/{prefix}{owner}/{name}/resolve/{revision}/{path:rest}")
def resolve(call: Call) -> Response:
    repository = call.read()
    commit = call.commit_of(repository)
    entry = commit.entry(call.names["path"])
    path = call.storage.blobs.path(entry.sha256)
    if not path.is_file():
        raise Refusal(500, f"The content of '{entry.path}' is missing in this Hub's folder")
    if entry.path in _COUNTED and call.request.method == "GET":
        repository.count_download()
    headers = {
        "ETag": f'"{entry.etag}"',
        "X-Repo-Commit": commit.id,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    # Never a type that a browser would run: what is stored here was written by others.
    media_type = "application/octet-stream" if entry.lfs else "text/plain"
    return _File(path, headers=headers, media_type=media_type)


class _File(FileResponse):
    chunk_size = 1024 * 1024  # starlette's 64 KiB cost a change of threads each
