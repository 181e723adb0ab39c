"""A line to the Hub that fails when told to: a proxy between the real client and the real server."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Fault:
    """What happens to the next ``times`` requests whose method and path match.

    ``status``: this answer instead of the Hub's, with ``headers``. ``lose``: the Hub does its work, its answer is
    lost. ``cut``: the connection is reset after so many bytes of the answer's body. ``headers``: replaced in the
    Hub's answer. ``edit``: what becomes of its body.
    """

    match: str
    times: int = 1
    status: int | None = None
    lose: bool = False
    cut: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    edit: Callable[[bytes], bytes] | None = None
    retry_after: str = "0"


@dataclass
class FaultyLine:
    """The proxy's address, the faults to come, and the requests that came."""

    endpoint: str
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._alone = threading.Lock()

    def next_fault(self, request: str) -> Fault | None:
        with self._alone:
            for fault in self.faults:
                if fault.times and re.search(fault.match, request):
                    fault.times -= 1
                    return fault
        return None


@contextmanager
def faulty_line(target: str) -> Iterator[FaultyLine]:
    """A proxy to ``target`` for the time of a ``with`` block."""
    host = urlsplit(target).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            return

        def forward(self) -> None:
            request = f"{self.command} {self.path}"
            line.requests.append(request)
            assert "chunked" not in self.headers.get("Transfer-Encoding", "")  # which this line can't carry
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = line.next_fault(request)
            if fault and fault.status:
                told = {"Retry-After": fault.retry_after, "Content-Length": "0", **fault.headers}
                self.answer(fault.status, told, b"")
                return
            connection = http.client.HTTPConnection(host)
            connection.request(self.command, self.path, body or None, dict(self.headers))
            answer = connection.getresponse()
            data, headers = answer.read(), dict(answer.getheaders())
            connection.close()
            if fault and fault.lose:
                self.close_connection = True
                return
            if fault and fault.cut is not None:
                self.answer(answer.status, headers, data[: fault.cut])
                self.reset()
                return
            if fault:
                changed = fault.headers
                if fault.edit and self.command != "HEAD":
                    data = fault.edit(data)
                    changed = {"content-length": str(len(data)), **changed}
                headers = {name: value for name, value in headers.items() if name.lower() not in changed}
                headers |= changed
            self.answer(answer.status, headers, data)

        def reset(self) -> None:
            """As a network does it: without a word to the other end that this is all."""
            self.wfile.flush()
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True

        def answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("date", "server", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = forward

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    line = FaultyLine(f"http://127.0.0.1:{proxy.server_address[1]}")
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
