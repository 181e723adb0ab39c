"""What a push would do, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from humanize import naturalsize
from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from sam_hub.tui.symbols import Symbols, cut
from sam_hub.tui.widgets.reading import ReadingPane

if TYPE_CHECKING:
    from sam_hub.services.options import PushOptions
    from sam_hub.services.push import PushPlan

NAME, SIZE, LINE = 44, 10, 300  # cells of a file's name and size, and of a line


def plan_text(plan: PushPlan, options: PushOptions, key: str, symbols: Symbols) -> Text:
    """Return the whole plan, with every file."""
    first, *rest = (cut(line, LINE, symbols) for line in plan.lines(options))
    lines = [*rest, f"Nothing is sent yet: press {key} to push.", ""]
    lines += [f"  {naturalsize(file.size):>{SIZE}}  {cut(file.path, NAME, symbols)}" for file in plan.files]
    return Text.assemble((first, "bold"), "\n", "\n".join(lines))


class Copyable(Static, can_focus=True):
    """A text to be copied: whole if it has the focus. Hidden while there is none."""

    DEFAULT_CSS = """
    Copyable { height: auto; margin: 0 0 1 0; padding: 0 1; background: $boost; }
    Copyable:focus { background: $primary-muted; text-style: bold; }
    """

    def __init__(self, id: str) -> None:
        super().__init__(id=id, markup=False)
        self.words = ""

    def show(self, words: str) -> None:
        """Show these words."""
        self.words, self.display = words, bool(words)
        self.update(Text(words, overflow="fold"))


class PushPane(ReadingPane):
    """The plan; after the push the page's address and the code that loads the model."""

    def __init__(self, symbols: Symbols) -> None:
        super().__init__(symbols, "push-plan", "Plan")
        self.url, self.snippet = Copyable("push-url"), Copyable("push-snippet")

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield self.url
        yield self.snippet

    def show_result(self, title: str, text: Text, url: str = "", snippet: str = "") -> None:
        """Show a text, and under it what can be copied, if there is any."""
        self.show(text, title)
        self.url.show(url)
        self.snippet.show(snippet)

    def copied(self) -> str:
        """Return the part that has the focus, else both."""
        parts = [self.url, self.snippet]
        return "\n\n".join(part.words for part in [p for p in parts if p.has_focus] or parts if part.words)
