"""``python -m sam_hub.local_hub --root FOLDER``: the process that `sam_hub.local_hub.process.start` starts."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from sam_hub.local_hub.process import RunningHub, ServerFailed, serve


def main() -> int:
    """Serve until stopped; 0 then, 1 if it could not start."""
    parser = argparse.ArgumentParser(prog="python -m sam_hub.local_hub", description="A Hub on loopback.")
    parser.add_argument("--root", type=Path, required=True, help="the folder in which everything is kept")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=0, help="0 for a free one")
    parser.add_argument("--idle-seconds", type=float, help="end when nobody has asked for so long")
    options = parser.parse_args()
    root = options.root.resolve()
    try:
        serve(
            root,
            options.host,
            options.port,
            on_ready=lambda endpoint, token: RunningHub(str(root), endpoint, token, os.getpid()).write(),
            idle_seconds=options.idle_seconds,
        )
    except ServerFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
