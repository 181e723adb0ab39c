"""What an empty catalog offers: the demo's Hub on this machine, or a search on the real one."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

WELCOME = """The catalog is empty: no expert is known here yet.

An expert is a language model tuned for entities of one domain. sam-hub finds those that fit your texts, merges them, \
and answers with the merged model."""
DEMO = """
  A Hub on this machine with real experts, and a target.
  The base comes from PyPI, once (98 MB)."""


class FirstUse(Vertical):
    """Two ways to begin."""

    def __init__(self, hub_name: str) -> None:
        super().__init__(id="first-use")
        search = Text.assemble((f"Search {hub_name}", "bold"), "\n  Find experts there, and add them to the catalog.")
        demo = Text.assemble(("Try it with the demo's Hub", "bold"), DEMO)
        self.options = OptionList(Option(demo, id="demo"), Option(search, id="hub"))

    def compose(self) -> ComposeResult:
        yield Static(WELCOME, id="welcome", markup=False)
        yield self.options
