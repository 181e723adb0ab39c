"""``python -m sam_hub.local_hub --root FOLDER``."""

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
    parser.add_argument("--ready-file", type=Path, help="written once it listens: endpoint, token and pid as JSON")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input ends")
    parser.add_argument("--idle-seconds", type=float, help="end when nobody has asked for so long")
    parser.add_argument("--part-bytes", type=int, help="take larger files in parts of so many bytes")
    options = parser.parse_args()

    def ready(endpoint: str, token: str) -> None:
        if options.ready_file:
            RunningHub(str(options.root.resolve()), endpoint, token, os.getpid()).write(options.ready_file)
        else:
            print(f"Hub at {endpoint}; HF_TOKEN={token} while it runs", flush=True)

    try:
        serve(
            options.root,
            options.host,
            options.port,
            on_ready=ready,
            until_stdin_closes=options.until_stdin_closes,
            idle_seconds=options.idle_seconds,
            part_bytes=options.part_bytes,
        )
    except ServerFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
