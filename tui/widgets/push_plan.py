"""What a push would do, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from tui.symbols import Symbols, cut, megabytes
from tui.widgets.reading import ReadingPane

NAME, SIZE = 44, 10  # cells of a file's name and size


def plan_lines(plan: Mapping[str, Any], wanted: Mapping[str, Any], symbols: Symbols) -> list[str]:
    """A plan in a few lines: what is made or changed, for whom, where, and how much it is; ``wanted``: the form's."""
    visibility = "private" if plan["private"] else "public"
    count = len(plan["files"])
    doing = "Creates" if plan["creates"] else "Updates"
    doing = "Makes a pull request to" if wanted["pull_request"] else doing
    lines = [f"{doing} {cut(plan['repo'], 100, symbols)} ({visibility})"]
    if not plan["creates"] and plan["private"] == wanted["public"]:
        lines.append(
            f"{symbols.warning} It exists, and stays {visibility}; its page on the Hub can change that."
        )
    lines += [f"{symbols.warning} The check after the merge: {found}" for found in plan["problems"]]
    lines.append(f"Page: {cut(plan['page'], 200, symbols)}")
    lines.append(f"{count} {'file' if count == 1 else 'files'}, {megabytes(plan['bytes'])}, in one commit")
    if plan["removes"]:
        gone = cut(", ".join(plan["removes"]), 200, symbols)
        lines.append(f"{symbols.warning} Removed there, as of the model that it takes the place of: {gone}")
    return lines


def plan_text(plan: Mapping[str, Any], wanted: Mapping[str, Any], keys: str, symbols: Symbols) -> Text:
    """The whole plan, with every file."""
    first, *rest = plan_lines(plan, wanted, symbols)
    text = Text(f"{first}\n", style="bold")
    text.append("".join(f"{line}\n" for line in rest), style="not bold")
    text.append(f"Nothing is sent yet: press {keys} to push.\n", style="not bold")
    for file in plan["files"]:
        size = f"{file['size']:,} B" if file["size"] < 100_000 else megabytes(file["size"])
        text.append(f"\n  {size:>{SIZE}}  {cut(file['path'], NAME, symbols)}", style="not bold")
    return text


class Copyable(Static, can_focus=True):
    """A text to be copied: whole if it has the focus."""

    DEFAULT_CSS = """
    Copyable { height: auto; margin: 0 0 1 0; padding: 0 1; background: $boost; }
    Copyable:focus { background: $primary-muted; text-style: bold; }
    """

    def __init__(self, id: str) -> None:
        super().__init__(id=id, markup=False)
        self.text = ""

    def show(self, text: str) -> None:
        """Show this text."""
        self.text = text
        self.update(Text(text, overflow="fold"))


class PushPane(ReadingPane):
    """The plan; after the push the page's address and the code that loads the model."""

    def compose(self) -> ComposeResult:
        yield Static(id="push-text", markup=False)
        yield Copyable("push-url")
        yield Copyable("push-snippet")

    def on_mount(self) -> None:
        self.show("Plan", Text())

    def show(self, title: str, text: Text, url: str = "", snippet: str = "") -> None:
        """Show a text, and under it what can be copied, if there is any."""
        self.border_title = title
        self.query_one("#push-text", Static).update(text)
        for name, value in (("#push-url", url), ("#push-snippet", snippet)):
            part = self.query_one(name, Copyable)
            part.show(value)
            part.display = bool(value)

    def focus_url(self) -> None:
        """Put the focus on the address."""
        self.query_one("#push-url", Copyable).focus()

    def copied(self) -> str:
        """The part that has the focus, else both."""
        parts = [part for part in self.query(Copyable) if part.display]
        focused = [part.text for part in parts if part.has_focus]
        return "\n\n".join(focused or [part.text for part in parts])
