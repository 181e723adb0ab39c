"""Signs for states: a symbol, or with ``--ascii`` a word, so that no state is told by colour alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Symbols:
    """The signs in use."""

    done: str = "✓"
    missing: str = "✗"
    warning: str = "!"
    fetch: str = "↓"
    running: str = "*"
    queued: str = "…"
    cancelled: str = "-"
    full: str = "━"
    part: str = "╸"
    empty: str = "─"
    point: str = "●"
    nothing: str = "–"
    up: str = "▲"
    down: str = "▼"


UNICODE = Symbols()
ASCII = Symbols(
    done="ok", missing="no", warning="!", fetch="get", running="*", queued="..", cancelled="-", full="=", part=">",
    empty=".", point="o", nothing="-", up="^", down="v",
)  # fmt: skip

STATES = {
    "queued": "queued",
    "running": "running",
    "cancelling": "running",
    "done": "done",
    "failed": "missing",
    "cancelled": "cancelled",
    "interrupted": "warning",
}


def state_sign(symbols: Symbols, state: str) -> str:
    """The sign of a job's state; the word itself stands beside it."""
    return getattr(symbols, STATES.get(state, "nothing"))


def progress_bar(symbols: Symbols, share: float, width: int) -> str:
    """A bar of ``width`` cells, ``share`` (0 to 1) of it full."""
    cells = max(0.0, min(1.0, share)) * width
    whole = int(cells)
    tip = symbols.part if whole < width and cells - whole >= 0.5 else ""
    return (symbols.full * whole + tip).ljust(width, symbols.empty)


def interval_bar(symbols: Symbols, low: float, point: float, high: float, width: int) -> str:
    """A scale from 0 to 1 in ``width`` cells, the interval drawn on it and the score marked."""
    at = [round(max(0.0, min(1.0, value)) * (width - 1)) for value in (low, point, high)]
    cells = [symbols.full if at[0] <= i <= at[2] else symbols.empty for i in range(width)]
    cells[at[1]] = symbols.point
    return "".join(cells)


def megabytes(size: int) -> str:
    """Bytes as people read them."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
