"""How the time of some work grows with what it is given: a judgment that no slow or busy machine changes."""

from __future__ import annotations

import time
from collections.abc import Callable


def assert_grows_linearly(work: Callable[[int], object], size: int) -> None:
    """Assert that four times as much takes about four times as long; quadratic work takes sixteen times as long.

    The processor's time of this thread is counted, not what passes while others have the processor.
    """
    work(size)  # imports, caches
    once, fourfold = (min(_seconds(work, n) for _ in range(2)) for n in (size, 4 * size))
    assert fourfold < 9 * once + 0.02, f"{size}: {once:.3f} s, {4 * size}: {fourfold:.3f} s"


def _seconds(work: Callable[[int], object], size: int) -> float:
    began = time.thread_time()
    work(size)
    return time.thread_time() - began
