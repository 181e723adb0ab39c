"""Whatever the theme, text can be told from what is behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.color import Color
from rich.style import Style
from textual.theme import BUILTIN_THEMES

from sam_hub.config import Settings
from sam_hub.tui.app import SamHubApp
from tests.tui.conftest import WIDE, ready
from tests.tui.decided import decide
from tests.tui.test_snapshots import quiet

READABLE = 3.0  # WCAG 2.1 for large text and the parts of an interface
OF_THE_TERMINAL = {"ansi-light", "ansi-dark", "textual-ansi"}  # colours that only the terminal knows


def luminance(color: Color) -> float:
    """Relative luminance (WCAG 2.1)."""
    parts = [channel / 255 for channel in color.get_truecolor()]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(style: Style) -> float:
    """Contrast of text to its background, 1 to 21."""
    assert style.color is not None
    assert style.bgcolor is not None
    pair = sorted((luminance(style.color), luminance(style.bgcolor)), reverse=True)
    return (pair[0] + 0.05) / (pair[1] + 0.05)


@pytest.mark.parametrize("tab", ["experts", "select", "evaluate", "jobs"])
async def test_text_is_readable_in_every_theme(settings: Settings, tmp_path: Path, tab: str) -> None:
    decide(settings, tmp_path)
    app = SamHubApp(settings)
    unreadable = set()
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        await app.go(tab)
        await quiet(pilot)
        for theme in sorted(set(BUILTIN_THEMES) - OF_THE_TERMINAL):
            app.theme = theme
            await pilot.pause(0.1)
            for strip in app.screen._compositor.render_strips()[:-1]:  # the footer shows what can't be done now
                for segment in strip:
                    words = "".join(c for c in segment.text if c.isalnum())
                    style = segment.style
                    if words and style and style.color and style.bgcolor and contrast(style) < READABLE:
                        unreadable.add((theme, words, round(contrast(style), 1)))
    assert not unreadable
