"""The stages of the work, one after another as a person goes through them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.tabs.tab import Stage


def make(name: str) -> Stage:
    """A new stage of this name: ``tui.tabs.<name>.<Name>Stage``, imported when it is first opened."""
    module = import_module(f"tui.tabs.{name}")
    return getattr(module, f"{name.capitalize()}Stage")()
