"""Writing: which way a file goes, large files first, then one commit."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from sam_hub.local_hub.blobs import SHA256
from sam_hub.local_hub.hub_request import JSON, FilePath, HubRequest, Routes
from sam_hub.local_hub.names import file_path
from sam_hub.local_hub.responses import Refusal, entry_not_found
from sam_hub.local_hub.storage import HEADS, LFS_SUFFIXES, REGULAR_LIMIT, Entry, Repository, Storage

routes = Routes()
_LINE_LIMIT = 2 * REGULAR_LIMIT  # base64 is 4/3 of a file
_LFS_TYPE = "application/vnd.git-lfs+json"


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:  # not ASCII, or no base64
        raise Refusal(400, f"The content is not valid base64: {error}") from error


class _File(BaseModel):
    path: FilePath
    size: int = 0
    sample: str = ""


class _Files(BaseModel):
    files: list[_File] = []


@routes.on("POST", "/api/{kind}/{owner}/{name}/preupload/{revision}", body=_Files)
def preupload(request: HubRequest, body: _Files) -> JSON:
    commit = request.repo("send").commit_of(request.path_params["revision"])
    answers = []
    for file in body.files:
        is_large = file.path.endswith(LFS_SUFFIXES) or file.size > REGULAR_LIMIT or b"\0" in _base64(file.sample)
        answer = {"path": file.path, "uploadMode": "lfs" if is_large else "regular", "shouldIgnore": False}
        if present := commit.files.get(file.path):
            answer["oid"] = present.etag  # what the client compares its own file with
        answers.append(answer)
    return {"files": answers, "commitOid": commit.id}


class _Object(BaseModel):
    oid: Annotated[str, Field(pattern=f"^{SHA256.pattern}$")]
    size: Annotated[int, Field(ge=0)]


class _Batch(BaseModel):
    operation: str = ""
    transfers: list[str] = []
    objects: list[_Object] = []


@routes.on("POST", "/{prefix:prefix}{owner}/{name}.git/info/lfs/objects/batch", body=_Batch)
def batch(request: HubRequest, body: _Batch) -> Response:
    repository, user = request.repo("send"), request.demand_token().user
    if body.operation != "upload":
        raise Refusal(422, "Large files are downloaded from their resolve address")
    in_parts, answers = "multipart" in body.transfers, []
    for wanted in body.objects:
        answer: dict[str, Any] = wanted.model_dump()
        if not request.storage.may_have(repository, user, wanted.oid):
            verify = f"{request.hub}/{repository.path}.git/info/lfs/verify"
            upload = _upload_action(request, wanted, user, in_parts)
            answer["actions"] = {"upload": upload, "verify": {"href": verify, "header": {}}}
        answers.append(answer)
    transfer = "multipart" if in_parts else "basic"
    return JSONResponse({"transfer": transfer, "objects": answers}, media_type=_LFS_TYPE)


def _upload_action(request: HubRequest, wanted: _Object, user: str, in_parts: bool) -> dict[str, Any]:
    """Where a large file is sent; one of several parts names an address for each, and one to say that all were."""
    ticket, _ = request.tickets.issue(wanted.oid, wanted.size, user)
    address, query, parts = f"{request.hub}/uploads/{wanted.oid}", f"ticket={ticket}", request.storage.parts
    header = {}
    if in_parts and (count := parts.count(wanted.size)) > 1:
        header = {"chunk_size": str(parts.bytes)}
        header |= {f"{number}": f"{address}/{number}?{query}" for number in range(1, count + 1)}
    return {"href": f"{address}?{query}", "header": header}


def _announced(request: HubRequest) -> tuple[str, int, str]:
    """The id and the size of the object that may be uploaded to this address, and by whom."""
    oid = request.path_params["oid"]
    size, user = request.tickets.facts(request.query_params.get("ticket", ""), oid)
    return oid, size, user


@routes.on("PUT", "/uploads/{oid}", stream=True)
def upload(request: HubRequest) -> None:
    oid, size, user = _announced(request)
    request.storage.blobs.put_pieces(oid, size, request.pieces())
    request.storage.record_sent(oid, user)


@routes.on("PUT", "/uploads/{oid}/{part:int}", stream=True)
def upload_part(request: HubRequest) -> Response:
    oid, size, _ = _announced(request)
    sha256 = request.storage.parts.receive(oid, size, request.path_params["part"], request.pieces())
    return Response(headers={"ETag": f'"{sha256}"'})


@routes.on("POST", "/uploads/{oid}")
def upload_complete(request: HubRequest) -> None:
    """Put a file together from its parts. (The body lists them; the SHA-256 of the whole says more.)"""
    oid, size, user = _announced(request)
    request.storage.put_together(oid, size, request.storage.parts.pieces(oid, size), user)
    request.storage.parts.remove(oid)


@routes.on("POST", "/{prefix:prefix}{owner}/{name}.git/info/lfs/verify", body=_Object)
def verify(request: HubRequest, body: _Object) -> Response:
    request.repo("send")
    file = request.storage.blobs.path(body.oid)
    if not file.is_file() or file.stat().st_size != body.size:
        raise Refusal(404, f"{body.oid} was not uploaded, or has another size")
    return JSONResponse(body.model_dump(), media_type=_LFS_TYPE)


@routes.on("POST", "/api/{kind}/{owner}/{name}/commit/{revision}", stream=True)
def commit(request: HubRequest) -> JSON:
    # Who may write may commit, who may send may propose.
    is_proposal = request.flag("create_pr")
    repository = request.repo("send" if is_proposal else "write")
    user = request.demand_token().user
    change = _Change(request.storage, repository, user)
    for line in _lines(request.pieces()):
        if line.strip():
            change.read(line)
    new, number = repository.commit(
        request.path_params["revision"].removeprefix(HEADS),
        change.apply,
        title=change.header.summary or "Upload files",
        message=change.header.description or "",
        author=user,
        parent=change.header.parentCommit,
        as_pull_request=is_proposal,
    )
    page = f"{request.hub}/{repository.path}"
    answer = {"success": True, "commitUrl": f"{page}/commit/{new.id}", "commitOid": new.id, "hookOutput": ""}
    return answer if number is None else {**answer, "pullRequestUrl": f"{page}/discussions/{number}"}


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a streamed body, of which only one at a time lies in memory."""
    waiting = bytearray()
    for piece in pieces:
        searched = len(waiting)
        waiting += piece
        while (end := waiting.find(b"\n", searched)) >= 0:
            yield bytes(waiting[:end])
            del waiting[: end + 1]
            searched = 0
        if len(waiting) > _LINE_LIMIT:
            raise Refusal(413, "A file this large must be uploaded by LFS")
    yield bytes(waiting)


