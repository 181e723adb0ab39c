"""Pictures of the UI: ``python -m tests.support.screenshots FOLDER`` draws the tabs of the home in use, as SVG."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from sam_hub.config import Settings, load_settings
from sam_hub.tui.actions import TABS
from sam_hub.tui.app import SamHubApp

SIZE = (120, 36)
QUIET_SECONDS = 60  # at most, until a tab has all its answers


async def quiet(pilot: Pilot[Any]) -> None:
    """Wait until all that was asked is answered and shown; what waits for the person does not count.

    Raises:
        TimeoutError: an answer took a minute.
    """
    for _ in range(2):  # an answer may lead to a question
        await pilot.pause(0.5)
        async with asyncio.timeout(QUIET_SECONDS):
            while any(w.is_running and not w.name.startswith(("do_", "_watch")) for w in pilot.app.workers):
                await pilot.pause(0.05)
    await pilot.pause()


async def take(settings: Settings, folder: Path, tabs: Sequence[str]) -> list[Path]:
    """Draw these tabs into ``folder``, and return the files."""
    app, files = SamHubApp(settings), []
    async with app.run_test(size=SIZE) as pilot:
        for name in tabs:
            await app.go(name)
            await quiet(pilot)
            files.append(folder / f"{name}.svg")
            picture = re.sub(r"@font-face \{.*?\}\s*", "", app.export_screenshot(title="sam-hub"), flags=re.DOTALL)
            files[-1].write_text(picture, encoding="utf-8")  # without the fonts that Rich loads from outside
    return files


def main() -> None:
    """Draw all tabs, or those that are named after the folder."""
    folder, *tabs = sys.argv[1:] or ["docs"]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for file in asyncio.run(take(load_settings(), Path(folder), tabs or TABS)):
        print(file)


if __name__ == "__main__":
    main()
