"""The details of one expert as a screen of its own, for small terminals."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.widgets.details import Details

if TYPE_CHECKING:
    from tui.app import SamHubApp


class DetailsScreen(ModalScreen[None]):
    """Facts and card; the card is read while the facts are there already."""

    BINDINGS: ClassVar = [("escape,q,enter", "dismiss(None)", "Back")]
    app: SamHubApp

    def __init__(self, title: str, facts: Text, card: Coroutine[Any, Any, str]) -> None:
        super().__init__()
        self._title, self._facts, self._card = title, facts, card

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large -full"):
            yield Details(classes="-plain")
            yield Static(Text("Esc goes back, arrows scroll", style="italic"), markup=False)

    def on_mount(self) -> None:
        details = self.query_one(Details)
        details.show_facts(self._title, self._facts, self.app.symbols)
        details.focus()
        self.run_worker(self._load())

    async def _load(self) -> None:
        await self.query_one(Details).show_card(await self._card)
