"""The whole job by keys alone, in a real terminal: from a folder of text to a merged model on a Hub.

As a script it walks through a home that has the demo's Hub, and shows every screen on the way:
``python -m tests.end_to_end.by_keys HOME TEXTS GOLD [COLUMNSxROWS]``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.tmux import Tmux

EXPERTS = 3
LABELS = "person, organization, location"
JOB_SECONDS = 240  # at most, on two cores; the waiting ends when the work does
SCREEN_SECONDS = 90  # until a plan or a form is there

Show = Callable[[str, str], None]


def walk(terminal: Tmux, texts: Path, gold: Path, name: str, repo: str, show: Show = lambda step, screen: None) -> str:
    """Go from a folder of text to a pushed model; returns the last screen, with the address and the code to load it.

    The terminal shows the Experts tab of a catalog that lists experts of a Hub that can be pushed to.
    """
    pull(terminal, show)
    make_target(terminal, texts, gold, name, show)
    rank(terminal, show)
    merge(terminal, show)
    evaluate(terminal, show)
    return push(terminal, repo, show)


def pull(terminal: Tmux, show: Show) -> None:
    """Fetch the experts whose text is nearest to the target's."""
    terminal.press("2")
    title = _title(terminal.wait_for("Experts 14"))
    while "by similarity" not in title:
        terminal.press("o")  # and no second time before the first has come
        title = _title(terminal.wait_until(lambda screen, before=title: _title(screen) not in ("", before)))
    terminal.press("g")
    for _ in range(EXPERTS):
        terminal.press("Space", "Down")
    show("select experts", terminal.wait_for(f"{EXPERTS} selected"))
    terminal.press("p")
    seen = terminal.wait_for_any("Fetch", "All of them are on disk")
    if "Fetch" in seen:
        show("plan of the pull", seen)
        terminal.press("p")
    terminal.wait_until(lambda screen: screen.count("✓ local") >= EXPERTS, seconds=JOB_SECONDS)
    show("pulled", terminal.screen())


def _title(screen: str) -> str:
    """The line that says by what the experts are sorted."""
    return next((line for line in screen.splitlines() if "Experts 14" in line), "")


def make_target(terminal: Tmux, texts: Path, gold: Path, name: str, show: Show) -> None:
    """Fill in the form: a name, the folder, the types, labeled sentences."""
    terminal.press("1")
    terminal.wait_for("New target")
    terminal.press("Tab")
    terminal.type(name)
    terminal.press("Enter")
    terminal.type(str(texts))
    terminal.press("Enter", "Enter")  # past the switch for running text
    terminal.type(LABELS)
    terminal.press("Enter")
    terminal.type(str(gold))
    terminal.press("C-r")  # a look at what is in the folder first
    show("scan", terminal.wait_for("A sentence has", seconds=SCREEN_SECONDS))
    terminal.press("Enter")
    show("target", terminal.wait_for(f"target: {name}", seconds=SCREEN_SECONDS))
    terminal.press("Escape")


def rank(terminal: Tmux, show: Show) -> None:
    """Both rankings: the best two, by votes on twenty sentences."""
    terminal.press("3")
    terminal.wait_for("press r to rank")
    terminal.press("r")
    terminal.wait_for("Rank experts for", "Back (Esc)")
    terminal.press("BTab", "BTab", "BTab", "BTab")  # from the button back to the size of the sample
    terminal.type("20")
    terminal.press("BTab")
    terminal.type("2")
    show("how to rank", terminal.screen())
    terminal.press("Enter", "Enter", "Enter")
    show("rankings", terminal.wait_for("By similarity", "By sampling", "chosen: best 2", seconds=JOB_SECONDS))


def merge(terminal: Tmux, show: Show) -> None:
    """Merge what was chosen, after a look at the checks."""
    terminal.press("m")
    show("plan of the merge", terminal.wait_for("compatible", "mergekit configuration", seconds=SCREEN_SECONDS))
    terminal.press("m")
    terminal.wait_for("press e to evaluate", seconds=JOB_SECONDS)


def evaluate(terminal: Tmux, show: Show) -> None:
    """Score the merged models, the experts and the base."""
    terminal.press("e")
    show("how to evaluate", terminal.wait_for("Labeled sentences:", seconds=SCREEN_SECONDS))
    terminal.press("Enter")
    show("scores", terminal.wait_for("Strict scores", "best", seconds=JOB_SECONDS))


def push(terminal: Tmux, repo: str, show: Show) -> str:
    """Push, after a look at the plan and the card, confirmed by the repository's name."""
    terminal.press("u")
    terminal.wait_for("Repository")
    terminal.press("u")
    terminal.type(repo)
    terminal.press("Enter")
    show("plan of the push", terminal.wait_for("README.md", seconds=SCREEN_SECONDS))
    terminal.press("u")
    terminal.wait_for("Type", "to continue")
    terminal.type(repo)
    terminal.press("Enter")
    last = terminal.wait_for("from_pretrained", seconds=JOB_SECONDS)
    show("pushed", last)
    return last


def main() -> None:
    """Walk, and print every screen."""
    home, texts, gold, *size = sys.argv[1:]
    columns, rows = map(int, (size or ["80x24"])[0].split("x"))

    def show(step: str, screen: str) -> None:
        print(f"--- {step}\n{screen}")

    with Tmux({"SAM_HUB_HOME": home}, columns, rows) as terminal:
        terminal.wait_for("Experts")
        walk(terminal, Path(texts), Path(gold), f"articles-{columns}", f"sam-hub/articles-{columns}", show)


if __name__ == "__main__":
    main()
