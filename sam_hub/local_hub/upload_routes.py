"""Writing: which way a file goes, large files first, then one commit."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

from anyio import to_thread
from starlette.responses import JSONResponse, Response

from sam_hub.local_hub import names
from sam_hub.local_hub.blobs import SHA256
from sam_hub.local_hub.hub_request import JSON, HubRequest, Routes
from sam_hub.local_hub.repository import Commit, Entry, Repository
from sam_hub.local_hub.responses import Refusal, entry_not_found
from sam_hub.local_hub.storage import REGULAR_LIMIT, is_large
from sam_hub.local_hub.tokens import Token

routes = Routes()
_LINE_LIMIT = 2 * REGULAR_LIMIT  # base64 is 4/3 of a file
_LFS_TYPE = "application/vnd.git-lfs+json"


def _base64(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except ValueError as error:  # not ASCII, or no base64
        raise Refusal(400, f"The content is not valid base64: {error}") from error


def _object(item: Any) -> tuple[str, int]:
    """The id and the size of a large file in a request."""
    oid, size = (item.get("oid"), item.get("size")) if isinstance(item, dict) else (None, None)
    if not isinstance(oid, str) or not SHA256.fullmatch(oid) or not isinstance(size, int) or size < 0:
        raise Refusal(400, "An object needs an 'oid' of 64 hexadecimal digits and a 'size'")
    return oid, size


@routes.on("POST", "/api/{kind}/{owner}/{name}/preupload/{revision}")
def preupload(request: HubRequest) -> JSON:
    repository, _ = request.upload_target()
    commit = request.commit_of(repository)
    answers = []
    for file in request.json_list("files"):
        path, size = names.file_path(str(file.get("path", ""))), file.get("size", 0)
        if not isinstance(size, int):
            raise Refusal(400, "The 'size' of a file must be a whole number")
        large = is_large(path, size, _base64(file.get("sample", "")))
        answer = {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
        if present := commit.files.get(path):
            answer["oid"] = present.etag  # what the client compares its own file with
        answers.append(answer)
    return {"files": answers, "commitOid": commit.id}


@routes.on("POST", "/{prefix:prefix}{owner}/{name}.git/info/lfs/objects/batch")
def batch(request: HubRequest) -> Response:
    (repository, token), answers = request.upload_target(), []
    if request.json_object().get("operation") != "upload":
        raise Refusal(422, "Large files are downloaded from their resolve address")
    in_parts = "multipart" in request.json_list("transfers", str)
    for oid, size in map(_object, request.json_list("objects")):
        answer: dict[str, Any] = {"oid": oid, "size": size}
        if not (request.storage.may_have(repository, token.user, oid) and request.storage.blobs.claim(oid)):
            verify = f"{request.hub}/{repository.path}.git/info/lfs/verify"
            answer["actions"] = {
                "upload": _upload_action(request, oid, size, token.user, in_parts),
                "verify": {"href": verify, "header": {}},
            }
        answers.append(answer)
    transfer = "multipart" if in_parts else "basic"
    return JSONResponse({"transfer": transfer, "objects": answers}, media_type=_LFS_TYPE)


def _upload_action(request: HubRequest, oid: str, size: int, user: str, in_parts: bool) -> dict[str, Any]:
    """Where a large file is sent; one of several parts names an address for each, and one to say that all were."""
    address, query = f"{request.hub}/uploads/{oid}", request.access.upload_query(oid, size, user)
    header = {}
    if in_parts and (count := request.storage.parts.count(size)) > 1:
        header = {"chunk_size": str(request.storage.parts.bytes)}
        header |= {f"{number}": f"{address}/{number}?{query}" for number in range(1, count + 1)}
    return {"href": f"{address}?{query}", "header": header}


@routes.on("PUT", "/uploads/{oid}", stream=True)
async def upload(request: HubRequest) -> None:
    oid = request.path_params["oid"]
    size, user = request.access.check_upload(request, oid)
    await request.storage.blobs.receive(oid, size, request.stream())
    request.storage.grants.add(oid, user)


@routes.on("PUT", "/uploads/{oid}/{part}", stream=True)
async def upload_part(request: HubRequest) -> Response:
    oid = request.path_params["oid"]
    size, _ = request.access.check_upload(request, oid)
    sha256 = await request.storage.parts.receive(oid, size, request.path_params["part"], request.stream())
    return Response(status_code=200, headers={"ETag": f'"{sha256}"'})


@routes.on("POST", "/uploads/{oid}")
def upload_complete(request: HubRequest) -> None:
    """Put a file together from its parts. (The body lists them; the SHA-256 of the whole says more.)"""
    oid = request.path_params["oid"]
    size, user = request.access.check_upload(request, oid)
    if not (request.storage.grants.has(oid, user) and request.storage.blobs.claim(oid)):
        request.storage.blobs.put_pieces(oid, size, request.storage.parts.pieces(oid, size))
        request.storage.grants.add(oid, user)
    request.storage.parts.remove(oid)


@routes.on("POST", "/{prefix:prefix}{owner}/{name}.git/info/lfs/verify")
def verify(request: HubRequest) -> Response:
    request.upload_target()
    oid, size = _object(request.json_object())
    if not request.storage.blobs.has(oid) or request.storage.blobs.size(oid) != size:
        raise Refusal(404, f"{oid} was not uploaded, or has another size")
    return JSONResponse({"oid": oid, "size": size}, media_type=_LFS_TYPE)


@routes.on("POST", "/api/{kind}/{owner}/{name}/commit/{revision}", stream=True)
async def commit(request: HubRequest) -> JSON:
    repository, token = await to_thread.run_sync(_committing, request)
    change = _Change(request, repository, token.user)
    async for line in _lines(request.stream()):
        await to_thread.run_sync(change.read, line)

    def finish() -> tuple[Commit, str | None]:
        return repository.commit(
            request.path_params["revision"].removeprefix("refs/heads/"),
            change.apply,
            title=names.text(change.header.get("summary") or "Upload files"),
            message=names.text(change.header.get("description") or ""),
            author=token.user,
            parent=change.header.get("parentCommit"),
            as_pull_request=request.flag("create_pr"),
        )

    made, number = await to_thread.run_sync(finish)
    page = f"{request.hub}/{repository.path}"
    answer = {"success": True, "commitUrl": f"{page}/commit/{made.id}", "commitOid": made.id, "hookOutput": ""}
    if number is not None:
        answer |= {"pullRequestUrl": f"{page}/discussions/{number}"}
    return answer


def _committing(request: HubRequest) -> tuple[Repository, Token]:
    """The repository and the token of a commit: who may write may commit, who may send may propose."""
    if request.flag("create_pr"):
        return request.upload_target()
    return request.writable_repo(), request.access.demand(request)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines of a streamed body, of which only one at a time lies in memory.

    Raises:
        Refusal: 413, one is longer than a regular file may be.
    """
    waiting = bytearray()
    async for chunk in chunks:
        searched = len(waiting)
        waiting += chunk
        while (end := waiting.find(b"\n", searched)) >= 0:
            yield bytes(waiting[:end])
            del waiting[: end + 1]
            searched = 0
        if len(waiting) > _LINE_LIMIT:
            raise Refusal(413, "A file this large must be uploaded by LFS")
    if waiting:
        yield bytes(waiting)


