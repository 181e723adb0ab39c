"""Which service a kind of job runs. By name: to list jobs imports nothing of what they do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sam_hub.errors import CatalogError, UsageError
from sam_hub.services.options import options_from

if TYPE_CHECKING:
    from sam_hub.config import Settings
    from sam_hub.services.context import AppContext

# How many jobs of a queue run at the same time. One model fills the memory and all cores; downloads wait for
# the network; what is local takes seconds.
CONCURRENCY: Mapping[str, int] = {"compute": 1, "network": 2, "local": 4}


@dataclass(frozen=True)
class Task:
    """A kind of job.

    Args:
        module: where the following names, and those of the service's annotations, are found.
        function: the service, called with (context, options, reporter).
        queue: says with what else it may run at the same time (see `CONCURRENCY`).
        clean_up: called with (settings, options) to delete what a killed process can have left half-written.
    """

    module: str
    function: str
    queue: str = "compute"
    clean_up: str | None = None

    def read_options(self, arguments: Mapping[str, Any]) -> Any:
        """Return the options that the catalog keeps as plain values.

        Raises:
            CatalogError: they are not known here: another version of sam-hub made the job.
        """
        try:
            return options_from(self.annotated("options"), arguments)
        except UsageError as error:
            raise CatalogError(
                f"The job can't be run: {error.title}", "Update sam-hub, or remove the job and start it again."
            ) from error

    def read_outcome(self, result: Mapping[str, Any]) -> Any:
        """Return a result that the catalog keeps as plain values."""
        from pydantic import TypeAdapter

        return TypeAdapter(self.annotated("return")).validate_python(dict(result))

    def run(self, context: AppContext, options: Any, reporter: Any) -> Any:
        """Call the service."""
        return self._named(self.function)(context, options, reporter)

    def delete_leftovers(self, settings: Settings, options: Any) -> None:
        """Delete what a killed process can have left."""
        if self.clean_up is not None:
            self._named(self.clean_up)(settings, options)

    def annotated(self, name: str) -> Any:
        """Return the class of the service's ``options`` or of its ``return``."""
        return self._named(self._named(self.function).__annotations__[name])

    def _named(self, name: str) -> Any:
        return getattr(import_module(self.module), name)


_SERVICES = "sam_hub.services"
TASKS: Mapping[str, Task] = {
    "add": Task(f"{_SERVICES}.experts", "run_add", "network"),
    "update": Task(f"{_SERVICES}.experts", "run_update", "network"),
    "describe": Task(f"{_SERVICES}.descriptors", "run_describe", "network"),
    "pull": Task(f"{_SERVICES}.experts", "run_pull", "network", "clean_up_pulls"),
    "remove": Task(f"{_SERVICES}.experts", "run_removal", "local"),
    "scan": Task(f"{_SERVICES}.targets", "run_scan", "local"),
    "target": Task(f"{_SERVICES}.targets", "run_create_target", "local"),
    "select": Task(f"{_SERVICES}.selection", "run_selection"),
    "merge": Task(f"{_SERVICES}.merges", "run_merges", clean_up="clean_up_merges"),
    "evaluate": Task(f"{_SERVICES}.evaluation", "run_evaluation"),
    "push": Task(f"{_SERVICES}.push", "run_push", "network", "clean_up_pushes"),
    "stock": Task("sam_hub.demo.setup", "run_stock", "network", "clean_up_stock"),
}


def task_of(kind: str) -> Task:
    """Return the task of a kind. A kind that is not in `TASKS` names one: ``module:NAME``.

    Raises:
        CatalogError: there is none.
    """
    module, _, name = kind.partition(":")
    try:
        task = TASKS.get(kind) or getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        task = None
    if not isinstance(task, Task):
        raise CatalogError(f"There is no task '{kind}'", "Update sam-hub, or remove the job.")
    return task
