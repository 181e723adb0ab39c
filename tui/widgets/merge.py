"""The plan of merges as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from humanize import naturalsize
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from sam_hub.tui.symbols import Symbols, cut, plural

if TYPE_CHECKING:
    from sam_hub.services.merges import MergePreview, MergesPreview

NAME = 60  # cells for the name of an expert


def plan_text(plan: MergesPreview, symbols: Symbols) -> RenderableType:
    """Return all merges, one under another; a reason that forbids them comes first."""
    parts: list[RenderableType] = [Text(f"{symbols.warning} {plan.nothing}")] if plan.nothing else []
    if errors := errors_of(plan):
        parts.append(Text(f"{symbols.missing} This can't be merged: {errors[0]}\n", style="bold"))
    names: dict[str, str] = {}  # of merges, by configuration
    for merge in plan.merges:
        if (same := names.get(merge.configuration)) is not None:  # both rankings chose the same experts
            parts.append(Text(merge.name, style="bold"))
            parts.append(Text(f"{symbols.done} the same experts as {same}: one merge serves both\n"))
            continue
        names[merge.configuration] = merge.name
        parts.append(_merge_text(merge, plan, symbols))
        parts.append(Padding(Text(merge.configuration.rstrip(), overflow="fold"), (0, 0, 1, 2)))
    return Group(*parts)


def errors_of(plan: MergesPreview) -> list[str]:
    """Return every error of every merge: one is enough to forbid them."""
    return [error for merge in plan.merges for error in merge.errors]


def _merge_text(merge: MergePreview, plan: MergesPreview, symbols: Symbols) -> Text:
    text = Text.assemble((f"{merge.name}: {merge.method} of {plural(len(merge.experts), 'expert')}\n", "bold"))
    for expert, weight in zip(merge.experts, merge.weights, strict=True):
        repo, _, commit = expert.rpartition("@")
        text.append(f"  {cut(repo, NAME, symbols, keep_end=True)}")
        text.append(f" @{commit[:7]}  weight {weight:g}\n", style="italic")
    signs = {"done": symbols.done, "cost": symbols.dot, "note": symbols.dot, "failed": symbols.missing}
    signs |= {"error": f"{symbols.missing} error:", "warning": f"{symbols.warning} warning:"}
    free = f"; {naturalsize(plan.free_disk)} of disk and {naturalsize(plan.free_memory)} of memory are free"
    for kind, words in merge.findings():
        text.append(f"{signs[kind]} ", style="bold")
        text.append(f"{words}{free if kind == 'cost' else ''}\n", style="italic" if kind == "note" else "")
    text.append("mergekit configuration", style="bold")
    return text
