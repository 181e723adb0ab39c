"""Which service a kind of job runs. By name: to list jobs imports nothing of what they do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sam_hub.errors import CatalogError

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
        module: where the following names are found.
        options, outcome: the dataclasses of the service's arguments and of its result.
        function: the service, called with (context, options, reporter).
        queue: says with what else it may run at the same time (see `CONCURRENCY`).
        clean_up: called with (settings, options) to delete what a killed process can have left half-written.
    """

    module: str
    options: str
    function: str
    outcome: str
    queue: str = "compute"
    clean_up: str | None = None

    def read_options(self, arguments: Mapping[str, Any]) -> Any:
        """Return the options that the catalog keeps as plain values.

        Raises:
            CatalogError: they are not known here: another version of sam-hub made the job.
        """
        from pydantic import TypeAdapter, ValidationError

        options = self._named(self.options)
        unknown = ", ".join(sorted(set(arguments) - set(options.__dataclass_fields__)))
        try:
            if unknown:
                raise ValueError(unknown)
            return TypeAdapter(options).validate_python(dict(arguments))
        except (ValidationError, ValueError) as error:
            problem = f"has arguments that are not known here: {unknown}" if unknown else f"can't be read: {error}"
            raise CatalogError(
                f"The job's {self.options} {problem}", "Update sam-hub, or remove the job and start it anew."
            ) from error

    def read_outcome(self, result: Mapping[str, Any]) -> Any:
        """Return a result that the catalog keeps as plain values."""
        from pydantic import TypeAdapter

        return TypeAdapter(self._named(self.outcome)).validate_python(dict(result))

    def run(self, context: AppContext, options: Any, reporter: Any) -> Any:
        """Call the service."""
        return self._named(self.function)(context, options, reporter)

    def sweep(self, settings: Settings, options: Any) -> None:
        """Delete what a killed process can have left."""
        if self.clean_up is not None:
            self._named(self.clean_up)(settings, options)

    def _named(self, name: str) -> Any:
        return getattr(import_module(self.module), name)


_SERVICES = "sam_hub.services"
TASKS: Mapping[str, Task] = {
    "add": Task(f"{_SERVICES}.experts", "AddOptions", "run_add", "AddOutcome", "network"),
    "update": Task(f"{_SERVICES}.experts", "UpdateOptions", "run_update", "UpdateOutcome", "network"),
    "describe": Task(f"{_SERVICES}.descriptors", "DescribeOptions", "run_describe", "DescribeOutcome", "network"),
    "pull": Task(f"{_SERVICES}.experts", "PullOptions", "run_pull", "PullOutcome", "network", "clean_up_pulls"),
    "remove": Task(f"{_SERVICES}.experts", "RemovalOptions", "run_removal", "Removal", "local"),
    "scan": Task(f"{_SERVICES}.targets", "ScanOptions", "run_scan", "Scan", "local"),
    "target": Task(f"{_SERVICES}.targets", "TargetOptions", "run_create_target", "TargetOutcome", "local"),
    "select": Task(f"{_SERVICES}.selection", "SelectOptions", "run_selection", "SelectionOutcome"),
    "merge": Task(f"{_SERVICES}.merges", "MergeOptions", "run_merges", "MergesOutcome", clean_up="clean_up_merges"),
    "evaluate": Task(f"{_SERVICES}.evaluation", "EvaluationOptions", "run_evaluation", "EvaluationOutcome"),
    "push": Task(f"{_SERVICES}.push", "PushOptions", "run_push", "PushOutcome", "network", "clean_up_pushes"),
    "stock": Task("sam_hub.demo.setup", "StockOptions", "run_stock", "StockOutcome", "network", "clean_up_stock"),
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


def kind_of(options: Any) -> str:
    """Return the kind of job that takes these options; a class that is not in `TASKS` names it in ``KIND``.

    Raises:
        CatalogError: none does.
    """
    if kind := getattr(options, "KIND", None):
        return kind
    wanted = (type(options).__module__, type(options).__qualname__)
    for kind, task in TASKS.items():
        if (task.module, task.options) == wanted:
            return kind
    raise CatalogError(f"There is no task with {wanted[1]}", "Give the class a KIND.")
