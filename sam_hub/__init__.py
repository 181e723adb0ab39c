"""Named-entity recognition for a new domain without labels: select experts on the Hub and merge them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sam_hub.api import Entity, MergedNER, SamHub, Selection, Target

__version__ = "0.1.0"

__all__ = ["Entity", "MergedNER", "SamHub", "Selection", "Target", "__version__"]


def __getattr__(name: str) -> Any:
    # At first use: `import sam_hub` and `sam-hub --help` stay quick.
    if name in __all__:
        from sam_hub import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
