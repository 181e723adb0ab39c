"""Scrollbars without the half blocks that round their ends: spaces on a ground, for terminals with ASCII alone."""

from __future__ import annotations

from typing import ClassVar

from textual.scrollbar import ScrollBar, ScrollBarRender


class PlainScrollBarRender(ScrollBarRender):
    """The same bar, its ends moved to whole cells."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


def use_plain_scrollbars(plain: bool) -> None:
    """From now on, in all of this process."""
    ScrollBar.renderer = PlainScrollBarRender if plain else ScrollBarRender
