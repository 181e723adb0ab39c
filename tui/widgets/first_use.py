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


class FirstUse(Vertical):
    """Two ways to begin."""

    DEFAULT_CSS = """
    FirstUse { height: 1fr; align: center middle; }
    FirstUse #welcome { width: 72; max-width: 95%; height: auto; margin-bottom: 1; }
    FirstUse OptionList { width: 72; max-width: 95%; height: auto; }
    """

    def __init__(self, hub_name: str) -> None:
        super().__init__(id="first-use")
        self._hub_name = hub_name

    def compose(self) -> ComposeResult:
        yield Static(WELCOME, id="welcome", markup=False)
        yield OptionList(
            Option(
                Text.assemble(
                    ("Try it with the demo's Hub\n", "bold"),
                    "  A Hub on this machine with real experts, and a target.\n"
                    "  The base comes from PyPI, once (98 MB).",
                ),
                id="demo",
            ),
            Option(
                Text.assemble(
                    (f"Search {self._hub_name}\n", "bold"), "  Find experts there, and add them to the catalog."
                ),
                id="hub",
            ),
        )
