"""Run the embedded Hub from here, with its failures as errors a person can act on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sam_hub.errors import InputError
from sam_hub.local_hub import process as server
from sam_hub.tempdirs import has_ended

if TYPE_CHECKING:
    from sam_hub.local_hub.tokens import Tokens

LOCK = f".{server.READY}.lock"
END_SECONDS = 5.0


def shared_hub(root: Path) -> tuple[str, str]:
    """Return the endpoint and the token of the Hub over ``root`` that all processes of a home share.

    The first process that needs it starts it. It ends half an hour after the last request, so that an address that
    was printed opens in a browser meanwhile. It keeps its port as long as that is free.
    """
    from filelock import FileLock

    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(root / LOCK):
        running = server.RunningHub.read(root)
        if running is None or not _is_up(running):
            running = _started(root, running)
    return running.endpoint, running.token


def _started(root: Path, last: server.RunningHub | None) -> server.RunningHub:
    """Start the Hub with the port and the token that it had last, or at a free port if that one is taken."""
    if last is not None:
        with suppress(server.ServerFailed):
            return server.start(root, urlsplit(last.endpoint).port or 0, token=last.token)
    try:
        return server.start(root, token=last.token if last else None)
    except server.ServerFailed as error:
        raise InputError(error.title, error.action) from error


def stop_shared_hub(root: Path) -> None:
    """End the shared Hub over ``root``, if it runs, and wait until it is gone."""
    import psutil
    from filelock import FileLock

    if not (root / server.READY).exists():
        return
    with FileLock(root / LOCK):
        running = server.RunningHub.read(root)
        if running and _is_up(running):
            with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
                process = psutil.Process(running.pid)
                process.terminate()
                process.wait(END_SECONDS)
        (root / server.READY).unlink(missing_ok=True)


def _is_up(running: server.RunningHub) -> bool:
    """Whether this very Hub runs: its number or its port alone may be another program's by now."""
    import httpx2

    if has_ended(running.pid):
        return False
    try:
        return httpx2.head(running.endpoint, timeout=2, trust_env=False).status_code < 500
    except httpx2.HTTPError:
        return False


def serve_here(root: Path, host: str, port: int, on_ready: Callable[[str, str], None]) -> None:
    """Serve ``root`` in this process until Ctrl+C; ``on_ready`` gets the endpoint and the token.

    Raises:
        InputError: the port is taken, the host is not loopback, or the folder can't be used.
    """
    try:
        server.serve(root, host, port, on_ready=on_ready)
    except server.ServerFailed as error:
        raise InputError(error.title, error.action) from error


@contextmanager
def tokens_of(root: Path) -> Iterator[Tokens]:
    """Give the tokens of the Hub over ``root``, to list, add, and remove.

    Raises:
        InputError: a name is taken or not there, or a name or a role is not allowed.
    """
    from sam_hub.local_hub.responses import Refusal
    from sam_hub.local_hub.tokens import Tokens

    try:
        yield Tokens(root)
    except Refusal as refusal:
        action = "`sam-hub hub-token list` shows the tokens. Give another name or role."
        raise InputError(refusal.message, action) from refusal