class _Value(BaseModel):
    summary: str | None = None
    description: str | None = None
    parentCommit: str | None = None
    path: str = ""
    content: str = ""
    encoding: str | None = None
    oid: str = ""


class _Line(BaseModel):
    key: Literal["header", "file", "lfsFile", "deletedFile", "deletedFolder"]
    value: _Value


class _Change:
    """What a commit does to the files, read line by line; contents are stored as they come."""

    def __init__(self, storage: Storage, repository: Repository, user: str) -> None:
        self._storage, self._repository, self._user = storage, repository, user
        self._steps: list[tuple[str, str, Entry | None]] = []
        self.header = _Value()

    def read(self, text: bytes) -> None:
        """Read one line of the request."""
        line = _Line.model_validate_json(text)
        value, entry = line.value, None
        if line.key == "header":
            self.header = value
            return
        path = file_path(value.path.rstrip("/"))
        if line.key == "file":
            data = _base64(value.content) if value.encoding == "base64" else value.content.encode()
            entry = self._storage.keep(path, data)
        elif line.key == "lfsFile":
            entry = self._storage.large(self._repository, self._user, path, value.oid)
        self._steps.append((line.key, path, entry))

    def apply(self, files: dict[str, Entry]) -> None:
        """Change ``files`` in the order of the request."""
        for key, path, entry in self._steps:
            inside = [name for name in files if name.startswith(f"{path}/")]
            if entry is not None:
                parts = path.split("/")
                if inside or any("/".join(parts[:depth]) in files for depth in range(1, len(parts))):
                    raise Refusal(400, f"'{path}' is a file here and a folder there")
                files[path] = entry
                continue
            deleted = [path] if key == "deletedFile" else inside
            if not deleted or deleted[0] not in files:
                raise entry_not_found(f"{path}: A file with this name doesn't exist", "")
            for name in deleted:
                del files[name]
