"""Finding a thing by what a person types: its id, its name, or the end of its name."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from sam_hub.errors import CatalogError

SHOWN = 5


def resolve(wanted: str, names: Sequence[str], noun: str, listing: str) -> str:
    """The one name that ``wanted`` means: equal to it, its last part, or the end of it after "-", "_" or ".".

    Args:
        wanted: what was typed.
        names: all names there are.
        noun: what is looked for, for the message ("expert").
        listing: the command that lists them ("sam-hub list").

    Raises:
        CatalogError: none or several fit; it shows the nearest ones.
    """
    folded = wanted.casefold()
    for fits in (
        lambda name: name == wanted,
        lambda name: name.casefold() == folded,
        lambda name: name.casefold().endswith(f"/{folded}"),
        lambda name: bool(folded) and name.casefold().endswith((f"-{folded}", f"_{folded}", f".{folded}")),
    ):
        found = [name for name in names if fits(name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise CatalogError(f"'{wanted}' could be {_some(found)}", f"Write the whole name. `{listing}` shows them.")
    raise _unknown(wanted, names, noun, listing)


def _unknown(wanted: str, names: Sequence[str], noun: str, listing: str) -> CatalogError:
    if not names:
        return CatalogError(
            f"No {noun} '{wanted}': the catalog has none yet", f"Add one with `{listing.replace(' list', ' add')}`."
        )
    # A name without an owner is compared with last parts, or the owners would count as misspelt.
    written = {(name if "/" in wanted else name.rpartition("/")[2]).casefold(): name for name in names}
    meant = [written[near] for near in get_close_matches(wanted.casefold(), written, n=SHOWN)]
    action = f"Did you mean {_some(meant)}?" if meant else f"`{listing}` shows what is there."
    return CatalogError(f"No {noun} '{wanted}' in the catalog", action)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown
