"""Pictures of the UI: ``python -m sam_hub.tui.screenshots FOLDER`` draws the tabs of the home in use, as SVG."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from sam_hub.config import Settings, load_settings
from sam_hub.tui.actions import TABS
from sam_hub.tui.app import SamHubApp

SIZE = (120, 36)
QUIET_SECONDS = 60  # at most, until a tab has all its answers


async def take(settings: Settings, folder: Path, tabs: tuple[str, ...]) -> list[Path]:
    """Draw these tabs into ``folder``; returns the files."""
    app, files = SamHubApp(settings), []
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(1)
        for name in tabs:
            await app.go(name)
            await pilot.pause(1)
            async with asyncio.timeout(QUIET_SECONDS):
                await app.workers.wait_for_complete([w for w in app.workers if w.name != "_watch_jobs"])
            await pilot.pause(0.5)
            files.append(folder / f"{name}.svg")
            picture = re.sub(r"@font-face \{.*?\}\s*", "", app.export_screenshot(title="sam-hub"), flags=re.DOTALL)
            files[-1].write_text(picture, encoding="utf-8")  # without the fonts that Rich loads from outside
    return files


def main() -> None:
    """Draw all tabs, or those that are named after the folder."""
    folder, *tabs = sys.argv[1:] or ["docs"]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for file in asyncio.run(take(load_settings(), Path(folder), tuple(tabs) or TABS)):
        print(file)


if __name__ == "__main__":
    main()
