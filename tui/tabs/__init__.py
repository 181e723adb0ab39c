"""The tabs, in the order in which a person goes through them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sam_hub.tui.state import AppState
    from sam_hub.tui.tabs.base import BaseTab


def make_tab(name: str, state: AppState) -> BaseTab:
    """Return a new tab. Its module is imported when the tab is first opened."""
    module = import_module(f"sam_hub.tui.tabs.{name}")
    tab: BaseTab = getattr(module, f"{name.capitalize()}Tab")(state)
    return tab
