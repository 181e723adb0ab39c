"""Signs for states: a symbol, or with ``--ascii`` a word, so that no state is told by colour alone."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size


@dataclass(frozen=True)
class Symbols:
    """The signs in use."""

    done: str = "✓"
    missing: str = "✗"
    missed: str = "✗"  # in a text, before a type: the word "no" would deny that
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
    cut: str = "…"
    dot: str = "·"
    plus_minus: str = "±"


UNICODE = Symbols()
ASCII = Symbols(
    done="ok", missing="no", missed="-", warning="!", fetch="get", running="*", queued="..", cancelled="-", full="=",
    part=">", empty=".", point="o", nothing="-", up="^", down="v", cut="~", dot="|", plus_minus="+-",
)  # fmt: skip

STATES = {"cancelling": "running", "failed": "missing", "interrupted": "warning"}  # others have a sign of their name


def state_sign(symbols: Symbols, state: str) -> str:
    """Return the sign of a job's state; the word itself stands beside it."""
    return getattr(symbols, STATES.get(state, state))


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


def cut(text: str, width: int, symbols: Symbols, keep_end: bool = False) -> str:
    """Text from outside, in at most ``width`` cells and without control characters.

    Args:
        keep_end: cut the beginning (of a name, whose end tells more) instead of the end.
    """
    most = 4 * width + 400
    clean = text[-most:] if keep_end else text[:most]
    if not clean.isprintable():
        clean = "".join(c if c.isprintable() else " " for c in clean)
    if cell_len(clean) <= width:
        return clean
    room = max(0, width - len(symbols.cut))
    if not keep_end:
        return set_cell_size(clean, room).rstrip() + symbols.cut
    while cell_len(clean) > room:
        clean = clean[1:]
    return symbols.cut + clean


def plural(count: int, noun: str) -> str:
    """Return a number of things: ``1 expert``, ``2 experts``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def number(value: float | None, symbols: Symbols) -> str:
    """A score between -1 and 1 as tables show it: ``.62``."""
    if value is None:
        return symbols.nothing
    return f"{value:.2f}".replace("0.", ".", 1)
