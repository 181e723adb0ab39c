"""Where work is done: settings, catalog and Hub, opened when they are first needed."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from sam_hub.catalog.engine import Catalog
    from sam_hub.config import Settings
    from sam_hub.hub.client import Hub


class AppContext:
    """Settings, and what they lead to.

    Args:
        settings: those to work with; else they are read from the environment when first needed.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        if settings is not None:
            self.settings = settings

    @cached_property
    def settings(self) -> Settings:
        """The settings, read once."""
        from sam_hub.config import load_settings

        return load_settings()

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog, at the newest schema."""
        from sam_hub.catalog.engine import open_catalog

        return open_catalog(self.settings.catalog_url)

    @property
    def hub(self) -> Hub:
        """The Hub. Looked up each time: an embedded one ends when nobody asks it for long, and is started anew."""
        from sam_hub.hub.client import connect

        return connect(self.settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if "catalog" in self.__dict__:
            self.catalog.close()
