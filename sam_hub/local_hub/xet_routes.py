"""Xet writes: the way in which a stock client with hf_xet sends large files. (They are read the ordinary way.)"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from anyio import to_thread
from starlette.responses import Response

from sam_hub.local_hub.hub_request import JSON, HubRequest, Routes
from sam_hub.local_hub.responses import Refusal
from sam_hub.local_hub.xet import SHARD_LIMIT, XORB_LIMIT, Malformed, XetFile, chunks_of, files_of

routes = Routes()


@routes.on("GET", "/api/{kind}/{owner}/{name}/xet-write-token/{revision}")
def write_token(request: HubRequest) -> JSON:
    """Give every caller an address of its own: clients remember by the address what they have sent there."""
    _, user = request.upload_target()
    session = secrets.token_hex(16)
    token, expires = request.access.xet_token(session, user.user)
    return {"accessToken": token, "exp": expires, "casUrl": f"{request.hub}/xet/{session}"}


@routes.on("GET", "/xet/{session}/v1/chunks/{prefix_name}/{hash}")
def known_chunk(request: HubRequest) -> Response:
    """Never say that a chunk is here already, so that a file comes as a whole."""
    raise Refusal(404, "Not known")


@routes.on("POST", "/xet/{session}/v1/xorbs/default/{hash}", stream=True)
async def xorb(request: HubRequest) -> JSON:
    session = request.path_params["session"]
    request.access.check_xet(request, session)
    fresh = await request.storage.xorbs.receive(session, request.path_params["hash"], request.stream(), XORB_LIMIT)
    return {"was_inserted": fresh}


@routes.on("POST", "/xet/{session}/v1/shards", stream=True)
async def shard(request: HubRequest) -> JSON:
    user = request.access.check_xet(request, request.path_params["session"])
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > SHARD_LIMIT:
            raise Refusal(413, "The shard is too large")
    try:
        for file in files_of(bytes(body)):
            await to_thread.run_sync(_put_together, request, file, user)
    except Malformed as error:
        raise Refusal(400, f"The upload can't be read: {error}") from error
    return {"result": 1}


def _put_together(request: HubRequest, file: XetFile, user: str) -> None:
    """Also what is here already: that it is known by its id is no proof that the user has it."""
    if not (request.storage.grants.has(file.sha256, user) and request.storage.blobs.claim(file.sha256)):
        request.storage.blobs.put_pieces(file.sha256, file.size, _pieces(request, file))
        request.storage.grants.add(file.sha256, user)


def _pieces(request: HubRequest, file: XetFile) -> Iterator[bytes]:
    for term in file.terms:
        with request.storage.xorbs.open(request.path_params["session"], term.xorb) as stream:
            yield from chunks_of(stream, term.begin, term.end)
