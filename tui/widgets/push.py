"""The fields of a push, what it would do, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult

from sam_hub.tui.symbols import Symbols, cut, megabytes
from sam_hub.tui.widgets.form import ChoiceField, Field, Form, TextField
from sam_hub.tui.widgets.reading import Copyable, ReadingPane

if TYPE_CHECKING:
    from sam_hub.services.options import PushOptions
    from sam_hub.services.push import PushPlan

BY = {"sampling": "merged by sampling", "similarity": "merged by similarity"}
ROWS: tuple[tuple[Field, ...], ...] = (
    (ChoiceField("by", "Model", BY), ChoiceField("as", "", {"model": "the whole model", "adapter": "its one adapter"})),
    (
        ChoiceField("how", "Sent", {"commit": "in a commit", "pull-request": "in a pull request"}),
        ChoiceField("who", "", {"private": "private", "public": "public"}),
    ),
    (TextField("repo", "Repository", hint="owner/name; Enter shows the plan", replace=False),),
)
NAME, SIZE = 44, 10  # cells of a file's name and size


class PushForm(Form):
    """What can be set for a push."""

    DEFAULT_CSS = """
    PushForm { padding: 0 1; }
    PushForm #push-problem { max-height: 5; }
    """

    def __init__(self) -> None:
        super().__init__("push", ROWS, classes="-airy")

    def options(self, target: str) -> PushOptions:
        """Return what was filled in."""
        from sam_hub.services.options import Method, PushOptions

        return PushOptions(
            target,
            self.text("repo"),
            by=Method(self.choice("by")),
            public=self.choice("who") == "public",
            adapter=self.choice("as") == "adapter",
            pull_request=self.choice("how") == "pull-request",
        )

    def offer_models(self, made: Sequence[str]) -> None:
        """Offer only models of rankings that were made."""
        self.offer("by", {method: words for method, words in BY.items() if method in made})

    def fill_repo(self, repo: str) -> None:
        """Put a name into the field where that is empty."""
        field = self.input("repo")
        if not field.value:
            with self.prevent(field.Changed):
                field.value = repo


def plan_lines(plan: PushPlan, options: PushOptions, symbols: Symbols) -> list[str]:
    """Return a plan in a few lines: what is made or changed, for whom, where, and how much it is."""
    visibility = "private" if plan.private else "public"
    count = len(plan.files)
    verb = "Creates" if plan.creates else "Updates"
    verb = "Makes a pull request to" if options.pull_request else verb
    lines = [f"{verb} {cut(plan.repo, 100, symbols)} ({visibility})"]
    if not plan.creates and plan.private == options.public:
        lines.append(f"{symbols.warning} It exists, and stays {visibility}; its page on the Hub can change that.")
    lines += [f"{symbols.warning} The check after the merge: {problem}" for problem in plan.problems]
    lines.append(f"Page: {cut(plan.page, 200, symbols)}")
    lines.append(f"{count} {'file' if count == 1 else 'files'}, {megabytes(plan.bytes)}, in one commit")
    if plan.removes:
        names = cut(", ".join(plan.removes), 200, symbols)
        lines.append(f"{symbols.warning} Removed there, as of the model that it takes the place of: {names}")
    return lines


def plan_text(plan: PushPlan, options: PushOptions, key: str, symbols: Symbols) -> Text:
    """Return the whole plan, with every file."""
    first, *rest = plan_lines(plan, options, symbols)
    text = Text(f"{first}\n", style="bold")
    text.append("".join(f"{line}\n" for line in rest), style="not bold")
    text.append(f"Nothing is sent yet: press {key} to push.\n", style="not bold")
    for file in plan.files:
        size = f"{file.size:,} B" if file.size < 100_000 else megabytes(file.size)
        text.append(f"\n  {size:>{SIZE}}  {cut(file.path, NAME, symbols)}", style="not bold")
    return text


class PushPane(ReadingPane):
    """The plan; after the push the page's address and the code that loads the model."""

    def __init__(self) -> None:
        super().__init__("push-plan", "Plan")
        self.url, self.snippet = Copyable("push-url"), Copyable("push-snippet")

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield self.url
        yield self.snippet

    def on_mount(self) -> None:
        self.show_result("Plan", Text())

    def show_result(self, title: str, text: Text, url: str = "", snippet: str = "") -> None:
        """Show a text, and under it what can be copied, if there is any."""
        self.show(text, title)
        self.url.show(url)
        self.snippet.show(snippet)

    def copied(self) -> str:
        """Return the part that has the focus, else both."""
        parts = [part for part in (self.url, self.snippet) if part.text]
        focused = [part.text for part in parts if part.has_focus]
        return "\n\n".join(focused or [part.text for part in parts])
