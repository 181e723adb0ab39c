"""The command line: Typer commands, one file a noun. They print, and compute nothing."""

from __future__ import annotations

import signal
import sys
import warnings


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage, 3 the Hub failed, 130 interrupted."""
    from sam_hub.config import share_processors

    share_processors()
    signal.signal(signal.SIGTERM, _terminated)
    code = run(sys.argv[1:])
    # Under ``-m`` CPython ends by SIGINT, whatever the code, if Ctrl+C came inside an `exec` of text, as it may while
    # libraries are imported, and was caught; its next `exec` forgets that.
    exec("")
    sys.exit(code)


def _terminated(number: int, frame: object) -> None:
    """End as Ctrl+C does, so that children stop and half-written files go."""
    raise KeyboardInterrupt


def run(arguments: list[str]) -> int:
    """Run one command, and return its exit code."""
    from sam_hub.cli.app import app
    from sam_hub.errors import Interrupted

    warnings.filterwarnings("ignore", category=FutureWarning)  # notes of libraries to one another
    try:
        app(arguments, prog_name="sam-hub")  # ends in SystemExit, with 2 for wrong usage and 130 for Ctrl+C
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return show_error(Interrupted()) if code == Interrupted.exit_code else code
    except (Exception, KeyboardInterrupt) as error:
        return show_error(error)
    return 0


def show_error(error: BaseException) -> int:
    """Print what went wrong and what to do, and return the exit code; anything unforeseen is raised again."""
    from sam_hub.errors import Interrupted, SamHubError, of_the_system, was_interrupted

    if isinstance(error, OSError):
        error = of_the_system(error)
    elif not isinstance(error, SamHubError) and was_interrupted(error):
        error = Interrupted()
    if not isinstance(error, SamHubError):
        raise error
    print(f"Error: {error}", file=sys.stderr, flush=True)
    return error.exit_code
