"""Run the embedded Hub from here, with its failures as errors a person can act on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sam_hub.errors import InputError
from sam_hub.local_hub import process as server
from sam_hub.tempdirs import has_ended

READY = "server.json"
LOCK = f".{READY}.lock"
IDLE_SECONDS = 1800.0
END_SECONDS = 5.0


def shared_hub(root: Path) -> tuple[str, str]:
    """The endpoint and the token of the Hub over ``root`` that all processes of a home share.

    The first one that needs it starts it; it ends half an hour after the last request, so that an address
    that was printed opens in a browser meanwhile. It keeps its port where that is still free.

    Raises:
        InputError: it can't be started.
    """
    from filelock import FileLock

    root.mkdir(parents=True, exist_ok=True)
    ready = root / READY
    with FileLock(root / LOCK):
        facts = _read_facts(ready)
        if facts and _is_up(facts):
            return facts["endpoint"], facts["token"]
        port = urlsplit(facts["endpoint"]).port or 0 if facts else 0
        token = facts["token"] if facts else None
        for wanted in dict.fromkeys((port, 0)):
            try:
                return server.start_detached(root, wanted, ready, IDLE_SECONDS, token)
            except server.ServerFailed as error:
                failure = error
        raise InputError(failure.title, failure.action)


def stop_shared_hub(root: Path) -> None:
    """End the shared Hub over ``root``, if it runs, and wait until it is gone."""
    import psutil
    from filelock import FileLock

    ready = root / READY
    if not ready.exists():
        return
    with FileLock(root / LOCK):
        facts = _read_facts(ready)
        if facts and _is_up(facts):
            with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
                process = psutil.Process(facts["pid"])
                process.terminate()
                process.wait(END_SECONDS)
        ready.unlink(missing_ok=True)


def _read_facts(ready: Path) -> dict[str, Any] | None:
    try:
        facts = json.loads(ready.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = {"root", "endpoint", "token", "pid"} <= set(facts)
    # A folder that was copied or moved brings the facts of a Hub along that serves another one.
    return facts if known and facts["root"] == str(ready.parent.resolve()) else None


def _is_up(facts: dict[str, Any]) -> bool:
    """Whether the very Hub of these facts runs: its number or its port alone might be another program's by now."""
    return not has_ended(facts["pid"]) and _answers(facts["endpoint"])


def _answers(endpoint: str) -> bool:
    import http.client

    parts = urlsplit(endpoint)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
    try:
        connection.request("HEAD", "/api/models?limit=1")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def serve_here(root: Path, host: str, port: int, on_ready: Callable[[str, str], None]) -> None:
    """Serve ``root`` in this process until Ctrl+C; ``on_ready`` gets the endpoint and the token.

    Raises:
        InputError: the port is taken, the host is not loopback, or the folder can't be used.
    """
    try:
        server.serve(root, host, port, on_ready=on_ready)
    except server.ServerFailed as error:
        raise InputError(error.title, error.action) from error


def list_tokens(root: Path) -> list[dict[str, str]]:
    """The tokens that log in to the Hub over ``root``: name, user, role and when each was made."""
    from sam_hub.local_hub.tokens import Tokens

    return [
        {"name": token.name, "user": token.user, "role": token.role, "created": token.created}
        for token in Tokens(root).all()
    ]


def add_token(root: Path, name: str, user: str, role: str) -> str:
    """Make a token for a user of the Hub over ``root``; it can't be had again.

    Raises:
        InputError: the name is taken, or a name or the role can't be.
    """
    from sam_hub.local_hub.tokens import Tokens

    with _refused("Give another name or role, or remove the token of this name first."):
        return Tokens(root).add(name, user, role)


def remove_token(root: Path, name: str) -> None:
    """Let a token log in no more.

    Raises:
        InputError: there is none of this name.
    """
    from sam_hub.local_hub.tokens import Tokens

    with _refused("`sam-hub hub-token list` shows what is there."):
        Tokens(root).remove(name)


@contextmanager
def _refused(action: str) -> Iterator[None]:
    from sam_hub.local_hub.answers import Refusal

    try:
        yield
    except Refusal as refusal:
        raise InputError(refusal.message, action) from refusal
