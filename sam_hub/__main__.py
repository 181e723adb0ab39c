"""`sam-hub`: with no command the terminal UI, else the command line. Each knows nothing of the other."""

from __future__ import annotations

import sys

UI_OPTIONS = {"--ascii", "--web", "--demo"}  # the last one is for `--web`, which opens the demo by it


def main() -> None:
    """Run what was asked for, and exit."""
    arguments = sys.argv[1:]
    if not set(arguments) <= UI_OPTIONS:
        from sam_hub.cli import main as command_line

        command_line()
    sys.exit(_open(set(arguments)))


def _open(options: set[str]) -> int:
    from sam_hub.errors import SamHubError

    try:
        if "--web" in options:
            from sam_hub.tui.web import serve

            serve(sorted(options - {"--web"}))
        else:
            from sam_hub.tui import open_ui

            open_ui(ascii="--ascii" in options, demo="--demo" in options)
    except SamHubError as error:
        from sam_hub.cli import show_error

        return show_error(error)
    return 0


if __name__ == "__main__":
    main()
