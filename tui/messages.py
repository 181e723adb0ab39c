"""What parts of the UI ask of the app. Workers and widgets post these; the app changes the state and passes it down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.message import Message
from textual.worker import Worker

from sam_hub.errors import SamHubError, of_the_system

if TYPE_CHECKING:
    from sam_hub.catalog.queries import ExpertRow

T = TypeVar("T")
N = TypeVar("N", bound=DOMNode)
P = ParamSpec("P")


@dataclass
class Failed(Message):
    """Something that a person asked for failed; the app shows it and keeps it for ``!``."""

    title: str
    action: str
    log: str = ""


@dataclass
class TabRequested(Message):
    """Show another tab."""

    tab: str


@dataclass
class TargetChosen(Message):
    """The person works on this target from now on."""

    name: str


@dataclass
class CheckToggled(Message):
    """Select an expert, or unselect it."""

    row: ExpertRow


class SelectionChanged(Message):
    """Other experts were chosen for the target: every tab must load again."""


class JobsChanged(Message):
    """Jobs were made, cancelled or forgotten here: the app looks at all of them."""


class DemoRequested(Message):
    """Open the UI again in the demo's home."""


async def guarded(node: DOMNode, work: Awaitable[T]) -> T | None:
    """Await something that may fail. A failure is posted as `Failed`, and None returned."""
    try:
        return await work
    except (SamHubError, OSError) as error:
        explained = error if isinstance(error, SamHubError) else of_the_system(error)
        node.post_message(Failed(explained.title, explained.action))
    except NoMatches:  # an answer came when the screen was already gone
        if node.is_attached and node.app.is_running:
            raise
    return None


def background(
    *, exclusive: bool = True, rest: float = 0
) -> Callable[[Callable[Concatenate[N, P], Coroutine[Any, Any, None]]], Callable[Concatenate[N, P], Worker]]:
    """Make a worker of a method, which posts `Failed` where it fails.

    Args:
        exclusive: a later call cancels those that still run.
        rest: seconds to wait first, so that of many calls in a row only the last does anything.
    """

    def decorate(method: Callable[Concatenate[N, P], Coroutine[Any, Any, None]]) -> Callable[Concatenate[N, P], Worker]:
        async def work(self: N, *args: P.args, **kwargs: P.kwargs) -> None:
            if rest:
                await asyncio.sleep(rest)
            await guarded(self, method(self, *args, **kwargs))

        @wraps(method)
        def start(self: N, *args: P.args, **kwargs: P.kwargs) -> Worker:
            name = method.__name__
            return self.run_worker(partial(work, self, *args, **kwargs), name=name, group=name, exclusive=exclusive)

        return start

    return decorate
