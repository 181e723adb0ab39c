"""A line to the Hub that fails when told to: a proxy between the real client and the real server."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Fault:
    """What happens to the next ``times`` requests whose method and path match.

    ``status``: this answer instead of the Hub's. ``lose``: the Hub does its work, its answer is lost.
    ``headers``: replaced in the Hub's answer.
    """

    match: str
    times: int = 1
    status: int | None = None
    lose: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    retry_after: str = "0"


@dataclass
class FaultyLine:
    """The proxy's address, the faults to come, and the requests that came."""

    endpoint: str
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def next_fault(self, request: str) -> Fault | None:
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

        def log_message(self, *_: object) -> None:
            return

        def forward(self) -> None:
            request = f"{self.command} {self.path}"
            line.requests.append(request)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = line.next_fault(request)
            if fault and fault.status:
                self.answer(fault.status, {"Retry-After": fault.retry_after, "Content-Length": "0"}, b"")
                return
            connection = http.client.HTTPConnection(host)
            connection.request(self.command, self.path, body or None, dict(self.headers))
            answer = connection.getresponse()
            data, headers = answer.read(), dict(answer.getheaders())
            connection.close()
            if fault and fault.lose:
                self.close_connection = True
                return
            if fault:
                headers = {
                    name: value for name, value in headers.items() if name.lower() not in fault.headers
                }
                headers |= fault.headers
            self.answer(answer.status, headers, data)

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
