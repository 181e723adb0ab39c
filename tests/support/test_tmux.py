"""Keys in a real terminal, of which tests of the whole program consist."""

from __future__ import annotations

import sys

from tests.support.tmux import Tmux

# It forgets what was typed while it was busy, as a field that had not got the cursor yet does.
BUSY = """
import sys, termios, time, tty
tty.setcbreak(sys.stdin)
print("ready", flush=True)
while True:
    print("got", sys.stdin.read(1), flush=True)
    end = time.process_time() + 0.4
    while time.process_time() < end:
        pass
    termios.tcflush(sys.stdin, termios.TCIFLUSH)
"""


def test_a_key_is_pressed_when_the_program_is_done_with_the_last() -> None:
    with Tmux({}, command=(sys.executable, "-c", BUSY)) as terminal:
        terminal.wait_for("ready")
        terminal.press("a", "b")
        terminal.type("c")
        terminal.wait_for("got a", "got b", "got c")