class _Change:
    """What a commit does to the files, read line by line; contents are stored as they come."""

    def __init__(self, request: HubRequest, repository: Repository, user: str) -> None:
        self._storage, self._repository, self._user = request.storage, repository, user
        self._steps: list[tuple[str, str, Entry | None]] = []
        self.header: dict[str, Any] = {}

    def read(self, line: bytes) -> None:
        """Read one line of the request."""
        if not line.strip():
            return
        try:
            item = json.loads(line)
            key, value = item["key"], item["value"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Refusal(400, "A line of the commit is not {key, value} in JSON") from error
        if not isinstance(value, dict):
            raise Refusal(400, f"The value of {str(key)[:40]!r} must be an object")
        if key == "header":
            self.header = value
            return
        path = names.file_path(str(value.get("path", "")).rstrip("/"))
        if key == "file":
            content = value.get("content", "")
            data = _base64(content) if value.get("encoding") == "base64" else names.text(content).encode()
            self._steps.append((key, path, self._storage.keep(path, data)))
        elif key == "lfsFile":
            self._steps.append(
                (key, path, self._storage.large(self._repository, self._user, path, str(value.get("oid"))))
            )
        elif key in ("deletedFile", "deletedFolder"):
            self._steps.append((key, path, None))
        else:
            raise Refusal(400, f"Unknown operation {str(key)[:40]!r}")

    def apply(self, files: dict[str, Entry]) -> None:
        """Change ``files`` in the order of the request."""
        for key, path, entry in self._steps:
            if entry is not None:
                self._refuse_clash(files, path)
                files[path] = entry
                continue
            gone = [path] if key == "deletedFile" else [name for name in files if name.startswith(f"{path}/")]
            if not gone or gone[0] not in files:
                raise entry_not_found(f"{path}: A file with this name doesn't exist", "")
            for name in gone:
                del files[name]

    @staticmethod
    def _refuse_clash(files: dict[str, Entry], path: str) -> None:
        """A name can't be both a file and a folder."""
        above = path.split("/")[:-1]
        folders = {"/".join(above[:depth]) for depth in range(1, len(above) + 1)}
        if folders & files.keys() or any(name.startswith(f"{path}/") for name in files):
            raise Refusal(400, f"'{path}' is a file here and a folder there")
