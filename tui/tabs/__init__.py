"""The tabs, in the order in which a person goes through them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sam_hub.tui.state import AppState
    from sam_hub.tui.tabs.base import BaseTab


def make_tab(name: str, state: AppState) -> BaseTab:
    """Return a new tab. Its module is imported when the tab is first opened."""
    match name:
        case "target":
            from sam_hub.tui.tabs.target import TargetTab

            return TargetTab(state)
        case "experts":
            from sam_hub.tui.tabs.experts import ExpertsTab

            return ExpertsTab(state)
        case "select":
            from sam_hub.tui.tabs.select import SelectTab

            return SelectTab(state)
        case "merge":
            from sam_hub.tui.tabs.merge import MergeTab

            return MergeTab(state)
        case "evaluate":
            from sam_hub.tui.tabs.evaluate import EvaluateTab

            return EvaluateTab(state)
        case "push":
            from sam_hub.tui.tabs.push import PushTab

            return PushTab(state)
    from sam_hub.tui.tabs.jobs import JobsTab

    return JobsTab(state)
