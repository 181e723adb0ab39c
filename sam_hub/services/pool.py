"""Services in other processes, so that who asks neither imports much nor waits for the network."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from sam_hub.errors import SamHubError, of_the_system

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

    from sam_hub.config import Settings
    from sam_hub.services.context import AppContext

T = TypeVar("T")
P = ParamSpec("P")
WORKERS = 2
START_METHOD = "spawn"  # a process of the terminal UI has threads, and can't be forked


@dataclass(eq=False)
class _Pool:
    """An executor, and how many questions wait for it."""

    executor: ProcessPoolExecutor
    waiting: int = 0

    def kill(self, *, wait: bool) -> None:
        """End the processes, whatever they do."""
        for process in list((getattr(self.executor, "_processes", None) or {}).values()):
            with suppress(OSError, ValueError):  # Python 3.14 has `kill_workers` for it
                process.kill()
        self.executor.shutdown(wait=wait, cancel_futures=True)


class ServicePool:
    """Processes that answer questions: a service and its arguments go there, and its result comes back pickled.

    Processes start with the first question. They end with `close`, and when this process does. A pool in which a
    question got no answer in time is replaced, so that later questions do not wait behind it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: _Pool | None = None
        self._left: set[_Pool] = set()  # replaced, while others still wait for their answers
        self._lock = threading.Lock()

    async def ask(self, function: Callable[Concatenate[AppContext, P], T], *arguments: Any, timeout: float = 60) -> T:
        """Call ``function(context, *arguments)`` in another process, and return its result.

        Args:
            function: a function of a module, with results that can be pickled.
            timeout: seconds to wait for the result.

        Raises:
            SamHubError: as the function raises it, there was no answer in time, or the process ended.
        """
        # In a thread: starting a process takes some milliseconds, and the first one imports multiprocessing.
        pool, future = await asyncio.to_thread(self._submit, function, arguments)
        from concurrent.futures.process import BrokenProcessPool

        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), timeout)
        except TimeoutError:
            self._replace(pool)
            raise SamHubError(f"No response within {timeout:g} seconds", "Check the network, and try again.") from None
        except BrokenProcessPool as error:
            self._replace(pool)
            raise SamHubError("A worker process ended unexpectedly", "Try again.") from error
        finally:
            self._release(pool)

    def _submit(self, function: Callable[..., T], arguments: tuple[Any, ...]) -> tuple[_Pool, Future[T]]:
        from concurrent.futures.process import BrokenProcessPool

        with self._lock:
            for _ in range(2):  # a process that died idle is noticed now
                pool = self._pool = self._pool or self._start()
                try:
                    future = pool.executor.submit(_answer, function, arguments)
                except BrokenProcessPool:
                    self._pool = None
                    continue
                pool.waiting += 1
                return pool, future
        raise SamHubError("Can't start a worker process", "Free some memory and try again.")

    def _start(self) -> _Pool:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import resource_tracker

        # It inherits the error stream, and what takes that stream's place in the terminal UI has no descriptor.
        with redirect_stderr(sys.__stderr__):
            resource_tracker.ensure_running()
        executor = ProcessPoolExecutor(
            WORKERS, multiprocessing.get_context(START_METHOD), initializer=_begin, initargs=(self._settings,)
        )
        return _Pool(executor)

    def _replace(self, pool: _Pool) -> None:
        with self._lock:
            if self._pool is pool:
                self._pool = None
                self._left.add(pool)

    def _release(self, pool: _Pool) -> None:
        with self._lock:
            pool.waiting -= 1
            if idle := pool in self._left and not pool.waiting:
                self._left.remove(pool)
        if idle:
            pool.kill(wait=False)

    async def close(self) -> None:
        """End all processes."""
        with self._lock:
            pools = [*self._left, *([self._pool] if self._pool else [])]
            self._left, self._pool = set(), None
        for pool in pools:
            await asyncio.to_thread(pool.kill, wait=True)


_context: AppContext | None = None


def _begin(settings: Settings) -> None:
    """Prepare a process: no terminal, no Ctrl+C, an end with its parent, and one context for all questions."""
    global _context
    from sam_hub.config import share_processors
    from sam_hub.services.context import AppContext

    with suppress(OSError):
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    share_processors()
    _context = AppContext(settings)


def _end_with_parent() -> None:
    """Exit when the parent is gone, even by SIGKILL: the executor's own pipe stays open then."""
    import multiprocessing

    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(0)


def _answer(function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    try:
        return function(_context, *arguments)
    except SamHubError:
        raise
    except OSError as error:
        raise of_the_system(error) from error
    except Exception as error:
        raise SamHubError(f"Unexpected error: {type(error).__name__}: {error}", "Please report it.") from error
