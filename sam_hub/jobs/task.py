"""What a job does, as a value: its kind and arguments go into the catalog, and its process reads them back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from sam_hub.errors import CatalogError
from sam_hub.progress import Reporter

if TYPE_CHECKING:
    from sam_hub.config import Settings
    from sam_hub.services.context import AppContext

OnProgress = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and how much in all."""
Log = Callable[[str], None]
"""Called with a line for the log."""


class TaskReporter(Reporter):
    """Passes progress and log lines on to a task's two callbacks."""

    def __init__(self, on_progress: OnProgress, log: Log = lambda line: None) -> None:
        self._on_progress, self._log = on_progress, log

    def progress(self, what: str, done: int, total: int, unit: str = "") -> None:
        """Pass it on."""
        self._on_progress(what, done, total)

    def log(self, line: str) -> None:
        """Pass it on."""
        self._log(line)


# How many jobs of a room run at the same time. One model fills the memory and all cores; downloads wait for
# the network; what is local takes seconds.
CONCURRENCY: Mapping[str, int] = {"compute": 1, "network": 2, "local": 4}

# By name, not by class: a list of jobs shall not import what they do.
TASKS: Mapping[str, str] = {
    "add": "sam_hub.jobs.tasks.experts:AddExperts",
    "update": "sam_hub.jobs.tasks.experts:UpdateExperts",
    "describe": "sam_hub.jobs.tasks.experts:DescribeExpert",
    "pull": "sam_hub.jobs.tasks.experts:PullExpert",
    "remove": "sam_hub.jobs.tasks.experts:RemoveExpert",
    "scan": "sam_hub.jobs.tasks.targets:ScanCorpus",
    "target": "sam_hub.jobs.tasks.targets:MakeTarget",
    "select": "sam_hub.jobs.tasks.selecting:SelectExperts",
    "merge": "sam_hub.jobs.tasks.merging:MergeExperts",
    "evaluate": "sam_hub.jobs.tasks.evaluating:EvaluateTarget",
    "push": "sam_hub.jobs.tasks.pushing:PushMerge",
    "stock": "sam_hub.jobs.tasks.experts:StockDemo",
}


@dataclass(frozen=True)
class Task:
    """Something that takes long. Subclasses are frozen dataclasses of plain values.

    ``KIND`` is its name in `TASKS`, empty for a class outside of this package, which goes by its full name.
    ``QUEUE`` says with what else it may run at the same time (see `CONCURRENCY`).
    """

    KIND: ClassVar[str] = ""
    QUEUE: ClassVar[str] = "compute"

    @property
    def title(self) -> str:
        """A few words for lists."""
        return self.kind

    @property
    def kind(self) -> str:
        """The name under which `task_of` finds the class."""
        return self.KIND or f"{type(self).__module__}:{type(self).__qualname__}"

    def run(self, context: AppContext, watch: OnProgress, say: Log) -> dict[str, Any]:
        """Do it, and return plain values for JSON. Called in a process that may end at any moment.

        Raises:
            SamHubError: it failed for a reason that a person can act on.
        """
        raise NotImplementedError

    def clean_up(self, settings: Settings) -> None:
        """Delete what a killed process can have left half-written."""

    def arguments(self) -> dict[str, Any]:
        """Its fields, as the catalog keeps them."""
        return asdict(self)


def task_of(kind: str, arguments: Mapping[str, Any]) -> Task:
    """The work of a job.

    Raises:
        CatalogError: no such kind, or it takes other arguments: another version of sam-hub made the job.
    """
    module, _, name = TASKS.get(kind, kind).partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        found = None
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise CatalogError(f"There is no work '{kind}'", "Update sam-hub, or forget the job.")
    known = {field.name for field in fields(found)}
    if unknown := set(arguments) - known:
        raise CatalogError(
            f"The job '{kind}' has arguments that are not known here: {', '.join(sorted(unknown))}",
            "Update sam-hub, or forget the job.",
        )
    try:
        return found(**{name: tuple(v) if isinstance(v, list) else v for name, v in arguments.items()})
    except TypeError as error:
        raise CatalogError(
            f"The job '{kind}' lacks arguments", "Forget the job, and start it anew."
        ) from error
