"""Run the embedded Hub: in the foreground, or as a child process that dies with its parent."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sam_hub.local_hub import GIVEN, LOOPBACK

if TYPE_CHECKING:
    import uvicorn

    from sam_hub.local_hub.app import App

_START_SECONDS, _STOP_SECONDS = 20, 10


class ServerFailed(Exception):
    """The Hub could not be started; ``title`` says why, ``action`` what to do."""

    def __init__(self, title: str, action: str) -> None:
        super().__init__(f"{title}. {action}")
        self.title, self.action = title, action


def serve(
    root: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    on_ready: Callable[[str, str], None],
    until_stdin_closes: bool = False,
    idle_seconds: float | None = None,
    part_bytes: int | None = None,
) -> None:
    """Serve the Hub kept in ``root`` until SIGINT or SIGTERM.

    Args:
        port: 0 for a free one.
        on_ready: called once connections are accepted, with the endpoint and a token of the owner, which is valid as
            long as this process runs.
        until_stdin_closes: end too when standard input ends, as it does when a parent dies.
        idle_seconds: end too when nobody has asked anything for so long.
        part_bytes: larger files are taken in parts of so many bytes; None for the default.
    """
    listener = listen(host, port)  # first: a taken port should not cost the imports below
    import uvicorn

    from sam_hub.local_hub.app import App
    from sam_hub.local_hub.storage import PART_BYTES

    try:
        if (root / "repos").is_dir() and not (root / "hub.db").exists():
            raise FileExistsError(0, "it holds the Hub of an earlier version, which this one can't read")
        app = App(root, part_bytes or PART_BYTES)
    except (OSError, sqlite3.DatabaseError) as error:
        listener.close()
        raise ServerFailed(
            f"The folder {root} can't be used: {getattr(error, 'strerror', None) or error}", "Choose another one."
        ) from error
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    if until_stdin_closes:
        threading.Thread(target=_end_with_stdin, args=(server,), daemon=True).start()
    if idle_seconds is not None:
        threading.Thread(target=_end_when_idle, args=(server, app, idle_seconds), daemon=True).start()
    shown = f"[{host}]" if ":" in host else host
    on_ready(f"http://{shown}:{listener.getsockname()[1]}", app.tokens.session)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn has shut down in order, and raises it once more
        server.run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Return a socket on which clients wait from now on rather than fail."""
    if host not in LOOPBACK:
        raise ServerFailed(f"The embedded Hub serves loopback only, not {host}", "Use 127.0.0.1.")
    # asyncio sets TCP_NODELAY only on what is TCP by name. Without it, many answers take 40 ms more.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":  # take over a port whose last connections linger; Windows would share a live one
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        action = "Choose another port, or 0 for a free one."
        raise ServerFailed(f"Port {port} of {host} can't be used: {error.strerror}", action) from error
    return listener


def _end_with_stdin(server: uvicorn.Server) -> None:
    while sys.stdin.buffer.read(4096):
        continue
    server.should_exit = True


def _end_when_idle(server: uvicorn.Server, app: App, seconds: float) -> None:
    while app.idle_seconds < seconds:
        time.sleep(min(5.0, seconds / 4))
    server.should_exit = True


@dataclass(frozen=True)
class RunningHub:
    """Where a running Hub is: what it writes into its ready file, for whoever waits or looks for it later."""

    root: str
    endpoint: str
    token: str = field(repr=False)
    pid: int

    def write(self, file: Path) -> None:
        """Write it all at once, readable by the owner alone."""
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")
        temporary.replace(file)

    @classmethod
    def read(cls, file: Path) -> RunningHub | None:
        """Return what a ready file says; None if there is none, or it came with a folder that was copied or moved."""
        try:
            running = cls(**json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return running if running.root == str(file.parent.resolve()) else None


@dataclass
class ServerProcess:
    """A Hub in a child process. Leave the ``with`` block, or call `stop`, to end it."""

    endpoint: str
    token: str = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)

    def stop(self) -> None:
        """End it and wait until it is gone; what was committed is on disk."""
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(root: Path, port: int = 0, part_bytes: int | None = None) -> ServerProcess:
    """Start a Hub over ``root`` in a child process and wait until it answers.

    The child ends when its standard input does: with `ServerProcess.stop`, and with this process, however that ends.

    If it does not start, the child's own message is the reason.
    """
    options = ["--until-stdin-closes", *(["--part-bytes", str(part_bytes)] if part_bytes else [])]
    with tempfile.TemporaryDirectory(prefix="sam-hub-") as folder:
        return _launch(root, port, Path(folder) / "ready.json", options, stdin=subprocess.PIPE)


def start_detached(root: Path, port: int, ready: Path, idle_seconds: float, token: str | None = None) -> ServerProcess:
    """Start a Hub that outlives this process.

    Args:
        ready: the file in which it says that it listens, for whoever looks for it later (see `RunningHub`).
        idle_seconds: it ends when nobody has asked anything for so long.
        token: its own, where an earlier Hub of this folder had one that clients may still have.
    """
    ready.unlink(missing_ok=True)
    environment = {GIVEN: token} if token else {}
    return _launch(root, port, ready, ["--idle-seconds", str(idle_seconds)], stdin=subprocess.DEVNULL, **environment)


def _launch(root: Path, port: int, ready: Path, options: list[str], *, stdin: int, **environment: str) -> ServerProcess:
    command = [sys.executable, "-m", "sam_hub.local_hub", "--root", str(root), "--port", str(port)]
    command += ["--ready-file", str(ready), *options]
    env, log = {**os.environ, **environment}, ready.with_suffix(".log")
    with log.open("wb") as output:
        # In a session of its own: Ctrl+C is for this process, which may have work to finish with the Hub.
        child = subprocess.Popen(command, stdin=stdin, stdout=output, stderr=output, start_new_session=True, env=env)
    try:
        _wait_until_ready(child, ready, log)
    except BaseException:
        child.kill()
        child.wait()
        raise
    facts = json.loads(ready.read_text(encoding="utf-8"))
    return ServerProcess(facts["endpoint"], facts["token"], child)


def _wait_until_ready(child: subprocess.Popen[bytes], ready: Path, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not ready.exists():
        if child.poll() is not None:
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            reason, _, action = (lines[-1] if lines else f"exit code {child.returncode}").partition(". ")
            raise ServerFailed(reason, action or "Check the folder and the port.")
        if time.monotonic() > deadline:
            raise ServerFailed(f"The embedded Hub did not start within {_START_SECONDS} seconds", "Try again.")
        time.sleep(0.02)
