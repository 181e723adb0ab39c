"""The tabs of the work, one after another as a person goes through them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.tabs.tab import BaseTab


def make(name: str) -> BaseTab:
    """A new tab of this name: ``tui.tabs.<name>.<Name>Tab``, imported when it is first opened."""
    module = import_module(f"tui.tabs.{name}")
    return getattr(module, f"{name.capitalize()}Tab")()
