"""The clerk: a process that answers inquiries, so that nobody who asks has to import or to wait for the network.

Lines of JSON go to its standard input and come from its standard output; it ends when its input does.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sam_hub import errors
from sam_hub.config import Settings
from sam_hub.errors import SamHubError, of_the_system
from sam_hub.jobs.inquiries import Inquiry
from sam_hub.jobs.process import environment

if TYPE_CHECKING:
    from sam_hub.services.context import AppContext

LINE_LIMIT = 64 * 1024 * 1024  # bytes of one answer
AT_A_TIME = 4


@dataclass(eq=False)
class _Desk:
    """A process, and who waits for its answers, by the numbers of their questions."""

    process: asyncio.subprocess.Process
    waiting: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    reader: asyncio.Task[None] | None = None

    def end(self) -> None:
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.kill()


class Clerk:
    """Asks the process; starts it at the first question, and anew if it died or did not answer in time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._desk: _Desk | None = None
        self._left: set[_Desk] = set()  # those that did not answer in time, while others still wait for them
        self._numbers = itertools.count(1)
        self._starting = asyncio.Lock()

    async def ask(self, inquiry: Inquiry, timeout: float = 60) -> dict[str, Any]:
        """The answer to an inquiry.

        Raises:
            SamHubError: as the inquiry's own, or it was not answered within ``timeout`` seconds.
        """
        desk = await self._open_desk()
        number = next(self._numbers)
        future = desk.waiting[number] = asyncio.get_running_loop().create_future()
        question = {"id": number, "kind": type(inquiry).__name__, "arguments": asdict(inquiry)}
        try:
            assert desk.process.stdin is not None
            desk.process.stdin.write(json.dumps(question).encode() + b"\n")
            await desk.process.stdin.drain()
            message = await asyncio.wait_for(future, timeout)
        except TimeoutError:
            if desk is self._desk:
                self._desk = None
                self._left.add(desk)
            raise SamHubError(
                f"There was no answer within {timeout:g} seconds", "Check the network, and try again."
            ) from None
        except OSError as error:
            raise _gone() from error
        finally:
            del desk.waiting[number]
            if desk in self._left and not desk.waiting:
                self._left.remove(desk)
                desk.end()
        if error := message.get("error"):
            kind = getattr(errors, error["kind"], SamHubError)
            raise kind(error["title"], error["action"])
        return message["answer"]

    async def _open_desk(self) -> _Desk:
        async with self._starting:
            if self._desk is None or self._desk.process.returncode is not None:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "sam_hub.jobs.clerk",
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    env=environment(self._settings),
                    limit=LINE_LIMIT,
                    start_new_session=True,  # Ctrl+C in the terminal is not for it
                )
                self._desk = _Desk(process)
                self._desk.reader = asyncio.create_task(self._read(self._desk))
            return self._desk

    async def _read(self, desk: _Desk) -> None:
        assert desk.process.stdout is not None
        try:
            while line := await desk.process.stdout.readline():
                message = json.loads(line)
                future = desk.waiting.get(message["id"])
                if future is not None and not future.done():
                    future.set_result(message)
        except ValueError:  # a line that is too long, or none of its own
            desk.end()
        await desk.process.wait()
        for future in desk.waiting.values():
            if not future.done():
                future.set_exception(_gone())

    async def close(self) -> None:
        """End the processes."""
        for desk in (self._desk, *self._left):
            if desk is not None:
                desk.end()
                await desk.process.wait()
                if desk.reader is not None:
                    await desk.reader


def _gone() -> SamHubError:
    return SamHubError("The process that answers questions ended", "Try again; it is started anew.")


def _inquiry(question: dict[str, Any]) -> Inquiry:
    found = {kind.__name__: kind for kind in Inquiry.__subclasses__()}[question["kind"]]
    arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in question["arguments"].items()}
    return found(**arguments)


def _refusal(question: dict[str, Any], kind: str, title: str, action: str) -> str:
    return json.dumps({"id": question["id"], "error": {"kind": kind, "title": title, "action": action}})


def _prepare(context: AppContext) -> None:
    """What most questions need, before threads ask for it at once.

    Libraries whose modules import each other in a circle (SQLAlchemy) fail where two threads are the first to import
    them. What can't be had is for the questions to say.
    """
    importlib.import_module("huggingface_hub.hf_api")
    with suppress(SamHubError, OSError):
        _ = context.settings, context.catalog


def main() -> None:
    """Answer questions until standard input ends."""
    from sam_hub.services.context import AppContext

    stream = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever libraries print is no answer
    context, lock = AppContext(), threading.Lock()
    _prepare(context)

    def answer(question: dict[str, Any]) -> None:
        try:
            line = json.dumps(
                {"id": question["id"], "answer": _inquiry(question).answer(context)}, default=str
            )
        except (SamHubError, OSError) as error:
            told = error if isinstance(error, SamHubError) else of_the_system(error)
            line = _refusal(question, type(told).__name__, told.title, told.action)
        except Exception as error:
            title = f"The question failed in a way nobody foresaw: {type(error).__name__}: {error}"
            line = _refusal(question, "SamHubError", title, "Please report it.")
        with lock:
            print(line, file=stream, flush=True)

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for line in sys.stdin:
            pool.submit(answer, json.loads(line))


if __name__ == "__main__":
    main()
