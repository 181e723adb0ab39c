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
    signs = {f"{symbols.missing} error: ": merge.errors, f"{symbols.warning} warning: ": merge.warnings}
    for sign, messages in signs.items():
        for message in messages:
            text.append(sign, style="bold").append(f"{message}\n")
    for note in merge.notes:
        text.append(f"{symbols.dot} {note}\n", style="italic")
    if not merge.errors:
        text.append(f"{symbols.done} compatible: the checks found no error\n")
    text.append_text(_cost(merge, plan, symbols))
    text.append("mergekit configuration", style="bold")
    return text


def _cost(merge: MergePreview, plan: MergesPreview, symbols: Symbols) -> Text:
    if merge.reused:
        text = Text(f"{symbols.done} already on disk\n", style="bold")
        for problem in merge.problems or ():
            text.append(f"{symbols.missing} it failed the sanity check: {problem}\n")
        if merge.refused and not merge.problems:
            text.append(f"{symbols.missing} it {merge.refused}\n")
        elif merge.problems == ():
            words = "it passed the sanity check: it loads, and predicts no worse than its experts"
            text.append(f"{symbols.done} {words}\n")
        if merge.serving:
            text.append(f"{symbols.done} instead of it answers {merge.serving}\n")
        return text
    if merge.errors:
        return Text()
    time = f"{merge.seconds:.0f} s" if merge.seconds < 100 else f"{merge.seconds / 60:.0f} min"
    return Text(
        f"disk    writes {naturalsize(merge.bytes)}; {naturalsize(plan.free_disk)} are free\n"
        f"memory  takes {naturalsize(merge.memory)}; {naturalsize(plan.free_memory)} are free\n"
        f"time    about {time}\n"
    )
