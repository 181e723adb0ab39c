"""The terminal UI of sam-hub: the same functions as the command line's, shown and driven by keys."""

from __future__ import annotations

import os
import sys

from sam_hub.errors import SamHubError, UsageError


def open_ui(*, ascii: bool = False, demo: bool = False) -> None:
    """Open the UI in this terminal, until the person leaves it.

    Args:
        ascii: signs as words and plain borders, whatever the settings say.
        demo: begin in the demo's home.

    Raises:
        UsageError: there is no terminal, or a setting can't be used.
        SamHubError: the catalog can be neither read nor made.
    """
    from sam_hub.config import Settings, load_settings

    drawn_elsewhere = "TEXTUAL_DRIVER" in os.environ  # as for a browser, which talks to the UI through pipes
    if not (drawn_elsewhere or (sys.stdin.isatty() and sys.stdout.isatty())):
        raise UsageError(
            "The terminal UI needs a terminal", "Run it in one, or use the commands: `sam-hub --help` lists them."
        )
    settings = load_settings(**({"ascii": True} if ascii else {}))
    if demo:
        from sam_hub.demo.setup import demo_settings

        settings = demo_settings(settings)
    from sam_hub.tui.app import SamHubApp

    next_settings: object = settings
    while isinstance(next_settings, Settings):  # the UI may ask to be opened again with another home
        next_settings = SamHubApp(next_settings).run()
        if isinstance(next_settings, SamHubError):
            raise next_settings
