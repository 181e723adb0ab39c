"""The plan of a merge as text: who is merged, what the checks say, what it costs, and mergekit's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from tui.symbols import Symbols, cut, megabytes

NAME = 60  # cells for the name of an expert


def plan_text(plan: Mapping[str, Any], symbols: Symbols) -> RenderableType:
    """All merges of an answer to `PlanMerge`, one under another; a reason that forbids them comes first."""
    parts: list[RenderableType] = []
    if errors := errors_of(plan):
        parts.append(Text(f"{symbols.missing} This can't be merged: {errors[0]}\n", style="bold"))
    seen: dict[str, str] = {}
    for merge in plan["merges"]:
        same = seen.get(merge["configuration"])
        if same is not None:  # both rankings chose the same experts
            parts.append(Text(merge["name"], style="bold"))
            parts.append(Text(f"{symbols.done} the same experts as {same}: one merge serves both\n"))
            continue
        seen[merge["configuration"]] = merge["name"]
        parts.append(_merge_text(merge, plan, symbols))
        parts.append(Padding(Text(merge["configuration"].rstrip(), overflow="fold"), (0, 0, 1, 2)))
    return Group(*parts)


def errors_of(plan: Mapping[str, Any]) -> list[str]:
    """Every error of every merge: one is enough to forbid them."""
    return [error for merge in plan["merges"] for error in merge["errors"]]


def _merge_text(merge: Mapping[str, Any], plan: Mapping[str, Any], symbols: Symbols) -> Text:
    count = len(merge["experts"])
    text = Text()
    text.append(
        f"{merge['name']}: {merge['method']} of {count} {'expert' if count == 1 else 'experts'}\n", "bold"
    )
    for expert, weight in zip(merge["experts"], merge["weights"], strict=True):
        repo, _, commit = expert.rpartition("@")
        text.append(f"  {cut(repo, NAME, symbols, keep_end=True)}")
        text.append(f" @{commit[:7]}  weight {weight:g}\n", style="italic")
    text.append_text(_checks(merge, symbols))
    text.append_text(_cost(merge, plan, symbols))
    text.append("mergekit configuration", style="bold")
    return text


def _checks(merge: Mapping[str, Any], symbols: Symbols) -> Text:
    """The report: what forbids the merge, what asks for a look, what informs."""
    text = Text()
    for error in merge["errors"]:
        text.append(f"{symbols.missing} error: ", style="bold")
        text.append(f"{error}\n")
    for warning in merge["warnings"]:
        text.append(f"{symbols.warning} warning: ", style="bold")
        text.append(f"{warning}\n")
    for note in merge["notes"]:
        text.append(f"{symbols.dot} {note}\n", style="italic")
    if not merge["errors"]:
        text.append(f"{symbols.done} compatible: the checks found no error\n")
    return text


def _cost(merge: Mapping[str, Any], plan: Mapping[str, Any], symbols: Symbols) -> Text:
    if merge["reused"]:
        text = Text(f"{symbols.done} this very merge is there already\n", style="bold")
        for problem in merge["problems"] or ():
            text.append(f"{symbols.missing} it failed the check: {problem}\n")
        if merge["problems"] == []:
            text.append(
                f"{symbols.done} it passed the check: it loads, and answers no worse than its experts\n"
            )
        return text
    if merge["errors"]:
        return Text()
    return Text(
        f"disk    writes {megabytes(merge['bytes'])}; {megabytes(plan['free_disk'])} are free\n"
        f"memory  takes {megabytes(merge['memory'])}; {megabytes(plan['free_memory'])} are free\n"
        f"time    about {duration(merge['seconds'])}\n"
    )


def duration(seconds: float) -> str:
    """Seconds as people read them."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def problem_text(title: str, action: str, symbols: Symbols) -> Text:
    """Why there is no plan, and what to do."""
    text = Text()
    text.append(f"{symbols.missing} This can't be merged: {title}.\n", style="bold")
    text.append(action)
    return text
