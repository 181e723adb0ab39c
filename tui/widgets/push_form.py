"""The fields of a push: which merged model, who may see it, and where it goes; and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Label, Select, Static

from tui.actions import LEAVE_FIELDS

if TYPE_CHECKING:
    from tui.app import SamHubApp

BY = {"sampling": "merged by sampling", "similarity": "merged by similarity"}
AS = {"model": "the whole model", "adapter": "its one adapter"}
WHO = {"private": "private", "public": "public"}
HOW = {"commit": "in a commit", "pull-request": "in a pull request"}


class PushForm(Vertical):
    """What can be set for a push. A change posts `Changed`, Enter in the last field `Entered`."""

    BINDINGS: ClassVar = [LEAVE_FIELDS]
    SCOPED_CSS = False  # the rules for tall terminals begin at the screen
    DEFAULT_CSS = """
    PushForm { height: auto; padding: 0 1; }
    PushForm .field { height: 1; }
    .-tall PushForm .field { margin-bottom: 1; }
    PushForm Label { width: 12; color: $text-muted; }
    PushForm Select, PushForm Input { width: 1fr; }
    PushForm #push-problem { max-height: 5; }
    """

    app: SamHubApp

    class Changed(Message):
        """A field has another value."""

    class Entered(Message):
        """All is filled in."""

    def __init__(self) -> None:
        super().__init__(id="push-form")

    def compose(self) -> ComposeResult:
        for title, fields in (
            ("Model", {"by": BY, "as": AS}),
            ("Sent", {"how": HOW, "who": WHO}),
        ):
            with Horizontal(classes="field"):
                yield Label(title)
                for name, choices in fields.items():
                    options = [(text, value) for value, text in choices.items()]
                    first = next(iter(choices))
                    yield Select(options, value=first, allow_blank=False, compact=True, id=f"push-{name}")
        with Horizontal(classes="field"):
            yield Label("Repository")
            hint = "owner/name; Enter shows the plan"
            yield Input(placeholder=hint, compact=True, select_on_focus=False, id="push-repo")
        yield Static(id="push-problem", classes="field-error", markup=False)

    def on_mount(self) -> None:
        self.show_problem("")

    @property
    def values(self) -> dict[str, Any]:
        """What was filled in: the arguments of a push, but for the target."""
        return {
            "repo": self.query_one("#push-repo", Input).value.strip(),
            "by": self._chosen("by"),
            "public": self._chosen("who") == "public",
            "adapter": self._chosen("as") == "adapter",
            "pull_request": self._chosen("how") == "pull-request",
        }

    def _chosen(self, name: str) -> str:
        return str(self.query_one(f"#push-{name}", Select).value)

    def offer_models(self, there: Sequence[str]) -> None:
        """Only models of rankings that were made can be chosen."""
        select = self.query_one("#push-by", Select)
        kept = select.value if select.value in there else there[0]
        with self.prevent(Select.Changed):
            select.set_options((BY[name], name) for name in there)
            select.value = kept

    def fill_repo(self, repo: str) -> None:
        """Put a name into the field where that is empty."""
        field = self.query_one("#push-repo", Input)
        if not field.value:
            with self.prevent(Input.Changed):
                field.value = repo

    def focus_repo(self) -> None:
        """Into the field of the name."""
        self.query_one("#push-repo", Input).focus()

    def show_problem(self, text: str) -> None:
        """Say what is wrong; empty: nothing is."""
        problem = self.query_one("#push-problem", Static)
        problem.update(Text(text))
        problem.display = bool(text)

    @on(Select.Changed)
    @on(Input.Changed)
    def _changed(self, event: Select.Changed | Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed())

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Entered())
