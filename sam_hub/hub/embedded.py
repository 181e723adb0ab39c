"""Run the embedded Hub from here, with its failures as errors a person can act on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sam_hub.errors import InputError
from sam_hub.hub.server import process


@contextmanager
def running_hub(root: Path, port: int = 0) -> Iterator[process.ServerProcess]:
    """A Hub over ``root`` in a child process for the time of a ``with`` block.

    Raises:
        InputError: the port is taken, or the folder can't be used.
    """
    with _explained(), process.start(root, port) as server:
        yield server


def serve_here(root: Path, host: str, port: int, on_ready: Callable[[str, str], None]) -> None:
    """Serve ``root`` in this process until Ctrl+C; ``on_ready`` gets the endpoint and the token.

    Raises:
        InputError: the port is taken, the host is not loopback, or the folder can't be used.
    """
    with _explained():
        process.serve(root, host, port, on_ready=on_ready)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except process.ServerFailed as error:
        raise InputError(error.title, error.action) from error
