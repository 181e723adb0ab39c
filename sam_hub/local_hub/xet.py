"""Xet writes: the way in which a stock client with hf_xet sends large files. (They are read the ordinary way.)

A client sends xorbs (compressed chunks) and shards (which chunks make a file). It is never told that a chunk is here
already, so that a file comes as a whole. Source: https://huggingface.co/docs/xet.
Hashes of chunks are not looked at: every file is checked against its SHA-256 when it is put together.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from sam_hub.local_hub.hub_request import JSON, HubRequest, Routes
from sam_hub.local_hub.responses import Refusal

routes = Routes()
XORB_LIMIT = 64 * 1024 * 1024 + 1024 * 1024  # of the protocol, and room for a footer
SHARD_LIMIT = 64 * 1024 * 1024
_CHUNK = struct.Struct("<B3sB3s")  # version, compressed bytes, scheme, bytes
_CHUNK_LIMIT = 1024 * 1024  # bytes of one; the protocol's are at most 128 KiB
_HEADER = struct.Struct("<32sQQ")  # tag, version, bytes of the footer
_ENTRY = struct.Struct("<32sIIII")  # in whose shape all of a shard is: a hash and four numbers
_TAG = bytes.fromhex("4846526570 6f4d657461446174610055 6967456a7b815783a5bdd95ccdd14aa9".replace(" ", ""))
_END = b"\xff" * 32
_WITH_VERIFICATION, _WITH_SHA256 = 1 << 31, 1 << 30


@routes.on("GET", "/api/{kind}/{owner}/{name}/xet-write-token/{revision}")
def write_token(request: HubRequest) -> JSON:
    """Give every caller an address of its own: clients remember by the address what they have sent there."""
    request.repo("send")
    session = secrets.token_hex(16)
    token, expires = request.tickets.issue(session, request.demand_token().user)
    return {"accessToken": token, "exp": expires, "casUrl": f"{request.hub}/xet/{session}"}


def _user_of_session(request: HubRequest) -> str:
    ticket = request.headers.get("authorization", "").removeprefix("Bearer ")
    (user,) = request.tickets.facts(ticket, request.path_params["session"], refuse_with=401)
    return user


@routes.on("POST", "/xet/{session}/v1/xorbs/default/{hash}", stream=True)
def xorb(request: HubRequest) -> JSON:
    _user_of_session(request)
    session, name = request.path_params["session"], request.path_params["hash"]
    return {"was_inserted": request.storage.xorbs.receive(session, name, request.pieces(), XORB_LIMIT)}


@routes.on("POST", "/xet/{session}/v1/shards", limit=SHARD_LIMIT)
def shard(request: HubRequest) -> JSON:
    user = _user_of_session(request)
    for file in files_of(request.content):
        request.storage.put_together(file.sha256, file.size, _pieces(request, file), user)
    return {"result": 1}


def _pieces(request: HubRequest, file: XetFile) -> Iterator[bytes]:
    for term in file.terms:
        with request.storage.xorbs.open(request.path_params["session"], term.xorb) as stream:
            yield from chunks_of(stream, term.begin, term.end)


def _malformed(reason: str) -> Refusal:
    return Refusal(400, f"The upload can't be read: {reason}")


@dataclass(frozen=True)
class Term:
    """Chunks ``begin`` to ``end`` of one xorb: ``size`` bytes of a file."""

    xorb: str
    begin: int
    end: int
    size: int


@dataclass(frozen=True)
class XetFile:
    """A file, named by its SHA-256, as the terms that make it."""

    sha256: str
    terms: tuple[Term, ...]
    size: int


def hash_text(data: bytes) -> str:
    """Return a hash as addresses spell it: four little-endian numbers of 16 hexadecimal digits."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", data))


def files_of(shard: bytes) -> list[XetFile]:
    """Return the files that a shard describes."""
    try:
        tag, version, _ = _HEADER.unpack_from(shard)
        if (tag, version) != (_TAG, 2):
            raise _malformed("this is not a shard of version 2")
        return list(_files(shard, _HEADER.size))
    except struct.error as error:
        raise _malformed(f"the shard is cut off: {error}") from error


def _files(shard: bytes, at: int) -> Iterator[XetFile]:
    while True:
        name, flags, count, *_ = _ENTRY.unpack_from(shard, at)
        if name == _END:
            return
        if not flags & _WITH_SHA256:
            raise _malformed("a file of the shard has no SHA-256")
        entries = (_ENTRY.unpack_from(shard, at + _ENTRY.size * (number + 1)) for number in range(count))
        terms = tuple(Term(hash_text(xorb), begin, end, size) for xorb, _, size, begin, end in entries)
        at += _ENTRY.size * (1 + count * (2 if flags & _WITH_VERIFICATION else 1))
        digest, *_ = _ENTRY.unpack_from(shard, at)
        yield XetFile(hash_text(digest), terms, sum(term.size for term in terms))
        at += _ENTRY.size


def chunks_of(xorb: BinaryIO, begin: int, end: int) -> Iterator[bytes]:
    """Yield the chunks of a xorb from number ``begin`` to before ``end``, unpacked."""
    for number in range(end):
        head = xorb.read(_CHUNK.size)
        if len(head) < _CHUNK.size:
            raise _malformed(f"a xorb has {number} chunks, not {end}")
        version, packed, scheme, size = _CHUNK.unpack(head)
        packed, size = (int.from_bytes(value, "little") for value in (packed, size))
        if version != 0 or size > _CHUNK_LIMIT:
            raise _malformed(f"chunk {number} of a xorb has version {version} and {size} bytes")
        if number < begin:
            xorb.seek(packed, 1)
        else:
            yield _unpacked(xorb.read(packed), scheme, size)


def _unpacked(data: bytes, scheme: int, size: int) -> bytes:
    import lz4.frame

    try:
        if scheme in (1, 2):
            # One byte more would show that it is longer than it says, without unpacking all of it.
            data = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=size + 1)
    except RuntimeError as error:
        raise _malformed(f"a chunk can't be unpacked: {error}") from error
    if scheme not in (0, 1, 2) or len(data) != size:
        raise _malformed(f"a chunk of scheme {scheme} has {len(data)} bytes, not {size}")
    return _regrouped(data) if scheme == 2 else data


def _regrouped(data: bytes) -> bytes:
    """Undo the grouping by which the first, second, third and fourth of every four bytes lie together."""
    whole, at = bytearray(len(data)), 0
    for first in range(4):
        length = len(range(first, len(data), 4))
        whole[first::4] = data[at : at + length]
        at += length
    return bytes(whole)
