"""Run the embedded Hub: in the foreground, or in a process of its own that outlives this one."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
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

READY = "server.json"
IDLE_SECONDS = 1800.0
_START_SECONDS = 20


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
    idle_seconds: float | None = None,
) -> None:
    """Serve the Hub kept in ``root`` until SIGINT or SIGTERM.

    Args:
        port: 0 for a free one.
        on_ready: called once connections are accepted, with the endpoint and a token of the owner, which is valid as
            long as this process runs.
        idle_seconds: end too when nobody has asked anything for so long.
    """
    listener = listen(host, port)  # first: a taken port should not cost the imports below
    import uvicorn

    from sam_hub.local_hub.app import App

    try:
        if (root / "repos").is_dir() and not (root / "hub.db").exists():
            raise FileExistsError(0, "it holds the Hub of an earlier version, which this one can't read")
        app = App(root)
    except (OSError, sqlite3.DatabaseError) as error:
        listener.close()
        raise ServerFailed(
            f"The folder {root} can't be used: {getattr(error, 'strerror', None) or error}", "Choose another one."
        ) from error
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
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
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # take over a port whose last connections linger
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        action = "Choose another port, or 0 for a free one."
        raise ServerFailed(f"Port {port} of {host} can't be used: {error.strerror}", action) from error
    return listener


def _end_when_idle(server: uvicorn.Server, app: App, seconds: float) -> None:
    while app.idle_seconds < seconds:
        time.sleep(min(5.0, seconds / 4))
    server.should_exit = True


@dataclass(frozen=True)
class RunningHub:
    """Where a running Hub is: what it writes into `READY` in its folder, for whoever waits or looks for it."""

    root: str
    endpoint: str
    token: str = field(repr=False)
    pid: int

    def write(self) -> None:
        """Write it all at once, readable by the owner alone."""
        file = Path(self.root, READY)
        temporary = file.with_name(f".{READY}.{os.getpid()}")
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")
        temporary.replace(file)

    @classmethod
    def read(cls, root: Path) -> RunningHub | None:
        """Return what the Hub over ``root`` wrote; None if it did not, or the folder was copied or moved since."""
        try:
            running = cls(**json.loads((root / READY).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return running if running.root == str(root.resolve()) else None


def start(root: Path, port: int = 0, *, token: str | None = None) -> RunningHub:
    """Start a Hub over ``root`` in a process of its own, and return when it answers.

    It ends by itself when nobody has asked anything for `IDLE_SECONDS`.

    Args:
        token: its own, where an earlier Hub of this folder had one that clients may still have.

    Raises:
        ServerFailed: it did not start, for the reason that it wrote to its log.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    (root / READY).unlink(missing_ok=True)
    command = [sys.executable, "-m", "sam_hub.local_hub", "--root", str(root), "--port", str(port)]
    environment = {**os.environ, **({GIVEN: token} if token else {})}
    log = (root / READY).with_suffix(".log")
    with log.open("wb") as output:
        # In a session of its own: Ctrl+C is for this process, which may have work to finish with the Hub.
        child = subprocess.Popen(
            [*command, "--idle-seconds", str(IDLE_SECONDS)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=environment,
        )
    deadline = time.monotonic() + _START_SECONDS
    try:
        while (running := RunningHub.read(root)) is None:
            if child.poll() is not None:
                lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                reason, _, action = (lines[-1] if lines else f"exit code {child.returncode}").partition(". ")
                raise ServerFailed(reason, action or "Check the folder and the port.")
            if time.monotonic() > deadline:
                raise ServerFailed(f"The embedded Hub did not start within {_START_SECONDS} seconds", "Try again.")
            time.sleep(0.02)
    except BaseException:
        child.kill()
        child.wait()
        raise
    return running
