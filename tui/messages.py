"""What parts of the UI ask of the app. Workers and widgets post these; the app changes the state and passes it down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.message import Message
from textual.worker import Worker

from sam_hub.errors import SamHubError, of_the_system
from sam_hub.tui.source import JobView
from sam_hub.tui.state import Failure

if TYPE_CHECKING:
    from sam_hub.catalog.queries import ExpertRow

T = TypeVar("T")
N = TypeVar("N", bound=DOMNode)
P = ParamSpec("P")


class Failed(Message):
    """Something a person asked for failed; the app shows it and keeps it for ``!``."""

    def __init__(self, title: str, action: str, log: str = "") -> None:
        super().__init__()
        self.failure = Failure(title, action, log)


class TabRequested(Message):
    """Show another tab, and then do an action there."""

    def __init__(self, tab: str, action: str = "") -> None:
        super().__init__()
        self.tab, self.action = tab, action


class TargetChosen(Message):
    """The person works on this target from now on."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class CheckToggled(Message):
    """An expert is to be selected or unselected."""

    def __init__(self, row: ExpertRow) -> None:
        super().__init__()
        self.row = row


class SelectionChanged(Message):
    """Other experts were chosen for the target: every tab must load again."""


class JobsChanged(Message):
    """Jobs were made, cancelled or forgotten here: the app looks at all of them."""


class JobsListed(Message):
    """The jobs, as they were read just now; ``ended`` are those that came to an end since the last time."""

    def __init__(self, jobs: list[JobView], ended: list[JobView]) -> None:
        super().__init__()
        self.jobs, self.ended = jobs, ended


class DemoRequested(Message):
    """Open the UI again in the demo's home."""


async def guarded(node: DOMNode, work: Awaitable[T]) -> T | None:
    """Await something that may fail. A failure is posted as `Failed`, and None returned."""
    try:
        return await work
    except SamHubError as error:
        node.post_message(Failed(error.title, error.action))
    except OSError as error:
        explained = of_the_system(error)
        node.post_message(Failed(explained.title, explained.action))
    except NoMatches:  # an answer came when the screen was already gone
        if node.is_attached and node.app.is_running:
            raise
    return None


def background(
    *, group: str = "", exclusive: bool = True
) -> Callable[[Callable[Concatenate[N, P], Coroutine[Any, Any, None]]], Callable[Concatenate[N, P], Worker]]:
    """Make a worker of a method, which posts `Failed` where it fails.

    Args:
        group: by default, the method's name.
        exclusive: cancel the workers of the group that still run.
    """

    def decorate(method: Callable[Concatenate[N, P], Coroutine[Any, Any, None]]) -> Callable[Concatenate[N, P], Worker]:
        name = method.__name__

        @wraps(method)
        def start(self: N, *args: P.args, **kwargs: P.kwargs) -> Worker:
            work = guarded(self, method(self, *args, **kwargs))
            return self.run_worker(work, name=name, group=group or name, exclusive=exclusive)

        return start

    return decorate
