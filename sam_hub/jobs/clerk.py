"""The clerk: a process that answers inquiries, so that nobody who asks has to import or to wait for the network.

Lines of JSON go to its standard input and come from its standard output; it ends when its input does.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from sam_hub import errors
from sam_hub.errors import SamHubError, of_the_system
from sam_hub.jobs.inquiries import Inquiry
from sam_hub.jobs.process import environment
from sam_hub.settings import Settings

LINE_LIMIT = 64 * 1024 * 1024  # bytes of one answer
AT_A_TIME = 4


class Clerk:
    """Asks the process; starts it at the first question, and anew if it died or did not answer in time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._starting = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None

    async def ask(self, inquiry: Inquiry, timeout: float = 60) -> dict[str, Any]:
        """The answer to an inquiry.

        Raises:
            SamHubError: as the inquiry's own, or it was not answered within ``timeout`` seconds.
        """
        process = await self._running()
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        question = {"id": number, "kind": type(inquiry).__name__, "arguments": asdict(inquiry)}
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(question).encode() + b"\n")
            await process.stdin.drain()
            message = await asyncio.wait_for(future, timeout)
        except TimeoutError:
            raise SamHubError(
                f"There was no answer within {timeout:g} seconds", "Check the network, and try again."
            ) from None
        except OSError as error:
            raise _gone() from error
        finally:
            self._waiting.pop(number, None)
        if error := message.get("error"):
            kind = getattr(errors, error["kind"], SamHubError)
            raise kind(error["title"], error["action"])
        return message["answer"]

    async def _running(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                self._process = await asyncio.create_subprocess_exec(
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
                self._reader = asyncio.create_task(self._read(self._process))
            return self._process

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            message = json.loads(line)
            future = self._waiting.get(message["id"])
            if future is not None and not future.done():
                future.set_result(message)
        await process.wait()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(_gone())

    def close(self) -> None:
        """End the process."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()


def _gone() -> SamHubError:
    return SamHubError("The process that answers questions ended", "Try again; it is started anew.")


def _inquiry(question: dict[str, Any]) -> Inquiry:
    found = {kind.__name__: kind for kind in Inquiry.__subclasses__()}[question["kind"]]
    arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in question["arguments"].items()}
    return found(**arguments)


def main() -> None:
    """Answer questions until standard input ends."""
    from sam_hub.jobs.place import Place

    stream = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever libraries print is no answer
    place, lock = Place(), threading.Lock()
    _ = place.settings  # before threads ask for it at once

    def answer(question: dict[str, Any]) -> None:
        message: dict[str, Any] = {"id": question["id"]}
        try:
            message["answer"] = _inquiry(question).answer(place)
        except (SamHubError, OSError) as error:
            told = error if isinstance(error, SamHubError) else of_the_system(error)
            message["error"] = {"kind": type(told).__name__, "title": told.title, "action": told.action}
        except Exception as error:
            title = f"The question failed in a way nobody foresaw: {type(error).__name__}: {error}"
            message["error"] = {"kind": "SamHubError", "title": title, "action": "Please report it."}
        with lock:
            print(json.dumps(message, default=str), file=stream, flush=True)

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for line in sys.stdin:
            pool.submit(answer, json.loads(line))


if __name__ == "__main__":
    main()
