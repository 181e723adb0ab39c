"""Xet writes: the way in which a stock client with hf_xet sends large files. (They are read the ordinary way.)"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from anyio import to_thread
from starlette.responses import JSONResponse, Response

from sam_hub.local_hub.answers import Refusal
from sam_hub.local_hub.call import Call, Router
from sam_hub.local_hub.xet import SHARD_LIMIT, XORB_LIMIT, Malformed, XetFile, chunks_of, files_of

router = Router()


@router.on("GET", "/api/{kind}/{owner}/{name}/xet-write-token/{revision}")
def write_token(call: Call) -> Response:
    """An address of its own for every asker: clients remember by the address what they have sent there."""
    _, user = call.sent_to()
    session = secrets.token_hex(16)
    token, expires = call.access.xet_token(session, user.user)
    return JSONResponse({"accessToken": token, "exp": expires, "casUrl": f"{call.base}/xet/{session}"})


@router.on("GET", "/xet/{session}/v1/chunks/{prefix_name}/{hash}")
def known_chunk(call: Call) -> Response:
    """Whether a chunk is here already: that is never said, so that all comes in one piece."""
    raise Refusal(404, "Not known")


@router.on("POST", "/xet/{session}/v1/xorbs/default/{hash}", stream=True)
async def xorb(call: Call) -> Response:
    session = call.names["session"]
    call.access.check_xet(call.request, session)
    fresh = await call.storage.xorbs.receive(session, call.names["hash"], call.request.stream(), XORB_LIMIT)
    return JSONResponse({"was_inserted": fresh})


@router.on("POST", "/xet/{session}/v1/shards", stream=True)
async def shard(call: Call) -> Response:
    user = call.access.check_xet(call.request, call.names["session"])
    body = bytearray()
    async for chunk in call.request.stream():
        body += chunk
        if len(body) > SHARD_LIMIT:
            raise Refusal(413, "The shard is too large")
    try:
        for file in files_of(bytes(body)):
            await to_thread.run_sync(_put_together, call, file, user)
    except Malformed as error:
        raise Refusal(400, f"The upload can't be read: {error}") from error
    return JSONResponse({"result": 1})


def _put_together(call: Call, file: XetFile, user: str) -> None:
    """Also what is here already: that it is known by its id is no proof that the user has it."""
    if not (call.storage.grants.has(file.sha256, user) and call.storage.blobs.claim(file.sha256)):
        call.storage.blobs.put_pieces(file.sha256, file.size, _pieces(call, file))
        call.storage.grants.add(file.sha256, user)


def _pieces(call: Call, file: XetFile) -> Iterator[bytes]:
    for term in file.terms:
        with call.storage.xorbs.open(call.names["session"], term.xorb) as stream:
            yield from chunks_of(stream, term.begin, term.end)
