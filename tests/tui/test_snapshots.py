"""Every tab in its states, as a person sees it at 120x36 and at 80x24.

Snapshots are text, not SVG: a change of them can be read in a diff, and no font or colour table of the machine is in
them. That colours are readable is the matter of `test_themes`. `pytest --snapshot-update` takes new ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from sam_hub.config import Settings
from sam_hub.tui.actions import TABS
from sam_hub.tui.app import SamHubApp
from tests.support.screenshots import quiet, take
from tests.tui.conftest import NARROW, WIDE, ready, text_of
from tests.tui.decided import decide
from tests.tui.filled import add_target, fill

SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])


async def picture(settings: Settings, size: tuple[int, int], *keys: str) -> str:
    """The screen after these keys."""
    app = SamHubApp(settings)
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        await pilot.press(*keys)
        await quiet(pilot)
        return text_of(app)


async def pictures(settings: Settings, size: tuple[int, int], tabs: Sequence[str]) -> dict[str, str]:
    """The screens of these tabs, as one goes from each to the next."""
    app, screens = SamHubApp(settings), {}
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        for tab in tabs:
            await app.go(tab)
            await quiet(pilot)
            screens[tab] = text_of(app)
    return screens


def check(screens: dict[str, str], snapshot: SnapshotAssertion) -> None:
    for tab, screen in screens.items():
        assert screen == snapshot(name=tab)


@SIZES
async def test_the_tabs_where_nothing_is_there_yet(
    settings: Settings, same_disk: None, size: tuple[int, int], snapshot: SnapshotAssertion
) -> None:
    check(await pictures(settings, size, TABS), snapshot)


@SIZES
async def test_the_tabs_with_experts_and_a_target(
    settings: Settings, same_disk: None, size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path
) -> None:
    fill(settings.catalog_url, 7)
    add_target(settings.catalog_url, tmp_path)
    check(await pictures(settings, size, [tab for tab in TABS if tab != "jobs"]), snapshot)


@SIZES
async def test_the_tabs_where_the_work_was_done(
    settings: Settings, same_disk: None, size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path
) -> None:
    decide(settings, tmp_path)
    check(await pictures(settings, size, [tab for tab in TABS if tab != "target"]), snapshot)


@SIZES
@pytest.mark.parametrize(
    "keys",
    [("space", "down", "space"), ("slash", "x", "y", "z"), ("question_mark",), ("a",), ("enter",), ("s",)],
    ids=["selected", "no-fit", "help", "add", "details", "offline"],
)
async def test_what_keys_bring(
    filled: Settings, same_disk: None, keys: tuple[str, ...], size: tuple[int, int], snapshot: SnapshotAssertion
) -> None:
    assert await picture(filled, size, *keys) == snapshot


async def test_pictures_for_the_documentation(settings: Settings, tmp_path: Path) -> None:
    fill(settings.catalog_url, 7)
    assert [file.name for file in await take(settings, tmp_path, ("experts", "jobs"))] == ["experts.svg", "jobs.svg"]
    assert "Experts" in (tmp_path / "experts.svg").read_text()
    assert "@font-face" not in (tmp_path / "jobs.svg").read_text()
